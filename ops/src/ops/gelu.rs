//! `Gelu`: `x * Φ(x)`, exact or by a tanh (ONNX Gelu-20; Hendrycks and Gimpel 2016).

use ocellus_graph::{Attributes, Tensor, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary, unary_grad};
use crate::{Builder, EvalContext, GradContext, InferContext, LowerContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(grad), quant: Some(TABLE), lower: Some(lower), ..OpDef::new("Gelu", infer) };

/// `√(2/π)` and the cubic term of the approximation.
const ROOT: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
const CUBIC: f64 = 0.044715;

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let approximate = ctx.string("approximate", "none");
    if approximate != "none" && approximate != "tanh" {
        return Err(ctx.error(format!("attribute approximate is {approximate:?}; it has to be \"none\" or \"tanh\"")));
    }
    float_unary(ctx)
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    if ctx.string("approximate", "none") == "tanh" {
        return eval_unary(ctx, |x| 0.5 * x * (1.0 + libm::tanh(ROOT * (x + CUBIC * x * x * x))));
    }
    eval_unary(ctx, |x| 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2))
}

fn lower(ctx: &mut LowerContext) -> Result<(), OpError> {
    let tanh = ctx.node.attributes.string("approximate") == Some("tanh");
    crate::lower::unary::lower(ctx, if tanh { UnaryFunction::GeluTanh } else { UnaryFunction::Gelu }, 0.0, 0.0)
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    if ctx.string("approximate", "none") == "tanh" {
        unary_grad(ctx, |b, x, _| tanh_slope(b, x))
    } else {
        unary_grad(ctx, |b, x, _| exact_slope(b, x))
    }
}

/// `Φ(x) + x * φ(x)`.
fn exact_slope(b: &mut Builder, x: ValueId) -> Result<ValueId, OpError> {
    let scaled = b.scale_by(x, std::f64::consts::FRAC_1_SQRT_2)?;
    let erf = b.erf(scaled)?;
    let half = b.scale_by(erf, 0.5)?;
    let cumulative = b.shift_by(half, 0.5)?;
    let square = b.mul(x, x)?;
    let exponent = b.scale_by(square, -0.5)?;
    let bell = b.exp(exponent)?;
    let density = b.scale_by(bell, 0.5 * ROOT)?;
    let rise = b.mul(x, density)?;
    b.add(cumulative, rise)
}

/// `(1 + t) / 2 + x / 2 * (1 - t²) * u'` with `t = tanh(u)`, `u = √(2/π) * (x + 0.044715 x³)`.
fn tanh_slope(b: &mut Builder, x: ValueId) -> Result<ValueId, OpError> {
    let square = b.mul(x, x)?;
    let cubic = b.scale_by(square, ROOT * CUBIC)?;
    let factor = b.shift_by(cubic, ROOT)?;
    let u = b.mul(x, factor)?;
    let t = b.tanh(u)?;
    let half = b.scale_by(t, 0.5)?;
    let cumulative = b.shift_by(half, 0.5)?;
    let t_square = b.mul(t, t)?;
    let t_square = b.scale_by(t_square, 0.5)?;
    let rest = b.minus_from(0.5, t_square)?;
    let inner = b.scale_by(square, 3.0 * ROOT * CUBIC)?;
    let inner = b.shift_by(inner, ROOT)?;
    let slope = b.mul(rest, inner)?;
    let rise = b.mul(x, slope)?;
    b.add(cumulative, rise)
}

impl Builder {
    /// `x * Φ(x)` with the normal distribution's `Φ`.
    pub fn gelu(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }

    /// `x * Φ(x)` with `Φ` approximated by a tanh.
    pub fn gelu_tanh(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("approximate", "tanh"))
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    fn holds(expression: impl Fn(&mut Builder, &[ValueId]) -> Result<ValueId, OpError>, expected: [f64; 3]) {
        let y = check::eval(expression, &[Tensor::vector(&[0f64, 1.0, -2.0])]).to_f64();
        for (found, expected) in y.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn values() {
        holds(|b, v| b.gelu(v[0]), [0.0, 0.841_344_746_068_543, -0.045_500_263_896_358]);
        holds(|b, v| b.gelu_tanh(v[0]), [0.0, 0.841_191_990_608_277, -0.045_402_305_912_225]);
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.gelu(v[0]), &[&[3, 5]]);
        check::gradient(|b, v| b.gelu_tanh(v[0]), &[&[3, 5]]);
        check::gradient_at(|b, v| b.gelu(v[0]), &[Tensor::vector(&[-3f64, 3.0, 0.0, 0.0])]);
    }

    #[test]
    fn another_approximation_is_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", ocellus_graph::DataType::F32, &[1]);
        assert!(b.apply(&OP, &[x], Attributes::new().with("approximate", "cubic")).is_err());
    }
}
