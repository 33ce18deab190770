//! `Log`: natural logarithm (ONNX Log-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, libm::log)),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Log, 0.0, 0.0)),
    ..OpDef::new("Log", float_unary)
};

/// `dx = g / x`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    Ok(vec![Some(ctx.builder.div(g, x)?)])
}

impl Builder {
    /// The natural logarithm.
    pub fn log(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.log(v[0]), &[Tensor::vector(&[1f32, 2.0, 0.0])]);
        assert_eq!(y, Tensor::vector(&[0f32, std::f32::consts::LN_2, f32::NEG_INFINITY]));
    }

    #[test]
    fn gradient() {
        check::gradient_at(|b, v| b.log(v[0]), &[Tensor::vector(&[0.25f64, 1.0, 3.5, 1.0, 1.0])]);
    }
}
