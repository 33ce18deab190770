//! SSE4.1: 16 elements at a time.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::Params;
use crate::pairs_sse41::{self, Function};
use crate::round::Output;
use crate::round_sse41::rounded;
use crate::{Isa, Level};

/// Adds; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    if isa.level() < Level::Sse41 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { pairs_sse41::all(params, &params.broadcast, a, b, y) };
    true
}

impl Function for Params {
    fn output(&self) -> &Output {
        &self.output
    }

    #[inline]
    #[target_feature(enable = "sse4.1")]
    unsafe fn eight(&self, a: __m128i, b: __m128i) -> [__m128i; 2] {
        let scaled = |v: __m128i, zero_point: i32, scale: f32| {
            let v = _mm_sub_epi16(v, _mm_set1_epi16(zero_point as i16));
            let halves = [_mm_cvtepi16_epi32(v), _mm_cvtepi16_epi32(_mm_unpackhi_epi64(v, v))];
            halves.map(|v| _mm_mul_ps(_mm_cvtepi32_ps(v), _mm_set1_ps(scale)))
        };
        let [a, c] = scaled(a, self.a_zero_point, self.a_scale);
        let [b, d] = scaled(b, self.b_zero_point, self.b_scale);
        [rounded(&self.output, _mm_add_ps(a, b)), rounded(&self.output, _mm_add_ps(c, d))]
    }
}
