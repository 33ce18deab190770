//! The definition, from the pseudocode of Intel's Intrinsics Guide.
#![allow(unsafe_code)] // Vectors seen as other elements.
#![allow(clippy::indexing_slicing)] // For tests only, and by numbers that are smaller than the lanes.
#![allow(non_camel_case_types)] // The names of the intrinsics' types.

use core::array::from_fn;
use core::mem::transmute;

use super::avx512::{__m512, __m512i};
use crate::half::Bf16;

/// 32 numbers of bf16.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct __m512bh([u16; 32]);

/// The upper product first, then the lower one, each fused. What is below the normal numbers counts as zero, in operands and
/// in results, where it is so after rounding.
pub(crate) fn _mm512_dpbf16_ps(sum: __m512, a: __m512bh, b: __m512bh) -> __m512 {
    let flushed = |v: f32| if v.abs() < f32::MIN_POSITIVE { 0.0f32.copysign(v) } else { v };
    let value = |v: u16| flushed(Bf16(v).to_f32());
    let product = |sum: f32, i: usize| {
        let [a, b, sum] = [value(a.0[i]), value(b.0[i]), flushed(sum)].map(f64::from);
        // Of both, rounding of 53 bits first changes nothing; half a step below the normal numbers rounds up to them.
        let exact = a * b + sum;
        let normal = exact.abs() >= f64::from(f32::MIN_POSITIVE) * (1.0 - f64::from(f32::EPSILON) / 4.0);
        if exact.is_nan() || normal { exact as f32 } else { 0.0f32.copysign(exact as f32) }
    };
    // SAFETY: both are 64 bytes without any that may not be read.
    let sums: [f32; 16] = unsafe { transmute(sum) };
    // SAFETY: as above.
    unsafe { transmute(from_fn::<f32, 16, _>(|i| product(product(sums[i], 2 * i + 1), 2 * i))) }
}

/// Words by their places.
pub(crate) fn _mm512_permutexvar_epi16(places: __m512i, v: __m512i) -> __m512i {
    let v = v.words();
    __m512i::of_words(places.words().map(|p| v[p as usize & 31]))
}
