//! `Exp`: natural exponential (ONNX Exp-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary, unary_grad};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, libm::exp)),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Exp, 0.0, 0.0)),
    ..OpDef::new("Exp", float_unary)
};

/// `dx = g * y`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |_, _, y| Ok(y))
}

impl Builder {
    /// `e^x`.
    pub fn exp(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.exp(v[0]), &[Tensor::vector(&[0f32, 1.0, f32::NEG_INFINITY, 1000.0])]);
        assert_eq!(y, Tensor::vector(&[1f32, std::f32::consts::E, 0.0, f32::INFINITY]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.exp(v[0]), &[&[3, 5]]);
    }
}
