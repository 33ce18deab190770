//! `LeakyRelu`: `x`, times `alpha` below 0 (ONNX LeakyRelu-16).

use ocellus_graph::{Attributes, Tensor, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary};
use crate::{Builder, EvalContext, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| {
        crate::lower::unary::lower(ctx, UnaryFunction::LeakyRelu, ctx.float_attribute("alpha", ALPHA), 0.0)
    }),
    ..OpDef::new("LeakyRelu", float_unary)
};

const ALPHA: f32 = 0.01;

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let alpha = f64::from(ctx.float("alpha", ALPHA));
    eval_unary(ctx, |x| if x < 0.0 { alpha * x } else { x })
}

/// `dx = g`, times `alpha` below 0.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    let alpha = f64::from(ctx.float("alpha", ALPHA));
    let negative = ctx.builder.is_negative(x)?;
    let scaled = ctx.builder.scale_by(g, alpha)?;
    Ok(vec![Some(ctx.builder.where_(negative, scaled, g)?)])
}

impl Builder {
    /// `x`, times `alpha` below 0.
    pub fn leaky_relu(&mut self, x: ValueId, alpha: f32) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("alpha", alpha))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.leaky_relu(v[0], 0.5), &[Tensor::vector(&[-3f32, 0.0, 2.0])]);
        assert_eq!(y, Tensor::vector(&[-1.5f32, 0.0, 2.0]));
    }

    #[test]
    fn alpha_is_a_hundredth_where_it_is_not_given() {
        let y = check::eval(|b, v| b.apply(&super::OP, &[v[0]], Default::default()), &[Tensor::vector(&[-3f32])]);
        assert_eq!(y, Tensor::vector(&[-0.03f32]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.leaky_relu(v[0], 0.2), &[&[3, 5]]);
    }
}
