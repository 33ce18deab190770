//! `Selu`: `gamma * x`, or `gamma * alpha * (e^x - 1)` below 0 (ONNX Selu-6; Klambauer et al. 2017).

use ocellus_graph::{Attributes, Tensor, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary};
use crate::{Builder, EvalContext, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| {
        let (alpha, gamma) = (ctx.float_attribute("alpha", ALPHA), ctx.float_attribute("gamma", GAMMA));
        crate::lower::unary::lower(ctx, UnaryFunction::Selu, alpha, gamma)
    }),
    ..OpDef::new("Selu", float_unary)
};

/// The operator's own defaults, which have more digits than an f32 keeps.
const ALPHA: f32 = 1.673_263_2;
const GAMMA: f32 = 1.050_701;

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (alpha, gamma) = (f64::from(ctx.float("alpha", ALPHA)), f64::from(ctx.float("gamma", GAMMA)));
    eval_unary(ctx, |x| if x < 0.0 { gamma * alpha * libm::expm1(x) } else { gamma * x })
}

/// `dx = g * gamma` above 0, `g * (y + gamma * alpha)` below.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, y) = (ctx.grad()?, ctx.input(0)?, ctx.output(0)?);
    let (alpha, gamma) = (f64::from(ctx.float("alpha", ALPHA)), f64::from(ctx.float("gamma", GAMMA)));
    let b = &mut *ctx.builder;
    let negative = b.is_negative(x)?;
    let slope = b.shift_by(y, gamma * alpha)?;
    let below = b.mul(g, slope)?;
    let above = b.scale_by(g, gamma)?;
    Ok(vec![Some(b.where_(negative, below, above)?)])
}

impl Builder {
    /// The self-normalizing unit, with ONNX's constants.
    pub fn selu(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.selu(v[0]), &[Tensor::vector(&[0f64, 2.0, -1.0])]).to_f64();
        for (found, expected) in y.into_iter().zip([0.0, 2.101_402_044_296_264_6, -1.111_330_741_286_478_4]) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.selu(v[0]), &[&[3, 5]]);
    }
}
