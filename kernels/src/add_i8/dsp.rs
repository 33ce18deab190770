//! Cortex-M with floating point: two elements at a time.
#![allow(unsafe_code)] // A function in assembly.

use super::Params;
use crate::pairs_dsp::{self, Function, Pairs, pairs_loop};
use crate::{Isa, Level};

/// Adds; false where the core is another one or a scale is no small number.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    // A sum of two large numbers may be infinite, but none that is no number: their signs would have to differ.
    let small = params.a_scale.abs() < 1e30 && params.b_scale.abs() < 1e30;
    if isa.level() < Level::Dsp || !small {
        return false;
    }
    pairs_dsp::all(params, &params.broadcast, a, b, y);
    true
}

impl Function for Params {
    const STEP: usize = 2;

    fn one(&self, a: i8, b: i8) -> i8 {
        self.compute(a, b)
    }

    unsafe fn many(&self, a: *const i8, b: *const i8, y: *mut i8, count: usize) {
        let pairs = Pairs {
            scales: [self.a_scale, self.b_scale],
            zero_points: [self.a_zero_point, self.b_zero_point, self.output.zero_point],
            bounds: [self.output.low, self.output.high],
            count: count >> 1,
        };
        // SAFETY: the operands have `count` elements, of which every one is read before it is written.
        unsafe { add(a, b, y, &pairs) };
    }
}

/// Adds pairs of elements.
///
/// # Safety
/// The operands have so many.
#[unsafe(naked)]
unsafe extern "C" fn add(a: *const i8, b: *const i8, y: *mut i8, pairs: &Pairs) {
    pairs_loop!(
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
        "vadd.f32 s1, s1, s3"
    )
}
