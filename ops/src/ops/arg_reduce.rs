//! What ArgMax and ArgMin share.

use std::cmp::Ordering;

use ocellus_graph::{Attributes, DataType, Dim, Tensor, ValueId};

use super::elementwise::{integers, is_exact, require_number};
use super::reduce::Groups;
use crate::shapes::axis;
use crate::{Builder, EvalContext, InferContext, InputRole, OpDef, OpError, OutputScale, QuantRule, ValueType};

/// One activation; the output is a place, not a value.
pub(super) const PLACES: QuantRule = QuantRule { inputs: |_| vec![InputRole::Activation], output: OutputScale::Float };

/// i64, with size 1 in place of the axis, or without it.
pub(super) fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_number(ctx, 0)?;
    let x = &ctx.input(0)?.shape;
    let given = ctx.int("axis", 0);
    let axis = axis(given, x.rank())
        .ok_or_else(|| ctx.error(format!("axis {given} is out of range for an input of shape {x}")))?;
    if x[axis] == Dim::Known(0) {
        return Err(ctx.error(format!("axis {given} of an input of shape {x} has no elements to choose from")));
    }
    let keep = ctx.int("keepdims", 1) != 0;
    let dims = x.iter().enumerate().filter(|(i, _)| keep || *i != axis);
    let shape = dims.map(|(i, d)| if i == axis { Dim::Known(1) } else { d.clone() }).collect();
    Ok(vec![ValueType::new(DataType::I64, shape)])
}

/// The place of the element that compares as `wanted` with all others; the first one, or the last with
/// `select_last_index`. NaN wins over numbers.
pub(super) fn eval(ctx: &EvalContext, wanted: Ordering) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let axis = axis(ctx.int("axis", 0), x.rank()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let mut shape = x.shape().to_vec();
    if shape[axis] == 0 {
        return Err(ctx.error(format!("axis {axis} has no elements to choose from")));
    }
    if ctx.int("keepdims", 1) != 0 {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    let last = ctx.int("select_last_index", 0) != 0;
    let groups = Groups::new(x.shape(), &[axis]);
    let places: Vec<i64> = if is_exact(x.dtype()) {
        groups.map(&integers(x), |group| best(group, wanted, last))
    } else {
        groups.map(&x.to_f64(), |group| best(group, wanted, last))
    };
    Ok(vec![Tensor::of(&shape, places)])
}

fn best<T: PartialOrd + Copy>(group: &[T], wanted: Ordering, last: bool) -> i64 {
    let is_nan = |v: &T| v.partial_cmp(v).is_none();
    let better = |new: &T, old: &T| match new.partial_cmp(old) {
        Some(Ordering::Equal) => last,
        Some(order) => order == wanted,
        None => is_nan(new) && (last || !is_nan(old)),
    };
    (1..group.len()).fold(0, |best, i| if better(&group[i], &group[best]) { i } else { best }) as i64
}

/// Adds the node.
pub(super) fn apply(b: &mut Builder, op: &OpDef, x: ValueId, axis: i64, keep: bool) -> Result<ValueId, OpError> {
    b.apply(op, &[x], Attributes::new().with("axis", axis).with("keepdims", i64::from(keep)))
}
