//! SSE4.1: 16 elements at a time.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::Params;
use crate::pairs_sse41::{self, Function};
use crate::round::Output;
use crate::round_sse41::four;
use crate::{Isa, Level};

/// Multiplies; false where the CPU has not the instruction set.
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
        let a = _mm_sub_epi16(a, _mm_set1_epi16(self.a_zero_point as i16));
        let b = _mm_sub_epi16(b, _mm_set1_epi16(self.b_zero_point as i16));
        // A product of two 9-bit numbers, in two halves.
        let (low, high) = (_mm_mullo_epi16(a, b), _mm_mulhi_epi16(a, b));
        let products = [_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high)];
        products.map(|product| four(&self.output, product, _mm_set1_ps(self.scale)))
    }
}
