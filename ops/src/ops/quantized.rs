//! What the integer operators share: zero points.

use ocellus_graph::{DataType, Tensor};

use crate::shapes::{broadcast_offsets, broadcast_sizes};
use crate::{EvalContext, InferContext, OpError};

/// The elements of input `index` less their zero points from input `zero_point`, where it is given. `shape` is the
/// shape under which the zero points broadcast.
pub(super) fn centered(
    ctx: &EvalContext,
    index: usize,
    zero_point: usize,
    shape: impl Fn(&Tensor) -> Vec<usize>,
) -> Result<Vec<i64>, OpError> {
    let tensor = ctx.input(index)?;
    let mut values = tensor.to_i64();
    if let Some(zero) = ctx.optional(zero_point) {
        let zeros = zero.to_i64();
        let places = places(ctx, zero_point, &shape(zero), zeros.len(), tensor.shape())?;
        values.iter_mut().zip(places).for_each(|(v, at)| *v -= zeros[at]);
    }
    Ok(values)
}

/// The offsets of the elements of input `index`, taken as of shape `from`, that broadcast to those of shape `to`.
pub(super) fn places(
    ctx: &EvalContext,
    index: usize,
    from: &[usize],
    count: usize,
    to: &[usize],
) -> Result<Vec<usize>, OpError> {
    let fits = from.iter().product::<usize>() == count
        && from.len() <= to.len()
        && broadcast_sizes(from, to).as_deref() == Some(to);
    if fits {
        return Ok(broadcast_offsets(from, to));
    }
    Err(ctx.error(format!("input {index} of shape {from:?} does not broadcast to {to:?}")))
}

/// One number, or one per row of a matrix.
pub(super) fn per_row(t: &Tensor) -> Vec<usize> {
    match *t.shape() {
        [1] => vec![],
        [rows] => vec![rows, 1],
        _ => t.shape().to_vec(),
    }
}

/// One number, or one per column of a matrix.
pub(super) fn per_column(t: &Tensor) -> Vec<usize> {
    if t.shape() == [1] { vec![] } else { t.shape().to_vec() }
}

/// One number, or one per element of the first of `rank` axes.
pub(super) fn per_first_axis(t: &Tensor, rank: usize) -> Vec<usize> {
    match *t.shape() {
        [] | [1] => vec![],
        _ => t.shape().iter().copied().chain(vec![1; rank.saturating_sub(t.rank())]).collect(),
    }
}

/// Refuses an input that is not of 8 bits.
pub(super) fn require_byte(ctx: &InferContext, index: usize) -> Result<DataType, OpError> {
    let dtype = ctx.input(index)?.dtype;
    if matches!(dtype, DataType::I8 | DataType::U8) {
        return Ok(dtype);
    }
    Err(ctx.error(format!("input {index} has type {dtype}; i8 and u8 are supported")))
}
