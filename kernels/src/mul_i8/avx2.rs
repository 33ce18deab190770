//! AVX2: 16 elements at a time.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::Params;
use crate::pairs_avx2::{self, Function, round};
use crate::{Isa, Level};

/// Multiplies; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    if isa.level() < Level::Avx2 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { pairs_avx2::all(params, &params.broadcast, a, b, y) };
    true
}

impl Function for Params {
    fn one(&self, a: i8, b: i8) -> i8 {
        self.compute(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn eight(&self, a: __m256i, b: __m256i) -> __m256i {
        let a = _mm256_sub_epi32(a, _mm256_set1_epi32(self.a_zero_point));
        let b = _mm256_sub_epi32(b, _mm256_set1_epi32(self.b_zero_point));
        let product = _mm256_cvtepi32_ps(_mm256_mullo_epi32(a, b));
        round(_mm256_mul_ps(product, _mm256_set1_ps(self.scale)), &self.output)
    }
}
