//! AVX2: elementwise functions of two int8 tensors that meet by broadcasting, 16 elements at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use crate::broadcast::Broadcast;
use crate::pairs::{Row, each_row};

/// A function of two int8 numbers.
pub(crate) trait Function {
    /// The function of single elements.
    fn one(&self, a: i8, b: i8) -> i8;

    /// The function of 8 elements, widened; the results are int8 too.
    ///
    /// # Safety
    /// The CPU has AVX2.
    unsafe fn eight(&self, a: __m256i, b: __m256i) -> __m256i;
}

/// Applies the function; an operand that is `None` is `y` itself. The operands fit the broadcasting.
#[target_feature(enable = "avx2")]
pub(crate) fn all(f: &impl Function, broadcast: &Broadcast, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) {
    each_row(broadcast, a, b, y, |a, b, y| row(f, a, b, y));
}

#[target_feature(enable = "avx2")]
fn row(f: &impl Function, a: Row<'_>, b: Row<'_>, y: &mut [i8]) {
    let load = |row: &Row<'_>, k: usize, y: &[i8; 16]| match row {
        // SAFETY: k is the start of 16 elements of the output, and the row is as long as that.
        Row::Dense(x) => unsafe { _mm_loadu_si128(x.as_ptr().wrapping_add(k).cast()) },
        Row::Repeated(x) => _mm_set1_epi8(*x),
        // SAFETY: the array holds 16 bytes.
        Row::Output => unsafe { _mm_loadu_si128(y.as_ptr().cast()) },
    };
    let (blocks, rest) = y.as_chunks_mut::<16>();
    let done = blocks.len().wrapping_mul(16);
    for (k, y) in blocks.iter_mut().enumerate() {
        let (a, b) = (load(&a, k.wrapping_mul(16), y), load(&b, k.wrapping_mul(16), y));
        let low = [_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(b)];
        let high = [a, b].map(|v| _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(v, v)));
        // SAFETY: this function needs AVX2 as well.
        let (low, high) = unsafe { (f.eight(low[0], low[1]), f.eight(high[0], high[1])) };
        let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
        let out = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
        // SAFETY: the array holds 16 bytes.
        unsafe { _mm_storeu_si128(y.as_mut_ptr().cast(), out) };
    }
    for (k, y) in rest.iter_mut().enumerate() {
        let k = k.wrapping_add(done);
        if let (Some(a), Some(b)) = (a.one(k, *y), b.one(k, *y)) {
            *y = f.one(a, b);
        }
    }
}

/// From products or sums in float to int8, widened: clamped, rounded half to even, with the zero point.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn round(v: __m256, output: &crate::round::Output) -> __m256i {
    let low = _mm256_set1_ps(output.low.wrapping_sub(output.zero_point) as f32);
    let high = _mm256_set1_ps(output.high.wrapping_sub(output.zero_point) as f32);
    // The second operand wins against a NaN, as in the contract.
    let v = _mm256_min_ps(_mm256_max_ps(v, low), high);
    let v = _mm256_cvtps_epi32(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v));
    _mm256_add_epi32(v, _mm256_set1_epi32(output.zero_point))
}
