//! `Tanh`: hyperbolic tangent (ONNX Tanh-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{eval_unary, float_unary, ranged, unary_grad};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, libm::tanh)),
    grad: Some(grad),
    quant: Some(ranged(-1.0, 1.0)),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Tanh, 0.0, 0.0)),
    ..OpDef::new("Tanh", float_unary)
};

/// `dx = g * (1 - y²)`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |b, _, y| {
        let square = b.mul(y, y)?;
        b.minus_from(1.0, square)
    })
}

impl Builder {
    /// The hyperbolic tangent.
    pub fn tanh(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.tanh(v[0]), &[Tensor::vector(&[0f64, 1.0, -100.0])]).to_f64();
        for (found, expected) in y.into_iter().zip([0.0, 0.761_594_155_955_764_9, -1.0]) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.tanh(v[0]), &[&[3, 5]]);
    }
}
