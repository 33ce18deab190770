//! `Reciprocal`: `1 / x` (ONNX Reciprocal-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary, unary_grad};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, f64::recip)),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Reciprocal, 0.0, 0.0)),
    ..OpDef::new("Reciprocal", float_unary)
};

/// `dx = -g * y²`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |b, _, y| {
        let square = b.mul(y, y)?;
        b.neg(square)
    })
}

impl Builder {
    /// `1 / x`.
    pub fn reciprocal(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.reciprocal(v[0]), &[Tensor::vector(&[4f32, -0.5, 0.0])]);
        assert_eq!(y, Tensor::vector(&[0.25f32, -2.0, f32::INFINITY]));
    }

    #[test]
    fn gradient() {
        check::gradient_at(|b, v| b.reciprocal(v[0]), &[Tensor::vector(&[0.5f64, -2.0, 1.0, 1.0])]);
    }
}
