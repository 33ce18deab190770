//! AVX-512: from sums or products in float to int8.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::intrinsics::*;
use crate::round::Output;

/// The way from float to int8, 64 numbers at a time.
#[derive(Clone)]
pub(crate) struct Rounding {
    low: __m512,
    high: __m512,
    zero_point: __m512i,
    least: __m512i,
    greatest: __m512i,
    /// Packing works in quarters of a vector: this puts the fours of numbers back into order.
    order: __m512i,
}

impl Rounding {
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn new(output: &Output) -> Self {
        Self {
            low: _mm512_set1_ps(output.low.wrapping_sub(output.zero_point) as f32),
            high: _mm512_set1_ps(output.high.wrapping_sub(output.zero_point) as f32),
            zero_point: _mm512_set1_epi16(output.zero_point as i16),
            least: _mm512_set1_epi8(output.low as i8),
            greatest: _mm512_set1_epi8(output.high as i8),
            order: _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        }
    }

    /// Four vectors in a vector of bytes, one after the other: clamped, rounded half to even, with the zero point. `SMALL`
    /// ones are known to fit into int32, so that packing is all the clamp that int8 needs.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn bytes<const SMALL: bool>(&self, v: [__m512; 4]) -> __m512i {
        _mm512_min_epi8(_mm512_max_epi8(self.saturated::<SMALL>(v), self.least), self.greatest)
    }

    /// The same, but `SMALL` ones are clamped to int8 alone.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn saturated<const SMALL: bool>(&self, v: [__m512; 4]) -> __m512i {
        let mut steps = [_mm512_setzero_si512(); 4];
        for (step, v) in steps.iter_mut().zip(v) {
            // The second operand wins against a NaN, as in the contract.
            let v = if SMALL { v } else { _mm512_min_ps(_mm512_max_ps(v, self.low), self.high) };
            *step = _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v);
        }
        let [a, b, c, d] = steps;
        // A number above int16 stays so far outside of int8 that the zero point does not bring it back.
        let ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), self.zero_point);
        let cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), self.zero_point);
        _mm512_permutexvar_epi32(self.order, _mm512_packs_epi16(ab, cd))
    }
}
