//! From sums to int8 on NEON: rounding and clamping of the numeric contract.

use core::arch::aarch64::*;

use crate::round::Output;

/// The outputs of four sums, zero point included.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn four(output: &Output, sums: int32x4_t, multipliers: float32x4_t) -> int32x4_t {
    rounded(output, vmulq_f32(vcvtq_f32_s32(sums), multipliers))
}

/// The outputs of four numbers in steps of the output, zero point included.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn rounded(output: &Output, v: float32x4_t) -> int32x4_t {
    let low = vdupq_n_f32(output.low.wrapping_sub(output.zero_point) as f32);
    let high = vdupq_n_f32(output.high.wrapping_sub(output.zero_point) as f32);
    // A NaN loses against a number, so that it becomes the least output, as in the contract.
    let v = vminnmq_f32(vmaxnmq_f32(v, low), high);
    vaddq_s32(vcvtnq_s32_f32(v), vdupq_n_s32(output.zero_point))
}

/// 16 numbers that fit into int8.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn narrow([a, b, c, d]: [int32x4_t; 4]) -> int8x16_t {
    let low = vcombine_s16(vmovn_s32(a), vmovn_s32(b));
    let high = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
    vcombine_s8(vmovn_s16(low), vmovn_s16(high))
}
