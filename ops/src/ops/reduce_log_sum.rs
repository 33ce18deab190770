//! `ReduceLogSum`: logarithm of the sum over axes (ONNX ReduceLogSum-18).

use ocellus_graph::ValueId;

use super::reduce::{Parts, Reduction, apply, eval, grads, infer, upgrade};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, &REDUCTION)),
    grad: Some(grad),
    upgrade: Some(upgrade),
    lower: Some(super::reduce_lower::log_sum),
    ..OpDef::new("ReduceLogSum", infer)
};

const REDUCTION: Reduction = Reduction {
    float: |v| libm::log(v.iter().fold(0.0, |a, b| a + b)),
    int: |v, range| Some((libm::log(v.iter().sum::<i128>() as f64) as i128).clamp(range.0, range.1)),
};

/// `dx = g / Σ x`, repeated.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let parts = Parts::new(ctx)?;
    let b = &mut *ctx.builder;
    let sum = parts.sum(b, parts.x)?;
    let share = b.div(parts.g, sum)?;
    let dx = parts.spread(b, share)?;
    Ok(grads(ctx, dx))
}

impl Builder {
    /// The logarithm of the sum over `axes` (all where empty).
    pub fn reduce_log_sum(&mut self, x: ValueId, axes: &[i64], keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axes, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let x = Tensor::of(&[2, 2], vec![1f32, 3., 0.5, 0.5]);
        let y = check::eval(|b, v| b.reduce_log_sum(v[0], &[1], false), &[x]);
        assert_eq!(y, Tensor::vector(&[4f32.ln(), 0.]));
        let y = check::eval(|b, v| b.reduce_log_sum(v[0], &[0], false), &[Tensor::of(&[0], Vec::<f32>::new())]);
        assert_eq!(y, Tensor::scalar(f32::NEG_INFINITY));
    }

    #[test]
    fn gradient() {
        let x = Tensor::of(&[2, 3], vec![0.5f64, 2.0, 1.5, 1.0, 1.0, 0.75]);
        check::gradient_at(|b, v| b.reduce_log_sum(v[0], &[1], true), std::slice::from_ref(&x));
        check::gradient_at(|b, v| b.reduce_log_sum(v[0], &[0], false), std::slice::from_ref(&x));
        check::gradient_at(|b, v| b.reduce_log_sum(v[0], &[], false), &[x]);
    }
}
