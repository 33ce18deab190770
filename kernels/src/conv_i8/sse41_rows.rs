//! SSE4.1 for weights in rows, and so for several groups.
#![allow(unsafe_code)] // Loads of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::patches::{self, LONGEST};
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::{Isa, Level};

/// Convolves with weights in rows; false where the CPU or the layout is another one or the rows are too long.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let row = patches::row(&params.geometry);
    if isa.level() < Level::Sse41 || params.layout != layout::ROWS || row == 0 || row > LONGEST {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, operands, row, pixels, y) };
    true
}

/// All pixels; `row` is the length of a row of weights.
#[target_feature(enable = "sse4.1")]
fn all(params: &Params, o: &Operands<'_>, row: usize, pixels: &Pixels, y: &mut [i8]) {
    let mut room = [0; LONGEST];
    let Some(patch) = room.get_mut(..row) else { return };
    patches::all(params, o, pixels, patch, y, |x, rows| dots(x, rows), |x, row| dots(x, [row]));
}

/// `Σ x * w` with each of `R` rows, int32 and wrapping; rows of other lengths than `x` give 0.
#[inline]
#[target_feature(enable = "sse4.1")]
fn dots<const R: usize>(x: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    if rows.iter().any(|row| row.len() != x.len()) {
        return [0; R];
    }
    let mut sums = [_mm_setzero_si128(); R];
    let mut add = |x: &[i8; 8], weights: [&[i8; 8]; R]| {
        let x = widened(x);
        for (sum, w) in sums.iter_mut().zip(weights) {
            // Exact: two products of bytes.
            *sum = _mm_add_epi32(*sum, _mm_madd_epi16(x, widened(w)));
        }
    };
    let (eights, rest) = x.as_chunks::<8>();
    for (k, x) in eights.iter().enumerate() {
        add(x, rows.map(|row| row.as_chunks::<8>().0.get(k).unwrap_or(&[0; 8])));
    }
    if !rest.is_empty() {
        let last = rows.map(|row| last(row.as_chunks::<8>().1));
        add(&self::last(rest), last.each_ref());
    }
    sums.map(|sum| {
        let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
        _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum)))
    })
}

/// Eight numbers in int16.
#[inline]
#[target_feature(enable = "sse4.1")]
fn widened(bytes: &[i8; 8]) -> __m128i {
    // SAFETY: the array holds 8 bytes.
    _mm_cvtepi8_epi16(unsafe { _mm_loadl_epi64(bytes.as_ptr().cast()) })
}

/// Less than 8 elements, and zeros after them.
#[inline(always)]
fn last(rest: &[i8]) -> [i8; 8] {
    let mut all = [0; 8];
    all.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
    all
}
