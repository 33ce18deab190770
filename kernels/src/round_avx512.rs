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
    /// From the bits of floats above 2^23, which are whole numbers, to those with the zero point.
    #[cfg(feature = "std")]
    from_bits: __m512i,
    /// Whether int8 has more numbers than those that are asked for.
    #[cfg(feature = "std")]
    clamps: bool,
}

/// The bits of 1.5 * 2^23. So many numbers of less than 2^22 more, as int32, are the bits of so much more, as a float.
#[cfg(feature = "std")]
pub(crate) const BITS: i32 = 0x4b40_0000;

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
            #[cfg(feature = "std")]
            from_bits: _mm512_set1_epi32(output.zero_point.wrapping_sub(BITS)),
            #[cfg(feature = "std")]
            clamps: (output.low, output.high) != (-128, 127),
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

    /// The products of multipliers of less than 1 with int32 of less than 2^22, which [`BITS`] have been added to, as
    /// [`Rounding::saturated`]. Additions run where AMX does, multiplications and conversions do not, so that these bits are
    /// those of the conversions with a third of what waits for each other.
    #[cfg(feature = "std")]
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn near_saturated(&self, bits: [__m512i; 4], multipliers: &[__m512; 4]) -> __m512i {
        let first = _mm512_castsi512_ps(_mm512_set1_epi32(BITS));
        let mut steps = [_mm512_setzero_si512(); 4];
        for ((step, bits), &multipliers) in steps.iter_mut().zip(bits).zip(multipliers) {
            let v = _mm512_mul_ps(_mm512_sub_ps(_mm512_castsi512_ps(bits), first), multipliers);
            // Above 2^23 floats are whole numbers: the sum is rounded half to even.
            *step = _mm512_add_epi32(_mm512_castps_si512(_mm512_add_ps(v, first)), self.from_bits);
        }
        let [a, b, c, d] = steps;
        let bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
        _mm512_permutexvar_epi32(self.order, bytes)
    }

    /// The same, clamped to what is asked for.
    #[cfg(feature = "std")]
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn near_bytes(&self, bits: [__m512i; 4], multipliers: &[__m512; 4]) -> __m512i {
        let bytes = self.near_saturated(bits, multipliers);
        if self.clamps { _mm512_min_epi8(_mm512_max_epi8(bytes, self.least), self.greatest) } else { bytes }
    }
}
