//! `ReduceL2`: Euclidean norm over axes (ONNX ReduceL2-18).

use ocellus_graph::ValueId;
use ocellus_plan::args::ReduceFunction;

use super::reduce::{Parts, Reduction, apply, eval, grads, infer, least_normal, upgrade};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, &REDUCTION)),
    grad: Some(grad),
    upgrade: Some(upgrade),
    lower: Some(|ctx| super::reduce_lower::lower(ctx, ReduceFunction::L2)),
    ..OpDef::new("ReduceL2", infer)
};

const REDUCTION: Reduction = Reduction {
    float: |v| v.iter().fold(0.0, |a, b| a + b * b).sqrt(),
    int: |v, _| Some(v.iter().map(|&b| b as f64 * b as f64).sum::<f64>().sqrt() as i128),
};

/// `dx = g * x / y`, with 0 for a vector of zeros.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let parts = Parts::new(ctx)?;
    let y = ctx.output(0)?;
    let b = &mut *ctx.builder;
    let y = parts.aligned(b, y)?;
    let floor = least_normal(b.dtype(y)?);
    let floor = b.scalar_like(y, floor)?;
    let norm = b.max(y, floor)?;
    let unit = b.div(parts.x, norm)?;
    let dx = b.mul(unit, parts.g)?;
    Ok(grads(ctx, dx))
}

impl Builder {
    /// The Euclidean norm over `axes` (all where empty).
    pub fn reduce_l2(&mut self, x: ValueId, axes: &[i64], keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axes, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.reduce_l2(v[0], &[1], false), &[Tensor::of(&[2, 2], vec![3f32, -4., 0., 2.])]);
        assert_eq!(y, Tensor::vector(&[5f32, 2.]));
        let y = check::eval(|b, v| b.reduce_l2(v[0], &[], false), &[Tensor::vector(&[5i32, 5])]);
        assert_eq!(y, Tensor::scalar(7i32));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.reduce_l2(v[0], &[1], true), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_l2(v[0], &[0, -1], false), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_l2(v[0], &[], false), &[&[2, 3]]);
    }

    #[test]
    fn gradient_of_a_vector_of_zeros_is_zero() {
        check::gradient_at(|b, v| b.reduce_l2(v[0], &[1], false), &[Tensor::full(DataType::F64, &[2, 3], 0.0)]);
        check::gradient_at(|b, v| b.reduce_l2(v[0], &[1], false), &[Tensor::full(DataType::F64, &[2, 3], 0.5)]);
    }
}
