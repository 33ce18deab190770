//! AVX-512: 64 elements at a time.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::Params;
use crate::Isa;
use crate::intrinsics::*;
use crate::pairs_avx512::{self, Function};
use crate::round::Output;

/// Adds; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    if !isa.has_avx512() {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { pairs_avx512::all(params, &params.broadcast, a, b, y) };
    true
}

impl Function for Params {
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn sixteen(&self, a: __m512i, b: __m512i) -> __m512 {
        let a = _mm512_cvtepi32_ps(_mm512_sub_epi32(a, _mm512_set1_epi32(self.a_zero_point)));
        let b = _mm512_cvtepi32_ps(_mm512_sub_epi32(b, _mm512_set1_epi32(self.b_zero_point)));
        let (a_scale, b_scale) = (_mm512_set1_ps(self.a_scale), _mm512_set1_ps(self.b_scale));
        _mm512_add_ps(_mm512_mul_ps(a, a_scale), _mm512_mul_ps(b, b_scale))
    }

    fn output(&self) -> (&Output, bool) {
        (&self.output, self.a_scale.abs() + self.b_scale.abs() < 1e6)
    }
}
