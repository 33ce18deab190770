//! `Mod`: elementwise remainder, with the sign of the divisor, or of the dividend with `fmod = 1` (ONNX Mod-13).

use ocellus_graph::{Attributes, Tensor, ValueId};

use super::div::refuse_integer_zero;
use super::elementwise::{broadcast_two, eval_binary};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef { eval: Some(eval), grad: Some(grad), ..OpDef::new("Mod", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let dtype = ctx.input(0)?.dtype;
    if dtype.is_float() && ctx.int("fmod", 0) == 0 {
        return Err(ctx.error(format!("attribute fmod has to be 1 for inputs of type {dtype}")));
    }
    broadcast_two(ctx)
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    refuse_integer_zero(ctx)?;
    if ctx.int("fmod", 0) == 0 {
        return eval_binary(ctx, libm::fmod, |a, b| ((a % b) + b) % b);
    }
    eval_binary(ctx, libm::fmod, |a, b| a % b)
}

/// `da = Σ g`, `db = -Σ g * trunc(a / b)`, each summed over its broadcast axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, divisor) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let needs = [ctx.needs(0), ctx.needs(1)];
    let b = &mut *ctx.builder;
    let mut grads = vec![None; 2];
    if needs[0] {
        grads[0] = Some(b.sum_to_shape_of(g, x)?);
    }
    if needs[1] {
        let quotient = b.div(x, divisor)?;
        let (size, sign) = (b.abs(quotient)?, b.sign(quotient)?);
        let whole = b.floor(size)?;
        let truncated = b.mul(whole, sign)?;
        let product = b.mul(g, truncated)?;
        let sum = b.sum_to_shape_of(product, divisor)?;
        grads[1] = Some(b.neg(sum)?);
    }
    Ok(grads)
}

impl Builder {
    /// The remainder of `a / b`, broadcast: with the sign of `a` where `fmod`, else (integers only) with that of `b`.
    pub fn mod_(&mut self, a: ValueId, b: ValueId, fmod: bool) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new().with("fmod", i64::from(fmod)))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use crate::check;

    use super::*;

    #[test]
    fn signs() {
        let (a, d) = (Tensor::vector(&[-4i32, 7, 5, 4, -7, 8]), Tensor::vector(&[2i32, -3, 8, -2, 3, 5]));
        let y = check::eval(|b, v| b.mod_(v[0], v[1], false), &[a.clone(), d.clone()]);
        assert_eq!(y, Tensor::vector(&[0i32, -2, 5, 0, 2, 3]));
        let y = check::eval(|b, v| b.mod_(v[0], v[1], true), &[a, d]);
        assert_eq!(y, Tensor::vector(&[0i32, 1, 5, 0, -1, 3]));
        let y = check::eval(|b, v| b.mod_(v[0], v[1], true), &[Tensor::vector(&[-4.5f32, 5.5]), Tensor::scalar(2f32)]);
        assert_eq!(y, Tensor::vector(&[-0.5f32, 1.5]));
    }

    #[test]
    fn floats_need_fmod() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[1]);
        assert!(b.mod_(x, x, false).unwrap_err().to_string().contains("fmod"));
    }

    #[test]
    fn gradient() {
        let (x, d) = (Tensor::vector(&[-4.5f64, 5.25, 1.0]), Tensor::vector(&[2f64, -1.5, 3.0]));
        check::gradient_at(|b, v| b.mod_(v[0], v[1], true), &[x, d]);
    }
}
