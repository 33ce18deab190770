//! `Sin`: sine of radians (ONNX Sin-7).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{eval_unary, float_unary, ranged, unary_grad};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, libm::sin)),
    grad: Some(grad),
    quant: Some(ranged(-1.0, 1.0)),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Sin, 0.0, 0.0)),
    ..OpDef::new("Sin", float_unary)
};

/// `dx = g * cos(x)`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |b, x, _| b.cos(x))
}

impl Builder {
    /// The sine of `x` radians.
    pub fn sin(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.sin(v[0]), &[Tensor::vector(&[0f64, std::f64::consts::FRAC_PI_6])]).to_f64();
        for (found, expected) in y.into_iter().zip([0.0, 0.5]) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.sin(v[0]), &[&[3, 5]]);
    }
}
