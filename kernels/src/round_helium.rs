//! From sums to int8 on Helium: rounding and clamping of the numeric contract.
//!
//! Bounds are integers, so that a clamp after the rounding gives the same as the contract's clamp before it; only for a
//! NaN it does not, which is why this is for multipliers that are numbers.
#![allow(unsafe_code)] // Instructions that no intrinsic gives, in a function of the C calling convention.

use core::arch::naked_asm;

use crate::assembly::core_instructions;
use crate::round::Output;

/// The outputs of sums with their multipliers, as many as the shortest of the three has.
#[inline(always)]
pub(crate) fn outputs(output: &Output, sums: &[i32], multipliers: &[f32], y: &mut [i8]) {
    let count = sums.len().min(multipliers.len()).min(y.len());
    let bounds = [output.zero_point, output.low, output.high, count as i32];
    if count > 0 {
        // SAFETY: all three have `count` elements.
        unsafe { four(sums.as_ptr(), multipliers.as_ptr(), y.as_mut_ptr(), &bounds) };
    }
}

/// Four outputs at a time; `bounds` are the zero point, the least and the greatest output, and the number of outputs.
///
/// # Safety
/// The operands have that many elements.
#[unsafe(naked)]
unsafe extern "C" fn four(sums: *const i32, multipliers: *const f32, y: *mut i8, bounds: &[i32; 4]) {
    naked_asm!(
        core_instructions!(),
        "push {{r4-r7, lr}}",
        "ldm r3, {{r4-r7}}",
        "vdup.32 q2, r5",
        "vdup.32 q3, r6",
        "dlstp.32 lr, r7",
        "2:",
        "vldrw.u32 q0, [r0], #16",
        "vldrw.u32 q1, [r1], #16",
        "vcvt.f32.s32 q0, q0",
        "vmul.f32 q0, q0, q1",
        "vcvtn.s32.f32 q0, q0",
        "vqadd.s32 q0, q0, r4",
        "vmax.s32 q0, q0, q2",
        "vmin.s32 q0, q0, q3",
        "vstrb.32 q0, [r2], #4",
        "letp lr, 2b",
        "pop {{r4-r7, pc}}",
    )
}
