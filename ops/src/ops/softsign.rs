//! `Softsign`: `x / (1 + |x|)` (ONNX Softsign-1).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{eval_unary, float_unary, ranged};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, |x| x / (1.0 + x.abs()))),
    grad: Some(grad),
    quant: Some(ranged(-1.0, 1.0)),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Softsign, 0.0, 0.0)),
    ..OpDef::new("Softsign", float_unary)
};

/// `dx = g / (1 + |x|)²`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    let b = &mut *ctx.builder;
    let size = b.abs(x)?;
    let base = b.shift_by(size, 1.0)?;
    let square = b.mul(base, base)?;
    Ok(vec![Some(b.div(g, square)?)])
}

impl Builder {
    /// `x / (1 + |x|)`.
    pub fn softsign(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.softsign(v[0]), &[Tensor::vector(&[-1f32, 0.0, 3.0])]);
        assert_eq!(y, Tensor::vector(&[-0.5f32, 0.0, 0.75]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.softsign(v[0]), &[&[3, 5]]);
    }
}
