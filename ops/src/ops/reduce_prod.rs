//! `ReduceProd`: product over axes (ONNX ReduceProd-18).

use ocellus_graph::ValueId;
use ocellus_plan::args::ReduceFunction;

use super::reduce::{Parts, Reduction, apply, eval, grads, infer, upgrade};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, &REDUCTION)),
    grad: Some(grad),
    upgrade: Some(upgrade),
    lower: Some(|ctx| super::reduce_lower::lower(ctx, ReduceFunction::Prod)),
    ..OpDef::new("ReduceProd", infer)
};

const REDUCTION: Reduction = Reduction {
    float: |v| v.iter().product(),
    int: |v, _| Some(v.iter().fold(1, |a: i128, &b| i128::from((a as u64).wrapping_mul(b as u64)))),
};

/// `dx = g * Π(others)`, right also with zeros: the product is taken with every zero replaced by 1, divided by the
/// element, and kept where no other element is zero.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let parts = Parts::new(ctx)?;
    if parts.axes.is_empty() {
        return Ok(grads(ctx, parts.g));
    }
    let b = &mut *ctx.builder;
    let dtype = b.dtype(parts.x)?;
    let zero = b.scalar_like(parts.x, 0.0)?;
    let is_zero = b.equal(parts.x, zero)?;
    let is_zero = b.cast(is_zero, dtype)?;
    let filled = b.add(parts.x, is_zero)?;
    let product = b.reduce_prod(filled, &parts.axes, true)?;
    let zeros = parts.sum(b, is_zero)?;
    let other_zeros = b.sub(zeros, is_zero)?;
    let alone = b.equal(other_zeros, zero)?;
    let alone = b.cast(alone, dtype)?;
    let scaled = b.mul(parts.g, product)?;
    let others = b.div(scaled, filled)?;
    let dx = b.mul(others, alone)?;
    Ok(grads(ctx, dx))
}

impl Builder {
    /// The product over `axes` (all where empty).
    pub fn reduce_prod(&mut self, x: ValueId, axes: &[i64], keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axes, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.reduce_prod(v[0], &[1], false), &[Tensor::of(&[2, 2], vec![3f32, -4., 0., 2.])]);
        assert_eq!(y, Tensor::vector(&[-12f32, 0.]));
        let y = check::eval(|b, v| b.reduce_prod(v[0], &[], false), &[Tensor::vector(&[-3i64, 5])]);
        assert_eq!(y, Tensor::scalar(-15i64));
        let y = check::eval(|b, v| b.reduce_prod(v[0], &[0], false), &[Tensor::of(&[0], Vec::<f32>::new())]);
        assert_eq!(y, Tensor::scalar(1f32));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.reduce_prod(v[0], &[1], true), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_prod(v[0], &[0, -1], false), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_prod(v[0], &[], false), &[&[2, 3]]);
    }

    #[test]
    fn gradient_with_zeros() {
        let x = Tensor::of(&[3, 3], vec![2f64, 0., 3., 0., 0., 3., 1., 1., 1.]);
        check::gradient_at(|b, v| b.reduce_prod(v[0], &[1], true), &[x]);
    }
}
