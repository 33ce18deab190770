//! Dropout (Srivastava et al. 2014), inverted: training scales, inference does nothing.

use std::sync::Arc;

use ocellus_graph::{Tensor, ValueId};
use ocellus_ops::OpError;

use crate::NetworkBuilder;

impl NetworkBuilder<'_> {
    /// Sets a part `rate` of `x` to 0 and divides the rest by `1 - rate`, in training; `x` itself at inference.
    ///
    /// # Errors
    /// A rate outside `[0, 1)`.
    pub fn dropout_layer(&mut self, name: &str, x: ValueId, rate: f32) -> Result<ValueId, OpError> {
        let shape = self.shape(x)?;
        self.dropout_over(name, x, rate, &shape)
    }

    /// As [`NetworkBuilder::dropout_layer`], with whole channels (axis 1) set to 0 (Tompson et al. 2015).
    ///
    /// # Errors
    /// As there.
    pub fn channel_dropout_layer(&mut self, name: &str, x: ValueId, rate: f32) -> Result<ValueId, OpError> {
        let shape: Vec<usize> = self.shape(x)?.iter().enumerate().map(|(i, &n)| if i < 2 { n } else { 1 }).collect();
        self.dropout_over(name, x, rate, &shape)
    }

    fn dropout_over(&mut self, name: &str, x: ValueId, rate: f32, shape: &[usize]) -> Result<ValueId, OpError> {
        if !(0.0..1.0).contains(&rate) {
            return Err(OpError::graph(&self.graph().name, format!("dropout {name:?}: rate {rate} is not in [0, 1)")));
        }
        if !self.is_training() || rate == 0.0 {
            return Ok(x);
        }
        let (dtype, sizes) = (self.dtype(x)?, shape.to_vec());
        let draw = Arc::new(move |random: &mut crate::random::Random| {
            let scale = 1.0 / (1.0 - f64::from(rate));
            let count = sizes.iter().product();
            let mask: Vec<f64> = (0..count).map(|_| if random.uniform() < rate { 0.0 } else { scale }).collect();
            Tensor::from_f64(dtype, &sizes, &mask)
        });
        let name = format!("{name}.mask");
        let mask = self.random_input(&name, &name, dtype, shape, draw);
        self.mul(x, mask)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_ops::check::numbers;

    use super::*;
    use crate::checkpoint::Store;
    use crate::layers::check;

    #[test]
    fn keeps_the_mean_and_changes_with_the_step() {
        let x = Tensor::of(&[50, 40], vec![1f64; 2000]);
        let layer = |net: &mut NetworkBuilder, x| net.dropout_layer("d", x, 0.25);
        let y = check::forward(&layer, &x, 1).to_f64();
        assert!(y.iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-12));
        let mean = y.iter().sum::<f64>() / 2000.0;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        assert_eq!(check::forward(&layer, &x, 1).to_f64(), y);
        assert_ne!(check::forward(&layer, &x, 2).to_f64(), y);
        check::gradients(&layer, &Tensor::of(&[3, 4], numbers(12, 1)));
    }

    #[test]
    fn channels_fall_together() {
        let x = Tensor::of(&[2, 8, 2, 2], vec![1f64; 64]);
        let y = check::forward(&|net, x| net.channel_dropout_layer("d", x, 0.5), &x, 1).to_f64();
        assert!(y.chunks(4).all(|c| c == [0.0; 4] || c == [2.0; 4]));
        assert!(y.contains(&0.0) && y.contains(&2.0));
    }

    #[test]
    fn inference_is_the_identity() {
        let store = Store::new();
        let mut net = NetworkBuilder::inference("net", &store);
        let x = net.input("x", ocellus_graph::DataType::F32, &[2]);
        assert_eq!(net.dropout_layer("d", x, 0.5).unwrap(), x);
        assert!(net.dropout_layer("d", x, 1.0).is_err());
    }
}
