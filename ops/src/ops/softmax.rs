//! `Softmax`: `e^x / Σ e^x` along one axis (ONNX Softmax-13).

use ocellus_graph::{Attributes, ValueId};

use super::along_axis::{eval, infer, upgrade};
use super::elementwise::ranged;
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, softmax)),
    grad: Some(grad),
    quant: Some(ranged(0.0, 1.0)),
    upgrade: Some(upgrade),
    lower: Some(super::softmax_lower::softmax),
    ..OpDef::new("Softmax", infer)
};

/// The greatest element is subtracted first, so that no exponential overflows.
fn softmax(line: &mut [f64]) {
    let greatest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    line.iter_mut().for_each(|v| *v = libm::exp(*v - greatest));
    let sum: f64 = line.iter().sum();
    line.iter_mut().for_each(|v| *v /= sum);
}

/// `dx = y * (g - Σ g * y)`, summed along the axis.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, y, axis) = (ctx.grad()?, ctx.output(0)?, ctx.int("axis", -1));
    let b = &mut *ctx.builder;
    let product = b.mul(g, y)?;
    let sum = b.reduce_sum(product, &[axis], true)?;
    let centred = b.sub(g, sum)?;
    Ok(vec![Some(b.mul(y, centred)?)])
}

impl Builder {
    /// `e^x / Σ e^x` along `axis`, which may count from the end.
    pub fn softmax(&mut self, x: ValueId, axis: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("axis", axis))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use super::*;
    use crate::check;

    #[test]
    fn values_without_overflow() {
        let x = Tensor::of(&[2, 2], vec![0f32, 3f32.ln(), 1000., 1000.]);
        let y = check::eval(|b, v| b.softmax(v[0], -1), &[x]);
        assert_eq!(y, Tensor::of(&[2, 2], vec![0.25f32, 0.75, 0.5, 0.5]));
    }

    #[test]
    fn an_inner_axis() {
        let x = Tensor::of(&[1, 2, 2], vec![0f64, 0., 0., 3f64.ln()]);
        let y = check::eval(|b, v| b.softmax(v[0], 1), &[x]).to_f64();
        let close = y.iter().zip([0.5, 0.25, 0.5, 0.75]).all(|(a, b)| (a - b).abs() < 1e-15);
        assert!(close, "{y:?}");
    }

    #[test]
    fn an_axis_out_of_range_is_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[2, 2]);
        assert!(b.softmax(x, 2).unwrap_err().to_string().contains("out of range"));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.softmax(v[0], 1), &[&[2, 4, 3]]);
        check::gradient_at(|b, v| b.softmax(v[0], -1), &[Tensor::full(DataType::F64, &[2, 3], 0.5)]);
    }
}
