//! NEON: elementwise functions of two int8 tensors that meet by broadcasting, 16 elements at a time.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::arch::aarch64::*;

use crate::broadcast::Broadcast;
use crate::pairs::{Row, each_row};
use crate::round_neon::narrow;

/// A function of two int8 numbers.
pub(crate) trait Function {
    /// The function of 8 elements, widened; the results are int8 too.
    ///
    /// # Safety
    /// The CPU has NEON.
    unsafe fn eight(&self, a: int16x8_t, b: int16x8_t) -> [int32x4_t; 2];
}

/// Applies the function; an operand that is `None` is `y` itself. The operands fit the broadcasting.
#[target_feature(enable = "neon")]
pub(crate) fn all(f: &impl Function, broadcast: &Broadcast, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) {
    each_row(broadcast, a, b, y, |a, b, y| row(f, a, b, y));
}

#[target_feature(enable = "neon")]
fn row(f: &impl Function, a: Row<'_>, b: Row<'_>, y: &mut [i8]) {
    let done = y.len() & !15;
    let repeated = [&a, &b].map(|row| [row.one(0, 0).unwrap_or(0); 16]);
    let to = y.as_mut_ptr();
    let from = |row: &Row<'_>, repeated: &[i8; 16]| match row {
        Row::Dense(x) => (x.as_ptr(), 16),
        Row::Repeated(_) => (repeated.as_ptr(), 0),
        Row::Output => (to.cast_const(), 16),
    };
    // SAFETY: a dense row is as long as the output's, and the one array of a repeated element holds 16.
    unsafe { blocks(f, from(&a, &repeated[0]), from(&b, &repeated[1]), to, done) };
    let rest = y.get_mut(done..).unwrap_or_default();
    if !rest.is_empty() {
        let (a, b) = (last(&a, done, rest), last(&b, done, rest));
        let mut out = [0; 16];
        // SAFETY: the array holds 16 bytes.
        unsafe { vst1q_s8(out.as_mut_ptr(), sixteen(f, a, b)) };
        rest.iter_mut().zip(out).for_each(|(y, out)| *y = out);
    }
}

/// Computes `count` elements, a multiple of 16; an operand is a pointer and what it moves with every 16.
///
/// # Safety
/// With these steps the pointers have so many elements; a or b may be y.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn blocks(f: &impl Function, a: (*const i8, usize), b: (*const i8, usize), y: *mut i8, count: usize) {
    let ((mut a, a_step), (mut b, b_step), mut done) = (a, b, 0);
    while done < count {
        // SAFETY: 16 elements are there; they are read before the same place is written.
        unsafe { vst1q_s8(y.add(done), sixteen(f, vld1q_s8(a), vld1q_s8(b))) };
        (a, b, done) = (a.wrapping_add(a_step), b.wrapping_add(b_step), done + 16);
    }
}

/// The last elements of a row, from `done` on, which are less than 16.
#[target_feature(enable = "neon")]
fn last(row: &Row<'_>, done: usize, y: &[i8]) -> int8x16_t {
    let mut all = [0; 16];
    for (k, (to, &y)) in all.iter_mut().zip(y).enumerate() {
        *to = row.one(done.wrapping_add(k), y).unwrap_or(0);
    }
    // SAFETY: the array holds 16 bytes.
    unsafe { vld1q_s8(all.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn sixteen(f: &impl Function, a: int8x16_t, b: int8x16_t) -> int8x16_t {
    let low = [a, b].map(|v| vmovl_s8(vget_low_s8(v)));
    let high = [a, b].map(|v| vmovl_high_s8(v));
    // SAFETY: this function needs NEON as well.
    let ([p, q], [r, s]) = unsafe { (f.eight(low[0], low[1]), f.eight(high[0], high[1])) };
    narrow([p, q, r, s])
}
