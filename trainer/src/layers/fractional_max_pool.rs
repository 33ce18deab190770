//! Fractional max pooling (Graham 2014): regions of 1 or 2 rows and columns, so that pooling shrinks by any factor
//! between 1 and 2, at boundaries that training draws anew at every step.

use std::sync::Arc;

use ocellus_graph::{Tensor, ValueId};
use ocellus_ops::OpError;

use crate::NetworkBuilder;
use crate::random::Random;

/// The boundaries `a_0 = 0 … a_n = inputs` of the paper's pseudo-random sequence: `a_i = ceil(alpha (i + u))` up to a
/// constant, with `alpha = inputs / outputs` and `u` in `[0, 1)`. Steps are 1 or 2.
fn boundaries(inputs: usize, outputs: usize, u: f64) -> Vec<usize> {
    // With alpha = 1 + r, ceil(alpha (i + u)) = i + ceil(r i + alpha u): only whole numbers of r are added, exactly.
    let alpha = inputs as f64 / outputs as f64;
    let offset = alpha * u;
    let raw = |i: usize| libm::ceil(alpha * i as f64 + offset) as usize;
    let first = raw(0);
    let mut all: Vec<usize> = (0..=outputs).map(|i| (raw(i) - first).min(inputs)).collect();
    all[outputs] = inputs;
    // Rounding may have made a step of 0 or 3 beside the end: pull the boundaries between their limits.
    for i in (1..outputs).rev() {
        all[i] = all[i].clamp(all[i + 1].saturating_sub(2), all[i + 1] - 1);
    }
    for i in 1..outputs {
        all[i] = all[i].clamp(all[i - 1] + 1, all[i - 1] + 2);
    }
    all
}

/// Matrices `[outputs, inputs]` with one 1 per row, which together name all indices of every region.
fn selections(inputs: usize, outputs: usize, u: f64, overlapping: bool) -> Vec<Vec<f64>> {
    let bounds = boundaries(inputs, outputs, u);
    let taps = if overlapping { 3 } else { 2 };
    let matrix = |tap: usize| {
        let mut rows = vec![0.0; outputs * inputs];
        for i in 0..outputs {
            let last = if overlapping { bounds[i + 1].min(inputs - 1) } else { bounds[i + 1] - 1 };
            rows[i * inputs + (bounds[i] + tap).min(last)] = 1.0;
        }
        rows
    };
    (0..taps).map(matrix).collect()
}

