//! `HardSigmoid`: `alpha * x + beta`, clipped to `[0, 1]` (ONNX HardSigmoid-6).

use ocellus_graph::{Attributes, Tensor, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{eval_unary, float_unary, ranged, unary_grad};
use crate::{Builder, EvalContext, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(ranged(0.0, 1.0)),
    lower: Some(|ctx| {
        let (alpha, beta) = (ctx.float_attribute("alpha", ALPHA), ctx.float_attribute("beta", 0.5));
        crate::lower::unary::lower(ctx, UnaryFunction::HardSigmoid, alpha, beta)
    }),
    ..OpDef::new("HardSigmoid", float_unary)
};

const ALPHA: f32 = 0.2;

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (alpha, beta) = (f64::from(ctx.float("alpha", ALPHA)), f64::from(ctx.float("beta", 0.5)));
    eval_unary(ctx, |x| (alpha * x + beta).clamp(0.0, 1.0))
}

/// `dx = g * alpha` where `y` is strictly between 0 and 1.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let alpha = f64::from(ctx.float("alpha", ALPHA));
    unary_grad(ctx, |b, _, y| {
        let inside = b.strictly_inside_unit(y)?;
        b.scale_by(inside, alpha)
    })
}

impl Builder {
    /// `alpha * x + beta`, clipped to `[0, 1]`.
    pub fn hard_sigmoid(&mut self, x: ValueId, alpha: f32, beta: f32) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("alpha", alpha).with("beta", beta))
    }

    /// 1 where `y`, which lies in `[0, 1]`, is neither 0 nor 1; else 0.
    pub(super) fn strictly_inside_unit(&mut self, y: ValueId) -> Result<ValueId, OpError> {
        let rest = self.minus_from(1.0, y)?;
        let product = self.mul(y, rest)?;
        self.sign(product)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.hard_sigmoid(v[0], 0.5, 0.5), &[Tensor::vector(&[-1f32, 0.0, 0.5, 7.0])]);
        assert_eq!(y, Tensor::vector(&[0f32, 0.5, 0.75, 1.0]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.hard_sigmoid(v[0], 0.9, 0.4), &[&[3, 5]]);
    }
}
