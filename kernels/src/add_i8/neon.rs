//! NEON: 16 elements of two dense operands at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::aarch64::*;

use super::Params;
use crate::round_neon::narrow;
use crate::{Isa, Level};

/// Adds operands of the same shape; false where the CPU has not the instruction set, or one is repeated.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    if isa.level() < Level::Neon || !params.broadcast.a_in_place() || !params.broadcast.b_in_place() {
        return false;
    }
    let whole = y.len() & !15;
    let (a_start, b_start) = (a.map_or(y.as_ptr(), <[i8]>::as_ptr), b.map_or(y.as_ptr(), <[i8]>::as_ptr));
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it; dense operands have as many elements as y.
    unsafe { all(params, a_start, b_start, y.as_mut_ptr(), whole) };
    for k in whole..y.len() {
        let at = |x: Option<&[i8]>| x.map_or(y.get(k), |x| x.get(k)).copied();
        let sum = at(a).zip(at(b)).map(|(a, b)| params.compute(a, b));
        if let (Some(y), Some(sum)) = (y.get_mut(k), sum) {
            *y = sum;
        }
    }
    true
}

/// Adds `count` elements, a multiple of 16.
///
/// # Safety
/// The pointers have so many elements; a or b may be y.
#[target_feature(enable = "neon")]
unsafe fn all(params: &Params, a: *const i8, b: *const i8, y: *mut i8, count: usize) {
    let mut k = 0;
    while k < count {
        // SAFETY: 16 elements from k on are there.
        let (a, b) = unsafe { (wide(vld1q_s8(a.add(k))), wide(vld1q_s8(b.add(k)))) };
        let mut sums = [vdupq_n_s32(0); 4];
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = four(params, a, b);
        }
        // SAFETY: as above; a and b were read before.
        unsafe { vst1q_s8(y.add(k), narrow(sums)) };
        k += 16;
    }
}

/// 16 bytes as four vectors.
#[inline]
#[target_feature(enable = "neon")]
fn wide(v: int8x16_t) -> [int32x4_t; 4] {
    let (low, high) = (vmovl_s8(vget_low_s8(v)), vmovl_s8(vget_high_s8(v)));
    let quarters = |v: int16x8_t| [vmovl_s16(vget_low_s16(v)), vmovl_s16(vget_high_s16(v))];
    let ([a, b], [c, d]) = (quarters(low), quarters(high));
    [a, b, c, d]
}

/// Four sums, zero point included.
#[inline]
#[target_feature(enable = "neon")]
fn four(params: &Params, a: int32x4_t, b: int32x4_t) -> int32x4_t {
    let scaled = |v: int32x4_t, zero_point: i32, scale: f32| {
        vmulq_f32(vcvtq_f32_s32(vsubq_s32(v, vdupq_n_s32(zero_point))), vdupq_n_f32(scale))
    };
    let (a, b) = (scaled(a, params.a_zero_point, params.a_scale), scaled(b, params.b_zero_point, params.b_scale));
    let output = &params.output;
    let low = vdupq_n_f32(output.low.wrapping_sub(output.zero_point) as f32);
    let high = vdupq_n_f32(output.high.wrapping_sub(output.zero_point) as f32);
    // A NaN loses against a number, so that it becomes the least output, as in the contract.
    let v = vminnmq_f32(vmaxnmq_f32(vaddq_f32(a, b), low), high);
    vaddq_s32(vcvtnq_s32_f32(v), vdupq_n_s32(output.zero_point))
}
