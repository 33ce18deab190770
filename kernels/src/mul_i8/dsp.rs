//! Cortex-M with floating point: two elements at a time.
#![allow(unsafe_code)] // A function in assembly.

use super::Params;
use crate::pairs_dsp::{self, Function, Pairs, pairs_loop};
use crate::{Isa, Level};

/// Multiplies; false where the core is another one or the scale is no number.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    if isa.level() < Level::Dsp || !params.scale.is_finite() {
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
            scales: [self.scale; 2],
            zero_points: [self.a_zero_point, self.b_zero_point, self.output.zero_point],
            bounds: [self.output.low, self.output.high],
            count: count >> 1,
        };
        // SAFETY: the operands have `count` elements, of which every one is read before it is written.
        unsafe { multiply(a, b, y, &pairs) };
    }
}

/// Multiplies pairs of elements.
///
/// # Safety
/// The operands have so many.
#[unsafe(naked)]
unsafe extern "C" fn multiply(a: *const i8, b: *const i8, y: *mut i8, pairs: &Pairs) {
    pairs_loop!(
        "mul r8, r8, r10",
        "mul r9, r9, r11",
        "vmov s0, s1, r8, r9",
        "vcvt.f32.s32 s0, s0",
        "vcvt.f32.s32 s1, s1",
        "vmul.f32 s0, s0, s4",
        "vmul.f32 s1, s1, s4"
    )
}
