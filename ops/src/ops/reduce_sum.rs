//! `ReduceSum`: sum over axes (ONNX ReduceSum-13).

use ocellus_graph::ValueId;
use ocellus_plan::args::ReduceFunction;

use super::reduce::{CALIBRATED, Parts, Reduction, apply, eval, grads, infer, upgrade};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, &REDUCTION)),
    grad: Some(grad),
    quant: Some(CALIBRATED),
    upgrade: Some(upgrade),
    lower: Some(|ctx| super::reduce_lower::lower(ctx, ReduceFunction::Sum)),
    ..OpDef::new("ReduceSum", infer)
};

const REDUCTION: Reduction =
    Reduction { float: |v| v.iter().fold(0.0, |a, b| a + b), int: |v, _| Some(v.iter().sum()) };

/// `dx = g`, repeated.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let parts = Parts::new(ctx)?;
    let dx = parts.spread(ctx.builder, parts.g)?;
    Ok(grads(ctx, dx))
}

impl Builder {
    /// The sum over `axes` (all where empty).
    pub fn reduce_sum(&mut self, x: ValueId, axes: &[i64], keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axes, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let x = Tensor::of(&[2, 3], vec![1f32, 2., 3., 4., 5., 6.]);
        let y = check::eval(|b, v| b.reduce_sum(v[0], &[1], true), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[2, 1], vec![6f32, 15.]));
        let y = check::eval(|b, v| b.reduce_sum(v[0], &[], false), &[x]);
        assert_eq!(y, Tensor::scalar(21f32));
    }

    #[test]
    fn no_elements_sum_to_zero_and_integers_are_exact() {
        let y = check::eval(|b, v| b.reduce_sum(v[0], &[1], false), &[Tensor::of(&[2, 0], Vec::<f32>::new())]);
        assert_eq!(y, Tensor::vector(&[0f32, 0.]));
        let y = check::eval(|b, v| b.reduce_sum(v[0], &[0], false), &[Tensor::vector(&[i64::MAX - 1, 1])]);
        assert_eq!(y, Tensor::scalar(i64::MAX));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.reduce_sum(v[0], &[1], true), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_sum(v[0], &[0, -1], false), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_sum(v[0], &[], false), &[&[2, 3]]);
    }
}
