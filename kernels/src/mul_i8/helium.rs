//! Helium: four elements at a time.
#![allow(unsafe_code)] // A function in assembly.

use super::Params;
use crate::pairs_dsp::{self, Function};
use crate::pairs_helium::{Elements, elements_loop};
use crate::{Isa, Level};

/// Multiplies; false where the core is another one or the scale is no number.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) -> bool {
    if isa.level() < Level::Helium || !params.scale.is_finite() {
        return false;
    }
    pairs_dsp::all(&Helium(params), &params.broadcast, a, b, y);
    true
}

/// The product, by Helium.
struct Helium<'a>(&'a Params);

impl Function for Helium<'_> {
    const STEP: usize = 1;

    fn one(&self, a: i8, b: i8) -> i8 {
        self.0.compute(a, b)
    }

    unsafe fn many(&self, a: *const i8, b: *const i8, y: *mut i8, count: usize) {
        let Params { scale, a_zero_point, b_zero_point, output, .. } = *self.0;
        let elements = Elements {
            scales: [scale; 2],
            zero_points: [a_zero_point, b_zero_point, output.zero_point],
            bounds: [output.low, output.high],
            count,
        };
        // SAFETY: the operands have `count` elements, of which every one is read before it is written.
        unsafe { multiply(a, b, y, &elements) };
    }
}

/// Multiplies all elements.
///
/// # Safety
/// The operands have so many.
#[unsafe(naked)]
unsafe extern "C" fn multiply(a: *const i8, b: *const i8, y: *mut i8, elements: &Elements) {
    elements_loop!("vmul.i32 q0, q0, q1", "vcvt.f32.s32 q0, q0", "vmul.f32 q0, q0, r4")
}