impl NetworkBuilder<'_> {
    /// Pools `x` `[N, C, H, W]` to `[N, C, outputs[0], outputs[1]]` by the maximum over regions. `overlapping` regions
    /// share their border with the next one, as the paper recommends. At inference the boundaries are those of
    /// `u = 1/2`.
    ///
    /// A region is picked by multiplying with matrices of zeros and ones: exact, and its gradient is a product as well,
    /// without scatter.
    ///
    /// # Errors
    /// An input that is not of rank 4, or sizes that are not between half and the whole of the input's.
    pub fn fractional_max_pool_layer(
        &mut self,
        name: &str,
        x: ValueId,
        outputs: [usize; 2],
        overlapping: bool,
    ) -> Result<ValueId, OpError> {
        let shape = self.shape(x)?;
        let [_, _, height, width] = shape[..] else {
            let problem = format!("fractional pooling {name:?} takes [N, C, H, W], found {shape:?}");
            return Err(OpError::graph(&self.graph().name, problem));
        };
        for (input, output) in [(height, outputs[0]), (width, outputs[1])] {
            if output == 0 || output >= input || input > 2 * output {
                let problem =
                    format!("fractional pooling {name:?} cannot shrink {input} to {output}: between half and all");
                return Err(OpError::graph(&self.graph().name, problem));
            }
        }
        let rows = self.selection_inputs(&format!("{name}.rows"), x, height, outputs[0], overlapping)?;
        let columns = self.selection_inputs(&format!("{name}.columns"), x, width, outputs[1], overlapping)?;
        let mut picked = Vec::new();
        for row in rows {
            picked.push(self.matmul(row, x)?);
        }
        let tall = self.max_of(&picked)?;
        let mut picked = Vec::new();
        for column in columns {
            let turned = self.transpose(column, &[1, 0])?;
            picked.push(self.matmul(tall, turned)?);
        }
        self.max_of(&picked)
    }

    fn selection_inputs(
        &mut self,
        stream: &str,
        x: ValueId,
        inputs: usize,
        outputs: usize,
        overlapping: bool,
    ) -> Result<Vec<ValueId>, OpError> {
        let dtype = self.dtype(x)?;
        let shape = [outputs, inputs];
        let taps = if overlapping { 3 } else { 2 };
        let mut values = Vec::with_capacity(taps);
        for tap in 0..taps {
            let name = format!("{stream}.{tap}");
            values.push(if self.is_training() {
                // All taps are drawn from the same stream, so that they agree on the boundaries.
                let draw = Arc::new(move |random: &mut Random| {
                    let u = f64::from(random.uniform());
                    Tensor::from_f64(dtype, &shape, &selections(inputs, outputs, u, overlapping)[tap])
                });
                self.random_input(&name, stream, dtype, &shape, draw)
            } else {
                let matrix = &selections(inputs, outputs, 0.5, overlapping)[tap];
                self.constant(&name, Tensor::from_f64(dtype, &shape, matrix))
            });
        }
        Ok(values)
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
    fn boundaries_step_by_one_or_two() {
        for inputs in 2..40usize {
            for outputs in inputs.div_ceil(2)..inputs {
                for k in 0..16 {
                    let b = boundaries(inputs, outputs, f64::from(k) / 16.0);
                    assert_eq!((b.len(), b[0], b[outputs]), (outputs + 1, 0, inputs), "{inputs} {outputs} {k}");
                    assert!(b.windows(2).all(|w| (1..=2).contains(&(w[1] - w[0]))), "{inputs} {outputs} {k}: {b:?}");
                }
            }
        }
    }

    fn expected(x: &[f64], size: usize, out: usize, u: [f64; 2], overlapping: bool) -> Vec<f64> {
        let b = u.map(|u| boundaries(size, out, u));
        let region = |b: &[usize], i: usize| b[i]..=(b[i + 1] - usize::from(!overlapping)).min(size - 1);
        let cell = |i: usize, j: usize| {
            let rows = region(&b[0], i);
            let all = rows.flat_map(|r| region(&b[1], j).map(move |c| r * size + c));
            all.map(|k| x[k]).fold(f64::NEG_INFINITY, f64::max)
        };
        (0..out * out).map(|k| cell(k / out, k % out)).collect()
    }

    #[test]
    fn maxima_over_the_regions_and_gradients() {
        let x = Tensor::of(&[1, 1, 7, 7], numbers(49, 1));
        for overlapping in [false, true] {
            let layer = |net: &mut NetworkBuilder, x| net.fractional_max_pool_layer("f", x, [5, 5], overlapping);
            let u = ["f.rows", "f.columns"].map(|s| f64::from(Random::new(3, s, 1).uniform()));
            let y = check::forward(&layer, &x, 1).to_f64();
            assert_eq!(y, expected(&x.to_f64(), 7, 5, u, overlapping));
            check::gradients(&layer, &x);
            let store = Store::new();
            let mut net = NetworkBuilder::inference("net", &store);
            let input = net.input("x", DataType::F64, &[1, 1, 7, 7]);
            let y = layer(&mut net, input).unwrap();
            let values = ocellus_ops::evaluate_values(net.graph(), &[("x", x.clone())]).unwrap();
            assert_eq!(values[&y].to_f64(), expected(&x.to_f64(), 7, 5, [0.5; 2], overlapping));
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        let mut net = NetworkBuilder::training("net");
        let x = net.input("x", DataType::F32, &[1, 1, 7, 7]);
        for outputs in [[3, 5], [7, 5], [5, 0]] {
            assert!(net.fractional_max_pool_layer("f", x, outputs, false).is_err(), "{outputs:?}");
        }
    }
}
