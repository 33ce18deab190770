//! `Softplus`: `ln(1 + e^x)` (ONNX Softplus-1).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary, unary_grad};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, softplus)),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Softplus, 0.0, 0.0)),
    ..OpDef::new("Softplus", float_unary)
};

/// Neither end overflows: the exponent is never positive.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// `dx = g * sigmoid(x)`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |b, x, _| b.sigmoid(x))
}

impl Builder {
    /// `ln(1 + e^x)`.
    pub fn softplus(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.softplus(v[0]), &[Tensor::vector(&[0f64, 800.0, -800.0])]).to_f64();
        for (found, expected) in y.into_iter().zip([std::f64::consts::LN_2, 800.0, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.softplus(v[0]), &[&[3, 5]]);
    }
}
