//! `CumSum`: running sums along an axis (ONNX CumSum-14).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};

use super::along_axis::each_line;
use super::elementwise::{from_integers, integers, is_exact, number_unary};
use crate::shapes::axis;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef { eval: Some(eval), grad: Some(grad), ..OpDef::new("CumSum", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let (types, given) = (number_unary(ctx)?, ctx.input(1)?);
    if !matches!(given.dtype, DataType::I32 | DataType::I64) {
        return Err(ctx.error(format!("input 1 (axis) has type {}; it has to be i32 or i64", given.dtype)));
    }
    if let Some(constant) = ctx.constant(1) {
        one_axis(constant, types[0].shape.rank()).map_err(|problem| ctx.error(problem))?;
    }
    Ok(types)
}

fn one_axis(given: &Tensor, rank: usize) -> Result<usize, String> {
    let [value] = given.to_i64()[..] else {
        return Err(format!("input 1 (axis) has to be one number, found shape {:?}", given.shape()));
    };
    axis(value, rank).ok_or_else(|| format!("axis {value} is out of range for an input of rank {rank}"))
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let axis = one_axis(ctx.input(1)?, x.rank()).map_err(|problem| ctx.error(problem))?;
    let (exclusive, reverse) = (ctx.int("exclusive", 0) != 0, ctx.int("reverse", 0) != 0);
    if is_exact(x.dtype()) {
        let mut values = integers(x);
        each_line(&mut values, x.shape(), axis, |line| running(line, 0, |a, b| a + b, exclusive, reverse));
        return Ok(vec![from_integers(x.dtype(), x.shape(), &values)]);
    }
    let mut values = x.to_f64();
    each_line(&mut values, x.shape(), axis, |line| running(line, 0.0, |a, b| a + b, exclusive, reverse));
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &values)])
}

/// Replaces each element by the sum up to it, without itself where `exclusive`, from the end where `reverse`.
fn running<T: Copy>(line: &mut [T], zero: T, add: impl Fn(T, T) -> T, exclusive: bool, reverse: bool) {
    let mut sum = zero;
    let mut step = |v: &mut T| {
        let next = add(sum, *v);
        *v = if exclusive { sum } else { next };
        sum = next;
    };
    if reverse {
        line.iter_mut().rev().for_each(&mut step);
    } else {
        line.iter_mut().for_each(&mut step);
    }
}

/// The running sum of `g` from the other end.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, axis) = (ctx.grad()?, ctx.input(1)?);
    let mut attributes = ctx.node.attributes.clone();
    attributes.set("reverse", i64::from(ctx.int("reverse", 0) == 0));
    Ok(vec![Some(ctx.builder.apply(&OP, &[g, axis], attributes)?), None])
}

impl Builder {
    /// Running sums along `axis`: without the element itself where `exclusive`, from the end where `reverse`.
    pub fn cum_sum(&mut self, x: ValueId, axis: i64, exclusive: bool, reverse: bool) -> Result<ValueId, OpError> {
        let axis = self.constant("axis", Tensor::scalar(axis));
        let attributes = Attributes::new().with("exclusive", i64::from(exclusive)).with("reverse", i64::from(reverse));
        self.apply(&OP, &[x, axis], attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn directions_and_ends() {
        let x = Tensor::vector(&[1f32, 2., 3.]);
        let sums = |exclusive, reverse| {
            check::eval(|b, v| b.cum_sum(v[0], 0, exclusive, reverse), std::slice::from_ref(&x)).to_f32()
        };
        assert_eq!(sums(false, false), [1., 3., 6.]);
        assert_eq!(sums(true, false), [0., 1., 3.]);
        assert_eq!(sums(false, true), [6., 5., 3.]);
        assert_eq!(sums(true, true), [5., 3., 0.]);
    }

    #[test]
    fn any_axis() {
        let x = Tensor::of(&[2, 3], vec![1i32, 2, 3, 4, 5, 6]);
        let y = check::eval(|b, v| b.cum_sum(v[0], 0, false, false), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[2, 3], vec![1i32, 2, 3, 5, 7, 9]));
        let y = check::eval(|b, v| b.cum_sum(v[0], -1, false, false), &[x]);
        assert_eq!(y, Tensor::of(&[2, 3], vec![1i32, 3, 6, 4, 9, 15]));
    }

    #[test]
    fn a_bad_axis_is_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[2]);
        assert!(b.cum_sum(x, 1, false, false).unwrap_err().to_string().contains("out of range"));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.cum_sum(v[0], 1, false, false), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.cum_sum(v[0], 0, true, true), &[&[3, 2]]);
    }
}
