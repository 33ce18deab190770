//! Stochastic pooling (Zeiler and Fergus 2013): a window's answer is one of its activations, drawn in proportion to
//! their sizes; at test time it is the average weighted by the same probabilities.

use std::sync::Arc;

use ocellus_graph::{Tensor, ValueId};
use ocellus_ops::{OpError, Window};

use crate::NetworkBuilder;
use crate::random::Random;

impl NetworkBuilder<'_> {
    /// Pools `x` `[N, C, H, W]`, which must not be negative (put a rectifier before it), over windows of `size` at
    /// every `stride`. A window of zeros gives 0.
    ///
    /// Training: `x_k` with probability `x_k / Σ x`. Inference: `Σ x² / Σ x`.
    ///
    /// # Errors
    /// An input that is not of rank 4, or a window that does not fit.
    pub fn stochastic_pool_layer(
        &mut self,
        name: &str,
        x: ValueId,
        size: usize,
        stride: usize,
    ) -> Result<ValueId, OpError> {
        let shape = self.shape(x)?;
        let [n, c, h, w] = shape[..] else {
            let problem = format!("stochastic pooling {name:?} takes [N, C, H, W], found {shape:?}");
            return Err(OpError::graph(&self.graph().name, problem));
        };
        if size == 0 || stride == 0 || size > h || size > w {
            let problem = format!("stochastic pooling {name:?}: a window of {size} at stride {stride} over {h} x {w}");
            return Err(OpError::graph(&self.graph().name, problem));
        }
        if !self.is_training() {
            return self.weighted_average(x, size, stride);
        }
        let sizes = [n, c, (h - size) / stride + 1, (w - size) / stride + 1];
        let dtype = self.dtype(x)?;
        let draw = Arc::new(move |random: &mut Random| {
            let values: Vec<f64> = (0..sizes.iter().product()).map(|_| random.uniform().into()).collect();
            Tensor::from_f64(dtype, &sizes, &values)
        });
        let stream = format!("{name}.choice");
        let choice = self.random_input(&stream, &stream, dtype, &sizes, draw);
        self.drawn(x, choice, size, stride, [sizes[2], sizes[3]])
    }

    /// `Σ x² / Σ x` over every window, 0 where all is 0.
    fn weighted_average(&mut self, x: ValueId, size: usize, stride: usize) -> Result<ValueId, OpError> {
        let window = Window::square(size as i64, stride as i64, 0);
        let square = self.mul(x, x)?;
        let squares = self.average_pool(square, &window, true)?;
        let sums = self.average_pool(x, &window, true)?;
        let least = self.scalar_like(sums, f64::from(f32::MIN_POSITIVE))?;
        let sums = self.max(sums, least)?;
        self.div(squares, sums)
    }

    /// The activation at which the running sum over the window first exceeds `choice * Σ x`.
    fn drawn(
        &mut self,
        x: ValueId,
        choice: ValueId,
        size: usize,
        stride: usize,
        out: [usize; 2],
    ) -> Result<ValueId, OpError> {
        let mut taps = Vec::with_capacity(size * size);
        for (row, column) in (0..size * size).map(|k| (k / size, k % size)) {
            let end = |start: usize, count: usize| (start + (count - 1) * stride + 1) as i64;
            let (starts, ends) = ([row as i64, column as i64], [end(row, out[0]), end(column, out[1])]);
            taps.push(self.slice(x, &starts, &ends, &[2, 3], &[stride as i64; 2])?);
        }
        let mut sums = vec![taps[0]];
        for &tap in &taps[1..] {
            let sum = self.add(sums[sums.len() - 1], tap)?;
            sums.push(sum);
        }
        let threshold = self.mul(choice, sums[sums.len() - 1])?;
        // 1 from the drawn tap on, 0 before: the drawn tap is where it steps up. Nothing is differentiated here.
        let dtype = self.dtype(x)?;
        let mut reached = None;
        let mut result = None;
        for (&tap, &sum) in taps.iter().zip(&sums) {
            let over = self.greater(sum, threshold)?;
            let over = self.cast(over, dtype)?;
            self.stop_gradient(over);
            let step = match reached {
                Some(before) => self.sub(over, before)?,
                None => over,
            };
            reached = Some(over);
            let part = self.mul(tap, step)?;
            result = Some(match result {
                Some(sum) => self.add(sum, part)?,
                None => part,
            });
        }
        result.ok_or_else(|| OpError::graph(&self.graph().name, "a window without elements"))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;
    use ocellus_ops::check::numbers;

    use super::*;
    use crate::checkpoint::Store;
    use crate::layers::check;

    #[test]
    fn draws_in_proportion_to_size() {
        let window = [1.0f64, 0.0, 2.0, 5.0];
        let windows = 4000;
        let x: Vec<f64> = (0..2 * windows * 2).map(|i| window[i / (2 * windows) * 2 + i % 2]).collect();
        let x = Tensor::of(&[1, 1, 2, 2 * windows], x);
        let y = check::forward(&|net, x| net.stochastic_pool_layer("p", x, 2, 2), &x, 1).to_f64();
        assert_eq!(y.len(), windows);
        for (value, part) in [(1.0, 0.125), (0.0, 0.0), (2.0, 0.25), (5.0, 0.625)] {
            let found = y.iter().filter(|&&v| v == value).count() as f64 / windows as f64;
            assert!((found - part).abs() < 0.03, "{value}: {found} of {part}");
        }
        assert!(y.iter().all(|v| window.contains(v)));
    }

    #[test]
    fn gradient_goes_to_the_drawn_activation() {
        let x: Vec<f64> = numbers(50, 1).into_iter().map(|v| v + 1.5).collect();
        let x = Tensor::of(&[1, 2, 5, 5], x);
        check::gradients(&|net, x| net.stochastic_pool_layer("p", x, 3, 2), &x);
        check::gradients(&|net, x| net.stochastic_pool_layer("p", x, 2, 2), &x);
    }

    #[test]
    fn zeros_give_zero_and_inference_is_the_weighted_average() {
        let zeros = Tensor::full(DataType::F64, &[1, 1, 2, 2], 0.0);
        let layer = |net: &mut NetworkBuilder, x| net.stochastic_pool_layer("p", x, 2, 2);
        assert_eq!(check::forward(&layer, &zeros, 1).to_f64(), [0.0]);
        let store = Store::new();
        let mut net = NetworkBuilder::inference("net", &store);
        let x = net.input("x", DataType::F32, &[1, 1, 2, 4]);
        let y = layer(&mut net, x).unwrap();
        let x = Tensor::of(&[1, 1, 2, 4], vec![1f32, 0.0, 0.0, 0.0, 2.0, 5.0, 0.0, 0.0]);
        let values = ocellus_ops::evaluate_values(net.graph(), &[("x", x)]).unwrap();
        assert_eq!(values[&y].to_f32(), [3.75, 0.0]);
    }
}
