//! `ReduceSumSquare`: sum of squares over axes (ONNX ReduceSumSquare-18).

use ocellus_graph::ValueId;
use ocellus_plan::args::ReduceFunction;

use super::reduce::{Parts, Reduction, apply, eval, grads, infer, upgrade};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, &REDUCTION)),
    grad: Some(grad),
    upgrade: Some(upgrade),
    lower: Some(|ctx| super::reduce_lower::lower(ctx, ReduceFunction::SumSquare)),
    ..OpDef::new("ReduceSumSquare", infer)
};

const REDUCTION: Reduction = Reduction {
    float: |v| v.iter().fold(0.0, |a, b| a + b * b),
    int: |v, _| Some(v.iter().fold(0, |a: i128, b| a.wrapping_add(b.wrapping_mul(*b)))),
};

/// `dx = 2 * g * x`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let parts = Parts::new(ctx)?;
    let double = ctx.builder.scale_by(parts.g, 2.0)?;
    let dx = ctx.builder.mul(parts.x, double)?;
    Ok(grads(ctx, dx))
}

impl Builder {
    /// The sum of squares over `axes` (all where empty).
    pub fn reduce_sum_square(&mut self, x: ValueId, axes: &[i64], keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axes, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y =
            check::eval(|b, v| b.reduce_sum_square(v[0], &[1], false), &[Tensor::of(&[2, 2], vec![3f32, -4., 0., 2.])]);
        assert_eq!(y, Tensor::vector(&[25f32, 4.]));
        let y = check::eval(|b, v| b.reduce_sum_square(v[0], &[], false), &[Tensor::vector(&[3i32, -4])]);
        assert_eq!(y, Tensor::scalar(25i32));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.reduce_sum_square(v[0], &[1], true), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_sum_square(v[0], &[0, -1], false), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_sum_square(v[0], &[], false), &[&[2, 3]]);
    }
}
