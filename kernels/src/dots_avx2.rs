//! AVX2: products of one int8 row with several others.
#![allow(unsafe_code)] // Loads of vectors.

use core::arch::x86_64::*;

/// `Σ (x - zero_point) * w` with each of `R` rows, int32 and wrapping; rows of other lengths than `x` give 0.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn dots<const R: usize>(x: &[i8], zero_point: i16, rows: [&[i8]; R]) -> [i32; R] {
    if rows.iter().any(|row| row.len() != x.len()) {
        return [0; R];
    }
    let zero_points = _mm256_set1_epi16(zero_point);
    let mut sums = [_mm256_setzero_si256(); R];
    let mut add = |x: __m128i, weights: [__m128i; R]| {
        let x = _mm256_sub_epi16(_mm256_cvtepi8_epi16(x), zero_points);
        for (sum, w) in sums.iter_mut().zip(weights) {
            // Exact: two products of a 9-bit and an 8-bit number.
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(w)));
        }
    };
    let whole = x.len() & !15;
    for k in (0..whole >> 4).map(|k| k << 4) {
        // SAFETY: 16 elements from k on are within `x`, and every row is as long.
        let load = |row: &[i8]| unsafe { _mm_loadu_si128(row.as_ptr().wrapping_add(k).cast()) };
        add(load(x), rows.map(load));
    }
    if whole != x.len() {
        // Filled up with weights of zero.
        add(last(x, whole), rows.map(|row| last(row, whole)));
    }
    sums.map(|sum| {
        let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
        let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
        _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum)))
    })
}

/// The elements from `start` on, less than 16, and zeros after them.
#[inline]
#[target_feature(enable = "avx2")]
fn last(row: &[i8], start: usize) -> __m128i {
    let mut all = [0i8; 16];
    for (to, from) in all.iter_mut().zip(row.get(start..).unwrap_or_default()) {
        *to = *from;
    }
    // SAFETY: the array holds 16 bytes.
    unsafe { _mm_loadu_si128(all.as_ptr().cast()) }
}
