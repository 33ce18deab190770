//! `ReduceL1`: sum of absolute values over axes (ONNX ReduceL1-18).

use ocellus_graph::ValueId;
use ocellus_plan::args::ReduceFunction;

use super::reduce::{Parts, Reduction, apply, eval, grads, infer, upgrade};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, &REDUCTION)),
    grad: Some(grad),
    upgrade: Some(upgrade),
    lower: Some(|ctx| super::reduce_lower::lower(ctx, ReduceFunction::L1)),
    ..OpDef::new("ReduceL1", infer)
};

const REDUCTION: Reduction =
    Reduction { float: |v| v.iter().fold(0.0, |a, b| a + b.abs()), int: |v, _| Some(v.iter().map(|b| b.abs()).sum()) };

/// `dx = g * sign(x)`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let parts = Parts::new(ctx)?;
    let sign = ctx.builder.sign(parts.x)?;
    let dx = ctx.builder.mul(sign, parts.g)?;
    Ok(grads(ctx, dx))
}

impl Builder {
    /// The sum of absolute values over `axes` (all where empty).
    pub fn reduce_l1(&mut self, x: ValueId, axes: &[i64], keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axes, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.reduce_l1(v[0], &[1], false), &[Tensor::of(&[2, 2], vec![3f32, -4., 0., 2.])]);
        assert_eq!(y, Tensor::vector(&[7f32, 2.]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.reduce_l1(v[0], &[1], true), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_l1(v[0], &[0, -1], false), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_l1(v[0], &[], false), &[&[2, 3]]);
    }
}
