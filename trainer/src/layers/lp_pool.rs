//! Lp pooling (Sermanet, Chintala, LeCun 2012): `(Σ |x|^p)^(1/p)` over a window.

use std::sync::Arc;

use ocellus_graph::ValueId;
use ocellus_ops::{Builder, OpError, Window};

use crate::NetworkBuilder;

impl NetworkBuilder<'_> {
    /// Lp pooling of `x`. In training it is composed from an average pooling and powers, because engines lack the
    /// operator on devices; at inference it is the ONNX operator. Where a whole window is 0 no gradient flows.
    ///
    /// # Errors
    /// `p` of 0, or a window that does not fit.
    pub fn lp_pool_layer(&mut self, x: ValueId, window: &Window, p: u32) -> Result<ValueId, OpError> {
        if p == 0 {
            return Err(OpError::graph(&self.graph().name, "the p of an Lp pooling has to be 1 or more"));
        }
        if !self.is_training() {
            return self.lp_pool(x, window, i64::from(p));
        }
        let size = self.abs(x)?;
        let power = match p {
            1 => size,
            2 => self.mul(x, x)?,
            _ => {
                let exponent = self.scalar_like(x, f64::from(p))?;
                self.pow(size, exponent)?
            }
        };
        let mean = self.average_pool(power, window, true)?;
        let count = self.scalar_like(mean, window.kernel.iter().product::<i64>() as f64)?;
        let sum = self.mul(mean, count)?;
        if p == 1 {
            return Ok(sum);
        }
        let root = match p {
            2 => self.sqrt(sum)?,
            _ => {
                let exponent = self.scalar_like(sum, 1.0 / f64::from(p))?;
                self.pow(sum, exponent)?
            }
        };
        let rule = Arc::new(move |b: &mut Builder, g: ValueId| Ok(vec![Some(root_gradient(b, g, sum, root, p)?)]));
        self.custom_gradient(root, &[sum], rule);
        Ok(root)
    }
}

/// `g * root / (p * sum)`, and 0 where the sum is 0: the slope of the root is infinite there.
fn root_gradient(b: &mut Builder, g: ValueId, sum: ValueId, root: ValueId, p: u32) -> Result<ValueId, OpError> {
    let least = b.scalar_like(sum, f64::from(f32::MIN_POSITIVE))?;
    let positive = b.max(sum, least)?;
    let factor = b.scalar_like(sum, 1.0 / f64::from(p))?;
    let slope = b.div(root, positive)?;
    let slope = b.mul(slope, factor)?;
    b.mul(g, slope)
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};
    use ocellus_ops::check::numbers;

    use super::*;
    use crate::layers::check;

    #[test]
    fn values_and_gradients() {
        let x = Tensor::of(&[1, 2, 4, 4], numbers(32, 1));
        for p in [1, 2, 3] {
            for window in [Window::square(2, 2, 0), Window::square(3, 1, 1)] {
                let layer = |net: &mut NetworkBuilder, x| net.lp_pool_layer(x, &window, p);
                let composed = check::forward(&layer, &x, 1).to_f64();
                let plain =
                    ocellus_ops::check::eval(|b, v| b.lp_pool(v[0], &window, i64::from(p)), std::slice::from_ref(&x))
                        .to_f64();
                assert!(composed.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-9), "{composed:?} {plain:?}");
                check::gradients(&layer, &x);
            }
        }
    }

    #[test]
    fn an_empty_window_has_no_gradient() {
        let mut net = NetworkBuilder::training("lp").with_dtype(DataType::F64);
        let x = net.input("x", DataType::F64, &[1, 1, 2, 2]);
        let y = net.lp_pool_layer(x, &Window::square(2, 2, 0), 2).unwrap();
        let table = net.gradients.clone();
        let y = net.reduce_sum(y, &[0, 1, 2, 3], false).unwrap();
        let g = crate::autograd::gradients(&mut net, y, &[x], &table).unwrap()[0].unwrap();
        let zeros = Tensor::full(DataType::F64, &[1, 1, 2, 2], 0.0);
        let values = ocellus_ops::evaluate_values(net.graph(), &[("x", zeros.clone())]).unwrap();
        assert_eq!(values[&g], zeros);
        assert!(net.lp_pool_layer(x, &Window::square(2, 2, 0), 0).is_err());
    }
}
