//! NEON: 16 elements at a time.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.

use core::arch::aarch64::*;

use super::Params;
use crate::pairs_neon::{self, Function};
use crate::round_neon::four;
use crate::{Isa, Level};

/// Multiplies; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    if isa.level() < Level::Neon {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { pairs_neon::all(params, &params.broadcast, a, b, y) };
    true
}

impl Function for Params {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn eight(&self, a: int16x8_t, b: int16x8_t) -> [int32x4_t; 2] {
        let a = vsubq_s16(a, vdupq_n_s16(self.a_zero_point as i16));
        let b = vsubq_s16(b, vdupq_n_s16(self.b_zero_point as i16));
        let scale = vdupq_n_f32(self.scale);
        let products = [vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b)];
        products.map(|product| four(&self.output, product, scale))
    }
}
