//! AVX-512, for windows of few columns: walks along the columns of rows, 64 channels wide.
//!
//! The greatest of every column of a window is found once and serves all windows that see the column.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::Params;
use crate::Isa;
use crate::intrinsics::*;
use crate::pixels::{Pixels, place};

/// Pools; false where the CPU has not the instruction set, or windows have other columns than these.
pub(super) fn run(isa: Isa, params: &Params, x: &[i8], pixels: &Pixels, y: &mut [i8]) -> bool {
    let g = &params.geometry;
    if !isa.has_avx512() || g.dilation_width != 1 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe {
        match (g.kernel_width, g.stride_width) {
            (2, 1) => all::<2, 1>(params, x, pixels, y),
            (2, 2) => all::<2, 2>(params, x, pixels, y),
            (3, 1) => all::<3, 1>(params, x, pixels, y),
            (3, 2) => all::<3, 2>(params, x, pixels, y),
            (3, 3) => all::<3, 3>(params, x, pixels, y),
            (5, 1) => all::<5, 1>(params, x, pixels, y),
            _ => return false,
        }
    }
    true
}

/// Rows of taps: where the first input of the first is, how many there are, and how far they are apart; columns, and how far
/// those are apart.
struct Input {
    first: *const i8,
    rows: u32,
    row_step: usize,
    columns: u32,
    step: usize,
}

/// All pixels of windows of `K` columns, `S` of which are new to each.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn all<const K: usize, const S: usize>(params: &Params, x: &[i8], pixels: &Pixels, y: &mut [i8]) {
    let g = &params.geometry;
    let (rows, channels, mut y, mut pixel) = (g.rows(), g.channels as usize, y, pixels.start);
    let line = (g.in_width as usize).wrapping_mul(channels);
    while pixel < pixels.end {
        let [image, row, column] = place(pixel, g.out_height, g.out_width);
        let count = g.out_width.wrapping_sub(column).min(pixels.end.wrapping_sub(pixel)).max(1);
        let Some((here, rest)) = y.split_at_mut_checked((count as usize).wrapping_mul(channels)) else { return };
        let taps = rows.taps(row);
        let first = (image as usize).wrapping_mul(g.in_height as usize);
        let first = first.wrapping_add(rows.position(row, taps.start)).wrapping_mul(line);
        let mut channel = 0usize;
        while channel < channels {
            let input = Input {
                first: x.as_ptr().wrapping_add(first).wrapping_add(channel),
                rows: taps.len() as u32,
                row_step: line.wrapping_mul(g.dilation_height as usize),
                columns: g.in_width,
                step: channels,
            };
            let here = here.get_mut(channel..).unwrap_or_default();
            let mask = u64::MAX >> (64usize.wrapping_sub(channels.wrapping_sub(channel).min(64)) & 63);
            // SAFETY: the rows are those of taps inside the input, with all of its columns and the channels of the mask; the
            // outputs of `count` pixels lie in the slice.
            unsafe { walk::<K, S>(&input, mask, g.columns().start(column), count as usize, here) };
            channel = channel.wrapping_add(64);
        }
        (y, pixel) = (rest, pixel.wrapping_add(count));
    }
}

/// So many neighbours from the one on whose window begins at a column; the first output is at the start of `y`.
///
/// # Safety
/// The input has these rows and columns, with the channels of the mask, and `y` the outputs.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn walk<const K: usize, const S: usize>(input: &Input, mask: u64, column: i32, count: usize, y: &mut [i8]) {
    let mut greatest = [_mm512_set1_epi8(i8::MIN); K];
    let (mut next, mut to) = (column, y.as_mut_ptr());
    // What the first window has before its last columns stands where the next step takes it from.
    for place in greatest.iter_mut().skip(S) {
        // SAFETY: the caller's promise.
        *place = unsafe { input.column(next, mask) };
        next = next.wrapping_add(1);
    }
    for _ in 0..count {
        greatest.copy_within(S.., 0);
        for place in greatest.iter_mut().skip(const { K.wrapping_sub(S) }) {
            // SAFETY: the caller's promise.
            *place = unsafe { input.column(next, mask) };
            next = next.wrapping_add(1);
        }
        let mut best = _mm512_set1_epi8(i8::MIN);
        for &column in &greatest {
            best = _mm512_max_epi8(best, column);
        }
        // SAFETY: the caller's promise.
        unsafe { _mm512_mask_storeu_epi8(to, mask, best) };
        to = to.wrapping_add(input.step);
    }
}

impl Input {
    /// The greatest of a column; the least number in the padding.
    ///
    /// # Safety
    /// The input has these rows and columns, with the channels of the mask.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn column(&self, column: i32, mask: u64) -> __m512i {
        let mut best = _mm512_set1_epi8(i8::MIN);
        if column.cast_unsigned() >= self.columns {
            return best;
        }
        let mut at = self.first.wrapping_add((column as usize).wrapping_mul(self.step));
        for _ in 0..self.rows {
            // SAFETY: the caller's promise.
            best = _mm512_max_epi8(best, unsafe { _mm512_maskz_loadu_epi8(mask, at) });
            at = at.wrapping_add(self.row_step);
        }
        best
    }
}
