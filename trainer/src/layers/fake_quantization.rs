//! Fake quantization (Jacob et al. 2018): in training, weights and activations take only the values that 8 bits can hold,
//! so that the network learns to live with them. Gradients pass as if nothing was rounded (straight through).

use ocellus_graph::ValueId;
use ocellus_ops::OpError;

use crate::NetworkBuilder;

/// The greatest integer weight.
const WEIGHT_STEPS: f64 = 127.0;
/// Steps of an activation.
const ACTIVATION_STEPS: f64 = 255.0;
/// The least range of a channel.
const TINY: f64 = 1e-12;

impl NetworkBuilder<'_> {
    /// A network that learns for 8 bits: in training, the weights of its convolutions and dense layers, and what
    /// [`NetworkBuilder::clipped_layer`] makes, are rounded to them. At inference nothing is: the quantizer does it.
    #[must_use]
    pub fn for_eight_bits(mut self, yes: bool) -> Self {
        self.eight_bits = yes && self.is_training();
        self
    }

    /// Weights with output channels along axis 0, rounded to ±127 steps in every channel. A normalisation after them
    /// changes nothing of it, because it scales whole channels.
    ///
    /// # Errors
    /// Weights that are not floats.
    pub fn rounded_weights(&mut self, weights: ValueId) -> Result<ValueId, OpError> {
        if !self.eight_bits {
            return Ok(weights);
        }
        let axes: Vec<i64> = (1..self.shape(weights)?.len() as i64).collect();
        let size = self.abs(weights)?;
        let most = self.reduce_max(size, &axes, true)?;
        let tiny = self.scalar_like(most, TINY)?;
        let most = self.max(most, tiny)?;
        let steps = self.scalar_like(most, WEIGHT_STEPS)?;
        let factor = self.div(steps, most)?;
        let scaled = self.mul(weights, factor)?;
        let whole = self.round(scaled)?;
        let rounded = self.div(whole, factor)?;
        self.straight_through(weights, rounded)
    }

    /// `x` between 0 and `high`; where the network learns for 8 bits, in 255 steps.
    ///
    /// # Errors
    /// An input that is not a float.
    pub fn clipped_layer(&mut self, x: ValueId, high: f32) -> Result<ValueId, OpError> {
        let x = self.clip(x, Some(0.0), Some(high))?;
        if !self.eight_bits {
            return Ok(x);
        }
        let factor = self.scalar_like(x, ACTIVATION_STEPS / f64::from(high))?;
        let scaled = self.mul(x, factor)?;
        let whole = self.round(scaled)?;
        let rounded = self.div(whole, factor)?;
        self.straight_through(x, rounded)
    }

    /// `rounded`, with the gradient of `x`.
    fn straight_through(&mut self, x: ValueId, rounded: ValueId) -> Result<ValueId, OpError> {
        let change = self.sub(rounded, x)?;
        self.stop_gradient(change);
        self.add(x, change)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};
    use ocellus_ops::evaluate_values;

    use super::*;
    use crate::autograd::gradients_from;

    #[test]
    fn values_are_rounded_and_gradients_are_not() {
        let mut net = NetworkBuilder::training("net").for_eight_bits(true);
        let w = net.input("w", DataType::F32, &[2, 2]);
        let rounded = net.rounded_weights(w).unwrap();
        let x = net.input("x", DataType::F32, &[3]);
        let y = net.clipped_layer(x, 2.55).unwrap();
        let ones = [net.constant("one", Tensor::full(DataType::F32, &[2, 2], 1.0)), {
            net.constant("ones", Tensor::full(DataType::F32, &[3], 1.0))
        }];
        let table = net.gradient_table().clone();
        let grads = gradients_from(&mut net, &[(rounded, ones[0]), (y, ones[1])], &[w, x], &table).unwrap();
        let given = [
            ("w", Tensor::of(&[2, 2], vec![1.27f32, 0.014, -254.0, 3.1])),
            ("x", Tensor::vector(&[-1.0f32, 0.514, 7.0])),
        ];
        let values = evaluate_values(net.graph(), &given).unwrap();
        let of = |v: ValueId| values[&v].to_f32();
        let near = |found: Vec<f32>, wanted: &[f32]| {
            assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-5), "{found:?}, not {wanted:?}");
        };
        near(of(rounded), &[1.27, 0.01, -254.0, 4.0]);
        near(of(y), &[0.0, 0.51, 2.55]);
        near(of(grads[0].unwrap()), &[1.0; 4]);
        near(of(grads[1].unwrap()), &[0.0, 1.0, 0.0]);
    }

    #[test]
    fn inference_is_left_to_the_quantizer() {
        let store = crate::checkpoint::Store::new();
        let mut net = NetworkBuilder::inference("net", &store).for_eight_bits(true);
        let x = net.input("x", DataType::F32, &[3]);
        net.clipped_layer(x, 6.0).unwrap();
        assert_eq!(net.graph().nodes.len(), 1);
    }
}
