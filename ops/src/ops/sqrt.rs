//! `Sqrt`: square root (ONNX Sqrt-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, f64::sqrt)),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Sqrt, 0.0, 0.0)),
    ..OpDef::new("Sqrt", float_unary)
};

/// `dx = g / 2y`; infinite at 0, as the slope is.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, y) = (ctx.grad()?, ctx.output(0)?);
    let half = ctx.builder.scale_by(g, 0.5)?;
    Ok(vec![Some(ctx.builder.div(half, y)?)])
}

impl Builder {
    /// The square root.
    pub fn sqrt(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.sqrt(v[0]), &[Tensor::vector(&[4f32, 2.0, 0.0])]);
        assert_eq!(y, Tensor::vector(&[2f32, std::f32::consts::SQRT_2, 0.0]));
    }

    #[test]
    fn gradient() {
        check::gradient_at(|b, v| b.sqrt(v[0]), &[Tensor::vector(&[0.25f64, 1.0, 3.5, 1.0, 1.0])]);
    }
}
