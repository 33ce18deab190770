//! `Sigmoid`: `1 / (1 + e^-x)` (ONNX Sigmoid-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{eval_unary, float_unary, ranged, unary_grad};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, sigmoid)),
    grad: Some(grad),
    quant: Some(ranged(0.0, 1.0)),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Sigmoid, 0.0, 0.0)),
    ..OpDef::new("Sigmoid", float_unary)
};

/// Neither end overflows: the exponent is never positive.
pub(super) fn sigmoid(x: f64) -> f64 {
    let e = libm::exp(-x.abs());
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// `dx = g * y * (1 - y)`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |b, _, y| {
        let rest = b.minus_from(1.0, y)?;
        b.mul(y, rest)
    })
}

impl Builder {
    /// `1 / (1 + e^-x)`.
    pub fn sigmoid(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.sigmoid(v[0]), &[Tensor::vector(&[0f64, 2.0, -2.0, -1000.0, 1000.0])]).to_f64();
        for (found, expected) in y.into_iter().zip([0.5, 0.880_797_077_977_882_4, 0.119_202_922_022_117_56, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.sigmoid(v[0]), &[&[3, 5]]);
    }
}
