//! `Erf`: the error function (ONNX Erf-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{eval_unary, number_unary, ranged, unary_grad};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, libm::erf)),
    grad: Some(grad),
    quant: Some(ranged(-1.0, 1.0)),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Erf, 0.0, 0.0)),
    ..OpDef::new("Erf", number_unary)
};

/// `dx = g * 2/√π * exp(-x²)`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |b, x, _| {
        let square = b.mul(x, x)?;
        let minus = b.neg(square)?;
        let bell = b.exp(minus)?;
        b.scale_by(bell, std::f64::consts::FRAC_2_SQRT_PI)
    })
}

impl Builder {
    /// The error function.
    pub fn erf(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.erf(v[0]), &[Tensor::vector(&[0f64, 1.0, -0.5])]).to_f64();
        for (found, expected) in y.into_iter().zip([0.0, 0.842_700_792_949_714_9, -0.520_499_877_813_046_5]) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.erf(v[0]), &[&[3, 5]]);
    }
}
