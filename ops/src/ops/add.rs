//! `Add`: elementwise sum with broadcasting (ONNX Add-14).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::BinaryFunction;

use super::channel_affine::affine;
use super::elementwise::{BINARY, broadcast_two, eval_binary, upgrade_broadcast};
use crate::{Builder, Fold, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_binary(ctx, |a, b| a + b, |a, b| a + b)),
    grad: Some(grad),
    quant: Some(BINARY),
    upgrade: Some(upgrade_broadcast),
    fold: Fold::Affine(|ctx| affine(ctx, |_| 1.0, |c| c)),
    lower: Some(|ctx| super::binary_lower::lower(ctx, BinaryFunction::Add)),
    ..OpDef::new("Add", broadcast_two)
};

/// `da = Σ g`, `db = Σ g`, each summed over its broadcast axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    let mut grads = vec![None; 2];
    for (i, slot) in grads.iter_mut().enumerate() {
        if ctx.needs(i) {
            *slot = Some(ctx.builder.sum_to_shape_of(g, ctx.input(i)?)?);
        }
    }
    Ok(grads)
}

impl Builder {
    /// `a + b`, broadcast.
    pub fn add(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn adds_with_broadcasting() {
        let sum = check::eval(
            |b, v| b.add(v[0], v[1]),
            &[Tensor::of(&[2, 1], vec![1f32, 2.]), Tensor::vector(&[10f32, 20.])],
        );
        assert_eq!(sum, Tensor::of(&[2, 2], vec![11f32, 21., 12., 22.]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.add(v[0], v[1]), &[&[2, 3, 4], &[3, 1]]);
    }
}
