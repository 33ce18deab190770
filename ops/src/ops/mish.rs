//! `Mish`: `x * tanh(softplus(x))` (ONNX Mish-18; Misra 2019).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary, unary_grad};
use super::softplus::softplus;
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, |x| x * libm::tanh(softplus(x)))),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Mish, 0.0, 0.0)),
    ..OpDef::new("Mish", float_unary)
};

/// `dx = g * (t + x * (1 - t²) * sigmoid(x))` with `t = tanh(softplus(x))`; ONNX Runtime has no CUDA kernel for Mish itself.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |b, x, _| {
        let soft = b.softplus(x)?;
        let t = b.tanh(soft)?;
        let square = b.mul(t, t)?;
        let rest = b.minus_from(1.0, square)?;
        let sigmoid = b.sigmoid(x)?;
        let slope = b.mul(rest, sigmoid)?;
        let rise = b.mul(x, slope)?;
        b.add(t, rise)
    })
}

impl Builder {
    /// `x * tanh(softplus(x))`.
    pub fn mish(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.mish(v[0]), &[Tensor::vector(&[0f64, 1.0, -1.0])]).to_f64();
        for (found, expected) in y.into_iter().zip([0.0, 0.865_098_388_267_310_3, -0.303_401_461_374_108_95]) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.mish(v[0]), &[&[3, 5]]);
    }
}
