//! `Mul`: elementwise product with broadcasting (ONNX Mul-14).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::BinaryFunction;

use super::channel_affine::affine;
use super::elementwise::{BINARY, broadcast_two, eval_binary, upgrade_broadcast};
use crate::{Builder, Fold, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_binary(ctx, |a, b| a * b, i128::wrapping_mul)),
    grad: Some(grad),
    quant: Some(BINARY),
    upgrade: Some(upgrade_broadcast),
    fold: Fold::Affine(|ctx| affine(ctx, |c| c, |_| 0.0)),
    lower: Some(|ctx| super::binary_lower::lower(ctx, BinaryFunction::Mul)),
    ..OpDef::new("Mul", broadcast_two)
};

/// `da = Σ g * b`, `db = Σ g * a`, each summed over its broadcast axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    let mut grads = vec![None; 2];
    for (i, slot) in grads.iter_mut().enumerate() {
        if ctx.needs(i) {
            let (own, other) = (ctx.input(i)?, ctx.input(1 - i)?);
            let product = ctx.builder.mul(g, other)?;
            *slot = Some(ctx.builder.sum_to_shape_of(product, own)?);
        }
    }
    Ok(grads)
}

impl Builder {
    /// `a * b`, broadcast.
    pub fn mul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn multiplies_with_broadcasting() {
        let y = check::eval(
            |b, v| b.mul(v[0], v[1]),
            &[Tensor::of(&[2, 1], vec![2f32, 3.]), Tensor::vector(&[10f32, -1.])],
        );
        assert_eq!(y, Tensor::of(&[2, 2], vec![20f32, -2., 30., -3.]));
    }

    #[test]
    fn integers_are_exact_and_wrap() {
        let large = (1u64 << 63) + 1;
        let y = check::eval(|b, v| b.mul(v[0], v[1]), &[Tensor::vector(&[large]), Tensor::vector(&[3u64])]);
        assert_eq!(y, Tensor::vector(&[large.wrapping_mul(3)]));
        let y = check::eval(|b, v| b.mul(v[0], v[1]), &[Tensor::vector(&[100i8]), Tensor::vector(&[2i8])]);
        assert_eq!(y, Tensor::vector(&[-56i8]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.mul(v[0], v[1]), &[&[2, 3, 4], &[3, 1]]);
        check::gradient(|b, v| b.mul(v[0], v[0]), &[&[5]]);
    }
}
