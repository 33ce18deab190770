//! From sums to int8 on SSE4.1: rounding and clamping of the numeric contract.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::arch::x86_64::*;

use crate::round::Output;

/// The outputs of four sums, before the zero point is added.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn four(output: &Output, sums: __m128i, multipliers: __m128) -> __m128i {
    rounded(output, _mm_mul_ps(_mm_cvtepi32_ps(sums), multipliers))
}

/// The outputs of four numbers in steps of the output, before the zero point is added.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn rounded(output: &Output, v: __m128) -> __m128i {
    let low = _mm_set1_ps(output.low.wrapping_sub(output.zero_point) as f32);
    let high = _mm_set1_ps(output.high.wrapping_sub(output.zero_point) as f32);
    // The second operand wins against a NaN, as in the contract.
    _mm_cvtps_epi32(_mm_min_ps(_mm_max_ps(v, low), high))
}

/// 16 outputs with the zero point added.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn narrow(output: &Output, [a, b, c, d]: [__m128i; 4]) -> __m128i {
    let zero_point = _mm_set1_epi16(output.zero_point as i16);
    let low = _mm_add_epi16(_mm_packs_epi32(a, b), zero_point);
    _mm_packs_epi16(low, _mm_add_epi16(_mm_packs_epi32(c, d), zero_point))
}

/// The numbers of 16 bytes.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn load(from: &[i8; 16]) -> __m128i {
    // SAFETY: the array holds 16 bytes.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

/// The bytes of a vector.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn store(v: __m128i) -> [i8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: the array holds 16 bytes.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), v) };
    bytes
}

/// 16 integers in four vectors.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn load_numbers(from: &[i32; 16]) -> [__m128i; 4] {
    // SAFETY: four of 16 elements.
    [0, 4, 8, 12].map(|k| unsafe { _mm_loadu_si128(from.as_ptr().wrapping_add(k).cast()) })
}

/// 16 floats in four vectors.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn load_floats(from: &[f32; 16]) -> [__m128; 4] {
    // SAFETY: four of 16 elements.
    [0, 4, 8, 12].map(|k| unsafe { _mm_loadu_ps(from.as_ptr().wrapping_add(k)) })
}
