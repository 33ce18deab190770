//! SSE2, which every CPU of this architecture has: blocks of 16 by 16 bytes, or of 4 by 4 elements of 4 bytes.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::arch::x86_64::*;

use crate::columns::Columns;

/// Elements of a block's side, for elements of so many bytes; none for others.
pub(super) const fn side(bytes: usize) -> Option<usize> {
    match bytes {
        1 => Some(16),
        4 => Some(4),
        _ => None,
    }
}

/// Copies element `j` of row `i` of `x` to element `i` of row `j` of `y`, from row and byte `to` on, for a whole block; false
/// where it does not lie inside.
#[inline(always)]
pub(super) fn whole<const N: usize>(x: &[[u8; N]], x_step: usize, y: &mut Columns<'_>, to: (usize, usize)) -> bool {
    let Some(side) = side(N) else { return false };
    let reach = x_step.saturating_mul(side.wrapping_sub(1)).saturating_add(side);
    let (pitch, rows) = (y.pitch(), to.0..to.0.wrapping_add(side));
    let Some(y) = y.part(rows, to.1, side.wrapping_mul(N)).filter(|_| reach <= x.len()) else { return false };
    // SAFETY: as many rows of as many elements, so far apart, lie inside both; SSE2 is part of this architecture.
    unsafe {
        if N == 1 {
            bytes(x.as_ptr().cast(), x_step, y.cast(), pitch);
        } else {
            words(x.as_ptr().cast(), x_step, y.cast(), pitch);
        }
    }
    true
}

/// # Safety
/// 16 rows of 16 bytes can be read and written.
#[inline]
#[target_feature(enable = "sse2")]
unsafe fn bytes(x: *const u8, x_step: usize, y: *mut u8, pitch: usize) {
    let mut rows = [_mm_setzero_si128(); 16];
    for (i, row) in rows.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *row = unsafe { _mm_loadu_si128(x.wrapping_add(i.wrapping_mul(x_step)).cast()) };
    }
    // Each time, every row and the one eight rows below become two neighbours, byte by byte: after four times, row `j` holds
    // element `j` of all.
    for _ in 0..4 {
        let mut next = rows;
        let ((above, below), pairs) = (rows.split_at(8), next.as_chunks_mut::<2>().0);
        for ((to, &a), &b) in pairs.iter_mut().zip(above).zip(below) {
            *to = [_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)];
        }
        rows = next;
    }
    for (j, row) in rows.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { _mm_storeu_si128(y.wrapping_add(j.wrapping_mul(pitch)).cast(), *row) };
    }
}

/// # Safety
/// 4 rows of 4 elements of 4 bytes can be read and written.
#[inline]
#[target_feature(enable = "sse2")]
unsafe fn words(x: *const u32, x_step: usize, y: *mut u8, pitch: usize) {
    let mut rows = [_mm_setzero_si128(); 4];
    for (i, row) in rows.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *row = unsafe { _mm_loadu_si128(x.wrapping_add(i.wrapping_mul(x_step)).cast()) };
    }
    let [a, b, c, d] = rows;
    let (ab, cd) = (_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
    let (ab_high, cd_high) = (_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
    let low = [_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd)];
    let high = [_mm_unpacklo_epi64(ab_high, cd_high), _mm_unpackhi_epi64(ab_high, cd_high)];
    for (j, row) in low.iter().chain(&high).enumerate() {
        // SAFETY: the caller's promise.
        unsafe { _mm_storeu_si128(y.wrapping_add(j.wrapping_mul(pitch)).cast(), *row) };
    }
}
