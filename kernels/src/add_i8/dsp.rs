//! Cortex-M with floating point: rows of two dense operands, two elements at a time.
#![allow(unsafe_code)] // Instructions that no intrinsic gives, in a function of the C calling convention.

use core::arch::naked_asm;

use super::Params;
use crate::assembly::core_instructions;
use crate::{Isa, Level};

/// Adds operands of the same shape; false where the core is another one, one is repeated, or a scale is no number.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    let dense = params.broadcast.a_in_place() && params.broadcast.b_in_place();
    let numbers = params.a_scale.is_finite() && params.b_scale.is_finite();
    // A sum of two large numbers may be infinite, but none that is no number: their signs would have to differ.
    let small = params.a_scale.abs() < 1e30 && params.b_scale.abs() < 1e30;
    if isa.level() < Level::Dsp || !dense || !numbers || !small {
        return false;
    }
    let two = Two {
        scales: [params.a_scale, params.b_scale],
        zero_points: [params.a_zero_point, params.b_zero_point, params.output.zero_point],
        bounds: [params.output.low, params.output.high],
        pairs: y.len() >> 1,
    };
    let (a_start, b_start) = (a.map_or(y.as_ptr(), <[i8]>::as_ptr), b.map_or(y.as_ptr(), <[i8]>::as_ptr));
    let last = y.len() & !1;
    let end = |x: Option<&[i8]>| x.map_or(y.get(last), |x| x.get(last)).copied();
    let rest = end(a).zip(end(b)).map(|(a, b)| params.compute(a, b));
    if two.pairs > 0 {
        // SAFETY: dense operands have as many elements as y, which may be one of them: every element is read first.
        unsafe { add(a_start, b_start, y.as_mut_ptr(), &two) };
    }
    if let (Some(y), Some(rest)) = (y.get_mut(last), rest) {
        *y = rest;
    }
    true
}

/// What [`add`] is told.
#[repr(C)]
struct Two {
    scales: [f32; 2],
    /// Of a, of b, of y.
    zero_points: [i32; 3],
    /// Least and greatest output.
    bounds: [i32; 2],
    /// Pairs of elements, at least one.
    pairs: usize,
}

/// Adds pairs of elements.
///
/// # Safety
/// The operands have so many.
#[unsafe(naked)]
unsafe extern "C" fn add(a: *const i8, b: *const i8, y: *mut i8, two: &Two) {
    naked_asm!(
        core_instructions!(),
        "push {{r4-r11, lr}}",
        "vldmia r3!, {{s4, s5}}",
        "ldm r3, {{r3, r4, r5, r6, r7, r12}}",
        "2:",
        "ldrsb r8, [r0], #1",
        "ldrsb r9, [r0], #1",
        "ldrsb r10, [r1], #1",
        "ldrsb r11, [r1], #1",
        "sub r8, r8, r3",
        "sub r9, r9, r3",
        "sub r10, r10, r4",
        "sub r11, r11, r4",
        "vmov s0, s1, r8, r9",
        "vmov s2, s3, r10, r11",
        "vcvt.f32.s32 s0, s0",
        "vcvt.f32.s32 s1, s1",
        "vcvt.f32.s32 s2, s2",
        "vcvt.f32.s32 s3, s3",
        "vmul.f32 s0, s0, s4",
        "vmul.f32 s1, s1, s4",
        "vmul.f32 s2, s2, s5",
        "vmul.f32 s3, s3, s5",
        "vadd.f32 s0, s0, s2",
        "vadd.f32 s1, s1, s3",
        "vcvtr.s32.f32 s0, s0",
        "vcvtr.s32.f32 s1, s1",
        "vmov r8, r9, s0, s1",
        "qadd r8, r8, r5",
        "qadd r9, r9, r5",
        "cmp r8, r6",
        "it lt",
        "movlt r8, r6",
        "cmp r8, r7",
        "it gt",
        "movgt r8, r7",
        "cmp r9, r6",
        "it lt",
        "movlt r9, r6",
        "cmp r9, r7",
        "it gt",
        "movgt r9, r7",
        "strb r8, [r2], #1",
        "strb r9, [r2], #1",
        "subs r12, r12, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
