//! Columns that lie dense (`inner` is 1), where the shares are quotients of 32 bits: no division of 64 bits.

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
        if sum > 0 && sum <= GREATEST {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = quotient(of(x) as u32, sum as u32));
        } else {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = share(of(x), sum));
        }
    }
    true
}

/// The greatest sum that [`quotient`] divides by.
#[cfg(not(target_arch = "arm"))]
const GREATEST: u64 = u32::MAX as u64;

/// `min((e * 256 + sum / 2) / sum, 255) - 128` of an `e` that is not above the sum.
///
/// The quotient is at most 256. In f32 it comes out with a relative error of a few times 2^-24, so that its integer part is
/// the right one or one beside it; the remainder, in exact integers, says which.
#[cfg(not(target_arch = "arm"))]
#[inline(always)]
fn quotient(e: u32, sum: u32) -> i8 {
    let near = (e as f32 * (256.0 / sum as f32) + 0.5) as u32;
    let part = u64::from(near).wrapping_mul(sum.into());
    let rest = (u64::from(e) << 8).wrapping_add((sum >> 1).into()).wrapping_sub(part).cast_signed();
    let near = if rest < 0 {
        near.wrapping_sub(1)
    } else if rest >= i64::from(sum) {
        near.wrapping_add(1)
    } else {
        near
    };
    (near.min(255) as u8 ^ 0x80).cast_signed()
}

/// The greatest sum that [`quotient`] divides by: 16 and a half times it still fit into 32 bits.
#[cfg(target_arch = "arm")]
const GREATEST: u64 = 1 << 27;

/// `min((e * 256 + sum / 2) / sum, 255) - 128` of an `e` that is not above the sum: four bits of the quotient, then the
/// other four with the rounding, by the divider of 32 bits that these cores have.
#[cfg(target_arch = "arm")]
#[inline(always)]
fn quotient(e: u32, sum: u32) -> i8 {
    let divide = |n: u32| n.checked_div(sum).unwrap_or(0);
    let high = divide(e << 4);
    let rest = (e << 4).wrapping_sub(high.wrapping_mul(sum));
    let low = divide((rest << 4).wrapping_add(sum >> 1));
    let all = (high << 4).wrapping_add(low);
    (all.min(255) as u8 ^ 0x80).cast_signed()
}
