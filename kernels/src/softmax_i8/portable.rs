//! The reference: one column of the axis at a time.

use super::Params;
use crate::rows::{every, every_mut, rows, rows_mut};

pub(super) fn run(params: &Params, x: &[i8], exponentials: &[u32; 256], y: &mut [i8], share: impl Fn(u64, u64) -> i8) {
    let (axis, inner) = (params.axis as usize, params.inner as usize);
    let block = axis.wrapping_mul(inner);
    for (x, y) in rows(x, block).zip(rows_mut(y, block)) {
        for i in 0..inner {
            let column = every(x.get(i..).unwrap_or_default(), inner);
            let max = column.clone().fold(i8::MIN, |max, &x| max.max(x));
            let sum = column.clone().fold(0u64, |sum, &x| sum.wrapping_add(exponential(exponentials, max, x)));
            for (y, &x) in every_mut(y.get_mut(i..).unwrap_or_default(), inner).zip(column) {
                *y = share(exponential(exponentials, max, x), sum);
            }
        }
    }
}

pub(super) fn exponential(exponentials: &[u32; 256], max: i8, x: i8) -> u64 {
    // The difference of two bytes of which the first is no smaller: 0 to 255.
    let place = 255u8.wrapping_sub(max.wrapping_sub(x).cast_unsigned());
    exponentials.get(usize::from(place)).copied().unwrap_or(0).into()
}

pub(super) fn share(e: u64, sum: u64) -> i8 {
    // e is below 2^32 and the sum of at most 2^31 of them below 2^63.
    let rounded = (e << 8).wrapping_add(sum >> 1).checked_div(sum).unwrap_or(0).min(255);
    (rounded as u8 ^ 0x80).cast_signed()
}
