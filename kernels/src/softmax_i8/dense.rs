//! Columns that lie dense (`inner` is 1), where the shares are quotients of 32 bits: no division.

use super::Params;
use super::portable::{exponential, share};
use crate::rows::{rows, rows_mut};

/// Computes `y`; false where the elements of a column are apart.
pub(super) fn run(params: &Params, x: &[i8], exponentials: &[u32; 256], y: &mut [i8]) -> bool {
    let axis = params.axis as usize;
    if params.inner != 1 {
        return false;
    }
    for (x, y) in rows(x, axis).zip(rows_mut(y, axis)) {
        let max = x.iter().fold(i8::MIN, |max, &x| max.max(x));
        let sum = x.iter().fold(0u64, |sum, &x| sum.wrapping_add(exponential(exponentials, max, x)));
        let of = |x: i8| exponential(exponentials, max, x);
        match u32::try_from(sum) {
            Ok(sum) if sum > 0 => shares(sum, x.iter().map(|&x| of(x) as u32), y),
            _ => y.iter_mut().zip(x).for_each(|(y, &x)| *y = share(of(x), sum)),
        }
    }
    true
}

/// `min((e * 256 + sum / 2) / sum, 255) - 128` of every `e`, none of which is above the sum.
///
/// The quotient is at most 256. In f32 it comes out with a relative error of a few times 2^-24, so that its integer part is
/// the right one or one beside it; the remainder, in exact integers, says which.
fn shares(sum: u32, all: impl Iterator<Item = u32>, y: &mut [i8]) {
    let (scale, half) = (256.0 / sum as f32, u64::from(sum >> 1));
    for (y, e) in y.iter_mut().zip(all) {
        let near = (e as f32 * scale + 0.5) as u32;
        let part = u64::from(near).wrapping_mul(sum.into());
        let rest = (u64::from(e) << 8).wrapping_add(half).wrapping_sub(part).cast_signed();
        let near = if rest < 0 {
            near.wrapping_sub(1)
        } else if rest >= i64::from(sum) {
            near.wrapping_add(1)
        } else {
            near
        };
        *y = (near.min(255) as u8 ^ 0x80).cast_signed();
    }
}
