//! `Sub`: elementwise difference with broadcasting (ONNX Sub-14).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::BinaryFunction;

use super::channel_affine::affine;
use super::elementwise::{BINARY, broadcast_two, eval_binary, upgrade_broadcast};
use crate::{Builder, Fold, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_binary(ctx, |a, b| a - b, |a, b| a - b)),
    grad: Some(grad),
    quant: Some(BINARY),
    upgrade: Some(upgrade_broadcast),
    fold: Fold::Affine(|ctx| affine(ctx, |_| 1.0, |c| -c)),
    lower: Some(|ctx| super::binary_lower::lower(ctx, BinaryFunction::Sub)),
    ..OpDef::new("Sub", broadcast_two)
};

/// `da = Σ g`, `db = -Σ g`, each summed over its broadcast axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    let mut grads = vec![None; 2];
    for (i, slot) in grads.iter_mut().enumerate() {
        if ctx.needs(i) {
            let own = ctx.input(i)?;
            let sum = ctx.builder.sum_to_shape_of(g, own)?;
            *slot = Some(if i == 0 { sum } else { ctx.builder.neg(sum)? });
        }
    }
    Ok(grads)
}

impl Builder {
    /// `a - b`, broadcast.
    pub fn sub(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn subtracts_with_broadcasting() {
        let y = check::eval(
            |b, v| b.sub(v[0], v[1]),
            &[Tensor::of(&[2, 1], vec![2f32, 3.]), Tensor::vector(&[10f32, -1.])],
        );
        assert_eq!(y, Tensor::of(&[2, 2], vec![-8f32, 3., -7., 4.]));
    }

    #[test]
    fn unsigned_integers_wrap() {
        let y = check::eval(|b, v| b.sub(v[0], v[1]), &[Tensor::vector(&[1u8, 9]), Tensor::vector(&[3u8, 2])]);
        assert_eq!(y, Tensor::vector(&[254u8, 7]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.sub(v[0], v[1]), &[&[3, 1], &[2, 3, 4]]);
    }
}
