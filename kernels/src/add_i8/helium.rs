//! Helium: two dense operands, four elements at a time. The tail-predicated loop needs no rest.
#![allow(unsafe_code)] // Instructions that no intrinsic gives, in a function of the C calling convention.

use core::arch::naked_asm;

use super::Params;
use crate::assembly::core_instructions;
use crate::{Isa, Level};

/// Adds operands of the same shape; false where the core is another one, one is repeated, or a scale is no number.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    let dense = params.broadcast.a_in_place() && params.broadcast.b_in_place();
    // A sum of two large numbers may be infinite, but none that is no number: their signs would have to differ.
    let small = params.a_scale.abs() < 1e30 && params.b_scale.abs() < 1e30;
    if isa.level() < Level::Helium || !dense || !small {
        return false;
    }
    let all = All {
        scales: [params.a_scale, params.b_scale],
        zero_points: [params.a_zero_point, params.b_zero_point, params.output.zero_point],
        bounds: [params.output.low, params.output.high],
        count: y.len(),
    };
    let (a_start, b_start) = (a.map_or(y.as_ptr(), <[i8]>::as_ptr), b.map_or(y.as_ptr(), <[i8]>::as_ptr));
    if all.count > 0 {
        // SAFETY: dense operands have as many elements as y, which may be one of them: every element is read first.
        unsafe { add(a_start, b_start, y.as_mut_ptr(), &all) };
    }
    true
}

/// What [`add`] is told.
#[repr(C)]
struct All {
    scales: [f32; 2],
    /// Of a, of b, of y.
    zero_points: [i32; 3],
    /// Least and greatest output.
    bounds: [i32; 2],
    /// Elements, at least one.
    count: usize,
}

/// Adds all elements.
///
/// # Safety
/// The operands have so many.
#[unsafe(naked)]
unsafe extern "C" fn add(a: *const i8, b: *const i8, y: *mut i8, all: &All) {
    naked_asm!(
        core_instructions!(),
        "push {{r4-r11, lr}}",
        "ldm r3, {{r4-r11}}",
        "vdup.32 q2, r9",
        "vdup.32 q3, r10",
        "dlstp.32 lr, r11",
        "2:",
        "vldrb.s32 q0, [r0], #4",
        "vldrb.s32 q1, [r1], #4",
        "vsub.i32 q0, q0, r6",
        "vsub.i32 q1, q1, r7",
        "vcvt.f32.s32 q0, q0",
        "vcvt.f32.s32 q1, q1",
        "vmul.f32 q0, q0, r4",
        "vmul.f32 q1, q1, r5",
        "vadd.f32 q0, q0, q1",
        "vcvtn.s32.f32 q0, q0",
        "vqadd.s32 q0, q0, r8",
        "vmax.s32 q0, q0, q2",
        "vmin.s32 q0, q0, q3",
        "vstrb.32 q0, [r2], #4",
        "letp lr, 2b",
        "pop {{r4-r11, pc}}",
    )
}
