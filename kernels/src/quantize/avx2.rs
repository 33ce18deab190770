//! AVX2: 32 values at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{Params, portable};
use crate::{Isa, Level};

/// Quantizes; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, x: &[f32], y: &mut [i8]) -> bool {
    if isa.level() < Level::Avx2 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, x, y) };
    true
}

#[target_feature(enable = "avx2")]
fn all(params: &Params, x: &[f32], y: &mut [i8]) {
    let ((blocks, rest), (outputs, rest_y)) = (x.as_chunks::<32>(), y.as_chunks_mut::<32>());
    // Packing works in halves of a vector: this puts the fours of elements back into order.
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    let zero_point = _mm256_set1_epi16(params.zero_point as i16);
    for (x, y) in blocks.iter().zip(outputs) {
        let mut steps = [_mm256_setzero_si256(); 4];
        for (steps, x) in steps.iter_mut().zip(x.as_chunks::<8>().0) {
            // SAFETY: the array holds 8 elements.
            *steps = eight(params, unsafe { _mm256_loadu_ps(x.as_ptr()) });
        }
        let [a, b, c, d] = steps;
        let ab = _mm256_add_epi16(_mm256_packs_epi32(a, b), zero_point);
        let cd = _mm256_add_epi16(_mm256_packs_epi32(c, d), zero_point);
        let out = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(ab, cd), order);
        // SAFETY: the array holds 32 bytes.
        unsafe { _mm256_storeu_si256(y.as_mut_ptr().cast(), out) };
    }
    portable::run(params, rest, rest_y);
}

/// `clamp(rne(x / scale))`, before the zero point.
#[inline]
#[target_feature(enable = "avx2")]
fn eight(params: &Params, x: __m256) -> __m256i {
    let v = _mm256_div_ps(x, _mm256_set1_ps(params.scale));
    let v = _mm256_and_ps(v, _mm256_cmp_ps::<_CMP_ORD_Q>(v, v));
    let low = _mm256_set1_ps((-128i32).wrapping_sub(params.zero_point) as f32);
    let high = _mm256_set1_ps(127i32.wrapping_sub(params.zero_point) as f32);
    let v = _mm256_min_ps(_mm256_max_ps(v, low), high);
    _mm256_cvtps_epi32(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v))
}
