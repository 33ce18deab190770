//! What the integer operators share: zero points, and the way back from 32 bits to 8.

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

/// 32 bits, rescaled and brought to the 8 bits of `dtype`: multiply in f32, clamp, round half to even, add the zero
/// point. This is the device's arithmetic (and ONNX Runtime's), which f64 would differ from in ties.
pub(super) fn requantized(sum: i64, multiplier: f32, zero_point: i64, dtype: DataType) -> i64 {
    let (low, high) = dtype.integer_range().map_or((0, 0), |(l, h)| (l as i64, h as i64));
    let value = (sum as i32) as f32 * multiplier;
    let value = value.clamp((low - zero_point) as f32, (high - zero_point) as f32);
    (value.round_ties_even() as i64 + zero_point).clamp(low, high)
}

/// The one number of input `index`.
pub(super) fn one_number(ctx: &EvalContext, index: usize) -> Result<f32, OpError> {
    match ctx.input(index)?.to_f32()[..] {
        [value] => Ok(value),
        ref other => Err(ctx.error(format!("input {index} has {} elements; one is expected", other.len()))),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requantizes_as_the_device_does() {
        for (sum, multiplier, zero, dtype, expected) in [
            (5, 0.5, 0, DataType::I8, 2),
            (7, 0.5, 0, DataType::I8, 4),
            (-5, 0.5, 3, DataType::U8, 1),
            (1000, 1.0, -10, DataType::I8, 127),
            (-1000, 1.0, 10, DataType::U8, 0),
            (1 << 32, 1.0, 7, DataType::U8, 7),
        ] {
            assert_eq!(requantized(sum, multiplier, zero, dtype), expected, "{sum} * {multiplier} + {zero}");
        }
    }
}
