//! AVX2: 16 elements at a time.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::Params;
use crate::pairs_avx2::{self, Function, round};
use crate::{Isa, Level};

/// Adds; false where the CPU has not the instruction set.
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
        let scaled = |v: __m256i, zero_point: i32, scale: f32| {
            let v = _mm256_cvtepi32_ps(_mm256_sub_epi32(v, _mm256_set1_epi32(zero_point)));
            _mm256_mul_ps(v, _mm256_set1_ps(scale))
        };
        let a = scaled(a, self.a_zero_point, self.a_scale);
        round(_mm256_add_ps(a, scaled(b, self.b_zero_point, self.b_scale)), &self.output)
    }
}
