//! NEON: 16 elements at a time.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.

use core::arch::aarch64::*;

use super::Params;
use crate::pairs_neon::{self, Function};
use crate::round_neon::rounded;
use crate::{Isa, Level};

/// Adds; false where the CPU has not the instruction set.
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
        let scaled = |v: int16x8_t, zero_point: i32, scale: f32| {
            let v = vsubq_s16(v, vdupq_n_s16(zero_point as i16));
            [vmovl_s16(vget_low_s16(v)), vmovl_high_s16(v)].map(|v| vmulq_f32(vcvtq_f32_s32(v), vdupq_n_f32(scale)))
        };
        let [a, c] = scaled(a, self.a_zero_point, self.a_scale);
        let [b, d] = scaled(b, self.b_zero_point, self.b_scale);
        [rounded(&self.output, vaddq_f32(a, b)), rounded(&self.output, vaddq_f32(c, d))]
    }
}
