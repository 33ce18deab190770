//! NEON for weights in rows, and so for several groups.
#![allow(unsafe_code)] // Loads of vectors, and the entry into code that needs the instruction set.

use core::arch::aarch64::*;

use super::patches::{self, LONGEST};
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::{Isa, Level};

/// Convolves with weights in rows; false where the CPU or the layout is another one or the rows are too long.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let row = patches::row(&params.geometry);
    if isa.level() < Level::Neon || params.layout != layout::ROWS || row == 0 || row > LONGEST {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, operands, row, pixels, y) };
    true
}

/// All pixels; `row` is the length of a row of weights.
#[target_feature(enable = "neon")]
fn all(params: &Params, o: &Operands<'_>, row: usize, pixels: &Pixels, y: &mut [i8]) {
    let mut room = [0; LONGEST];
    let Some(patch) = room.get_mut(..row) else { return };
    patches::all(params, o, pixels, patch, y, |x, rows| dots(x, rows), |x, row| dots(x, [row]));
}

/// `Σ x * w` with each of `R` rows, int32 and wrapping; rows of other lengths than `x` give 0.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn dots<const R: usize>(x: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    if rows.iter().any(|row| row.len() != x.len()) {
        return [0; R];
    }
    let mut sums = [vdupq_n_s32(0); R];
    let mut add = |x: int8x8_t, weights: [int8x8_t; R]| {
        for (sum, w) in sums.iter_mut().zip(weights) {
            // Exact: a product of two bytes fits into an int16.
            *sum = vpadalq_s16(*sum, vmull_s8(x, w));
        }
    };
    let whole = x.len() & !7;
    for k in (0..whole >> 3).map(|k| k << 3) {
        // SAFETY: 8 elements from k on are within `x`, and every row is as long.
        let load = |row: &[i8]| unsafe { vld1_s8(row.as_ptr().wrapping_add(k)) };
        add(load(x), rows.map(load));
    }
    match x.len() & 7 {
        0 => {}
        rest if x.len() >= 8 => {
            // The last 8, of which those that were added already count as zero.
            let start = x.len().wrapping_sub(8);
            // SAFETY: as above.
            let load = |row: &[i8]| unsafe { vld1_s8(row.as_ptr().wrapping_add(start)) };
            // SAFETY: 8 of 16 bytes, from a place of at most 7 on.
            let keep = unsafe { vld1_s8(KEEP.as_ptr().wrapping_add(rest)) };
            add(vand_s8(load(x), keep), rows.map(load));
        }
        _ => add(last(x, whole), rows.map(|row| last(row, whole))),
    }
    sums.map(|sum| vaddvq_s32(sum))
}

/// From place `n` on: a mask of 8 bytes that keeps the last `n`.
static KEEP: [i8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1];

/// The elements from `start` on, less than 8, and zeros after them.
#[inline]
#[target_feature(enable = "neon")]
fn last(row: &[i8], start: usize) -> int8x8_t {
    let mut all = [0i8; 8];
    for (to, from) in all.iter_mut().zip(row.get(start..).unwrap_or_default()) {
        *to = *from;
    }
    // SAFETY: the array holds 8 bytes.
    unsafe { vld1_s8(all.as_ptr()) }
}
