//! `LpNormalization`: along one axis by its p-norm (ONNX LpNormalization-1; 22 only adds types).

use ocellus_graph::{Attributes, Tensor, ValueId};

use super::elementwise::require_float;
use super::norm::{nonzero, norm};
use crate::shapes::axis;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    lower: Some(super::normalization_lower::lp),
    ..OpDef::new("LpNormalization", infer)
};

/// Axis and order.
fn settings(along: i64, p: i64, rank: usize) -> Result<(usize, i32), String> {
    let place = axis(along, rank).ok_or_else(|| format!("axis {along} is out of range for rank {rank}"))?;
    match p {
        1 | 2 => Ok((place, p as i32)),
        _ => Err(format!("p is {p}; 1 and 2 are supported by ONNX")),
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    let x = ctx.input(0)?;
    settings(ctx.int("axis", -1), ctx.int("p", 2), x.shape.rank()).map_err(|e| ctx.error(e))?;
    Ok(vec![x.clone()])
}

/// A row without length stays 0, as in ONNX Runtime.
fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let (axis, p) = settings(ctx.int("axis", -1), ctx.int("p", 2), x.rank()).map_err(|e| ctx.error(e))?;
    let (count, step) = (x.shape()[axis], x.shape()[axis + 1..].iter().product::<usize>());
    let mut y = x.to_f64();
    for block in y.chunks_exact_mut((count * step).max(1)) {
        for start in 0..step {
            let length = norm(&mut block[start..].iter().step_by(step).copied(), p);
            let length = if length == 0.0 { 1.0 } else { length };
            block[start..].iter_mut().step_by(step).for_each(|v| *v /= length);
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &y)])
}

/// `(g - slope * Σ g y) / norm`, where the slope of the norm is `y` for p = 2 and `sign(x)` for p = 1.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, y) = (ctx.grad()?, ctx.input(0)?, ctx.output(0)?);
    let (along, p) = (ctx.int("axis", -1), ctx.int("p", 2));
    let b = &mut *ctx.builder;
    let length = if p == 1 { b.reduce_l1(x, &[along], true)? } else { b.reduce_l2(x, &[along], true)? };
    let length = nonzero(b, length)?;
    let slope = if p == 1 { b.sign(x)? } else { y };
    let product = b.mul(g, y)?;
    let sum = b.reduce_sum(product, &[along], true)?;
    let part = b.mul(slope, sum)?;
    let rest = b.sub(g, part)?;
    Ok(vec![Some(b.div(rest, length)?)])
}

impl Builder {
    /// `x` divided by its p-norm (p 1 or 2) along `axis`.
    pub fn lp_normalization(&mut self, x: ValueId, axis: i64, p: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("axis", axis).with("p", p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn divides_by_the_norm() {
        let x = Tensor::of(&[2, 2], vec![3f32, 0., 4., 0.]);
        let y = check::eval(|b, v| b.lp_normalization(v[0], 0, 2), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[2, 2], vec![0.6f32, 0., 0.8, 0.]));
        let y = check::eval(|b, v| b.lp_normalization(v[0], -1, 1), &[x]);
        assert_eq!(y, Tensor::of(&[2, 2], vec![1f32, 0., 1., 0.]));
    }

    #[test]
    fn gradient() {
        for p in 1..=2 {
            check::gradient(|b, v| b.lp_normalization(v[0], 1, p), &[&[2, 3, 4]]);
            check::gradient(|b, v| b.lp_normalization(v[0], -1, p), &[&[3, 4]]);
        }
    }
}
