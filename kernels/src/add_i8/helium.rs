//! Helium: four elements at a time.
#![allow(unsafe_code)] // A function in assembly.

use super::Params;
use crate::pairs_dsp::{self, Function};
use crate::pairs_helium::{Elements, elements_loop};
use crate::{Isa, Level};

/// Adds; false where the core is another one or a scale is no small number.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    // A sum of two large numbers may be infinite, but none that is no number: their signs would have to differ.
    let small = params.a_scale.abs() < 1e30 && params.b_scale.abs() < 1e30;
    if isa.level() < Level::Helium || !small {
        return false;
    }
    pairs_dsp::all(&Helium(params), &params.broadcast, a, b, y);
    true
}

/// The sum, by Helium.
struct Helium<'a>(&'a Params);

impl Function for Helium<'_> {
    const STEP: usize = 1;

    fn one(&self, a: i8, b: i8) -> i8 {
        self.0.compute(a, b)
    }

    unsafe fn many(&self, a: *const i8, b: *const i8, y: *mut i8, count: usize) {
        let Params { a_scale, b_scale, a_zero_point, b_zero_point, output, .. } = *self.0;
        let elements = Elements {
            scales: [a_scale, b_scale],
            zero_points: [a_zero_point, b_zero_point, output.zero_point],
            bounds: [output.low, output.high],
            count,
        };
        // SAFETY: the operands have `count` elements, of which every one is read before it is written.
        unsafe { add(a, b, y, &elements) };
    }
}

/// Adds all elements.
///
/// # Safety
/// The operands have so many.
#[unsafe(naked)]
unsafe extern "C" fn add(a: *const i8, b: *const i8, y: *mut i8, elements: &Elements) {
    elements_loop!(
        "vcvt.f32.s32 q0, q0",
        "vcvt.f32.s32 q1, q1",
        "vmul.f32 q0, q0, r4",
        "vmul.f32 q1, q1, r5",
        "vadd.f32 q0, q0, q1"
    )
}
