//! `Pow`: elementwise power with broadcasting; base and exponent may differ in type (ONNX Pow-15).

use ocellus_graph::{Attributes, Tensor, ValueId};
use ocellus_plan::args::BinaryFunction;

use super::elementwise::{
    broadcast_shape, from_integers, integers, is_exact, pairs, require_number, upgrade_broadcast,
};
use crate::{
    Builder, EvalContext, GradContext, InferContext, InputRole, OpDef, OpError, OutputScale, QuantRule, ValueType,
};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(QuantRule {
        inputs: |_| vec![InputRole::Activation, InputRole::Other],
        output: OutputScale::Calibrated,
    }),
    upgrade: Some(upgrade_broadcast),
    lower: Some(|ctx| super::binary_lower::lower(ctx, BinaryFunction::Pow)),
    ..OpDef::new("Pow", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_number(ctx, 0)?;
    require_number(ctx, 1)?;
    Ok(vec![ValueType::new(ctx.input(0)?.dtype, broadcast_shape(ctx, 0, 1)?)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
    let (shape, pairs) = pairs(ctx, a, b)?;
    if is_exact(a.dtype()) && is_exact(b.dtype()) {
        let (x, e) = (integers(a), integers(b));
        let values: Vec<i128> = pairs.map(|(i, j)| integer_power(x[i], e[j])).collect();
        return Ok(vec![from_integers(a.dtype(), &shape, &values)]);
    }
    let (x, e) = (a.to_f64(), b.to_f64());
    let values: Vec<f64> = pairs.map(|(i, j)| libm::pow(x[i], e[j])).collect();
    Ok(vec![Tensor::from_f64(a.dtype(), &shape, &values)])
}

/// `base^exponent` modulo 2^64, which holds every integer type; a negative exponent truncates toward zero.
fn integer_power(base: i128, exponent: i128) -> i128 {
    if exponent < 0 {
        return libm::pow(base as f64, exponent as f64) as i128;
    }
    let (mut square, mut rest, mut power) = (base as u64, exponent as u64, 1u64);
    while rest > 0 {
        if rest & 1 == 1 {
            power = power.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        rest >>= 1;
    }
    power.into()
}

/// `da = g * b * a^(b - 1)`, `db = g * y * ln a`, each summed over its broadcast axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, e, y) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?, ctx.output(0)?);
    let needs = [ctx.needs(0), ctx.needs(1) && ctx.builder.dtype(e)?.is_float()];
    let b = &mut *ctx.builder;
    let mut grads = vec![None; 2];
    if needs[0] {
        let slope = base_slope(b, x, e)?;
        let part = b.mul(g, slope)?;
        grads[0] = Some(b.sum_to_shape_of(part, x)?);
    }
    if needs[1] {
        let slope = exponent_slope(b, x, y)?;
        let part = b.mul(g, slope)?;
        let part = b.cast_to_type_of(part, e)?;
        grads[1] = Some(b.sum_to_shape_of(part, e)?);
    }
    Ok(grads)
}

/// `e * x^(e - 1)`, which is 0 for `e = 0` also where `x = 0`.
fn base_slope(b: &mut Builder, x: ValueId, e: ValueId) -> Result<ValueId, OpError> {
    let constant = b.constant_of(e).filter(|t| t.len() == 1).map(|t| t.to_f64()[0]);
    match constant {
        Some(1.0) => return b.scalar_like(x, 1.0),
        Some(2.0) => return b.scale_by(x, 2.0),
        _ => {}
    }
    let e = b.cast_to_type_of(e, x)?;
    let zero = b.scalar_like(x, 0.0)?;
    let is_zero = b.equal(e, zero)?;
    let less = b.shift_by(e, -1.0)?;
    let safe = b.where_(is_zero, zero, less)?;
    let power = b.pow(x, safe)?;
    b.mul(e, power)
}

/// `y * ln x`, with 0 for `x = 0`, where `y` goes to 0 faster than the logarithm grows.
fn exponent_slope(b: &mut Builder, x: ValueId, y: ValueId) -> Result<ValueId, OpError> {
    let (zero, one) = (b.scalar_like(x, 0.0)?, b.scalar_like(x, 1.0)?);
    let is_zero = b.equal(x, zero)?;
    let safe = b.where_(is_zero, one, x)?;
    let log = b.log(safe)?;
    b.mul(y, log)
}

impl Builder {
    /// `a^b`, broadcast, of `a`'s type.
    pub fn pow(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new())
    }

    /// `x` in the type of `like`; itself where it is of that type.
    pub(super) fn cast_to_type_of(&mut self, x: ValueId, like: ValueId) -> Result<ValueId, OpError> {
        let dtype = self.dtype(like)?;
        if self.dtype(x)? == dtype { Ok(x) } else { self.cast(x, dtype) }
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    fn power(a: Tensor, b: Tensor) -> Tensor {
        check::eval(|b, v| b.pow(v[0], v[1]), &[a, b])
    }

    #[test]
    fn types_mix() {
        assert_eq!(power(Tensor::vector(&[2f32, -3., 0.]), Tensor::scalar(2i64)), Tensor::vector(&[4f32, 9., 0.]));
        assert_eq!(power(Tensor::vector(&[2i32, 9]), Tensor::scalar(0.5f32)), Tensor::vector(&[1i32, 3]));
        assert_eq!(power(Tensor::vector(&[2f32]), Tensor::vector(&[-1i32, 0])), Tensor::vector(&[0.5f32, 1.]));
    }

    #[test]
    fn integers_are_exact_and_wrap() {
        assert_eq!(power(Tensor::vector(&[3i64]), Tensor::scalar(39i64)), Tensor::vector(&[3i64.pow(39)]));
        assert_eq!(power(Tensor::vector(&[-2i8, 2, 2]), Tensor::vector(&[3i8, 9, -1])), Tensor::vector(&[-8i8, 0, 0]));
    }

    #[test]
    fn gradient() {
        let x = Tensor::of(&[2, 2], vec![0.5f64, 1.5, 2.0, 1.0]);
        check::gradient_at(|b, v| b.pow(v[0], v[1]), &[x.clone(), Tensor::vector(&[-1.5f64, 2.5])]);
        for exponent in [0.0, 1.0, 2.0, 3.0] {
            let x = Tensor::vector(&[-1f64, 0.0, 0.0, 2.0]);
            let by = move |b: &mut Builder, v: &[ValueId]| {
                let e = b.scalar_like(v[0], exponent)?;
                b.pow(v[0], e)
            };
            check::gradient_at(by, &[x]);
        }
        check::gradient_at(|b, v| b.pow(v[0], v[1]), &[x, Tensor::scalar(3i64)]);
    }

    #[test]
    fn gradient_of_an_exponent_at_a_zero_base() {
        check::gradient_at(
            |b, v| {
                let base = b.constant("base", Tensor::vector(&[0f64, 2.0]));
                b.pow(base, v[0])
            },
            &[Tensor::vector(&[2f64, 0.5])],
        );
    }
}
