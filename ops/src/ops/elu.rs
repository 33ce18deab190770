//! `Elu`: `x`, or `alpha * (e^x - 1)` below 0 (ONNX Elu-6).

use ocellus_graph::{Attributes, Tensor, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary};
use crate::{Builder, EvalContext, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Elu, ctx.float_attribute("alpha", 1.0), 0.0)),
    ..OpDef::new("Elu", float_unary)
};

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let alpha = f64::from(ctx.float("alpha", 1.0));
    eval_unary(ctx, |x| if x < 0.0 { alpha * libm::expm1(x) } else { x })
}

/// `dx = g` above 0, `g * (y + alpha)` below.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, y) = (ctx.grad()?, ctx.input(0)?, ctx.output(0)?);
    let alpha = f64::from(ctx.float("alpha", 1.0));
    let b = &mut *ctx.builder;
    let negative = b.is_negative(x)?;
    let slope = b.shift_by(y, alpha)?;
    let below = b.mul(g, slope)?;
    Ok(vec![Some(b.where_(negative, below, g)?)])
}

impl Builder {
    /// `x`, or `alpha * (e^x - 1)` below 0.
    pub fn elu(&mut self, x: ValueId, alpha: f32) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("alpha", alpha))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.elu(v[0], 2.0), &[Tensor::vector(&[-1f64, 0.0, 3.0])]).to_f64();
        for (found, expected) in y.into_iter().zip([2.0 * (1.0 / std::f64::consts::E - 1.0), 0.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.elu(v[0], 1.5), &[&[3, 5]]);
    }
}
