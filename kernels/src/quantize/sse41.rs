//! SSE4.1: 16 values at a time.
#![allow(unsafe_code)] // Loads of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{Params, portable};
use crate::round::Output;
use crate::round_sse41::{load_floats, narrow, rounded, store};
use crate::{Isa, Level};

/// Quantizes; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, x: &[f32], y: &mut [i8]) -> bool {
    if isa.level() < Level::Sse41 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, x, y) };
    true
}

#[target_feature(enable = "sse4.1")]
fn all(params: &Params, x: &[f32], y: &mut [i8]) {
    let ((blocks, rest), (outputs, rest_y)) = (x.as_chunks::<16>(), y.as_chunks_mut::<16>());
    let output = Output { zero_point: params.zero_point, low: -128, high: 127 };
    for (x, y) in blocks.iter().zip(outputs) {
        let steps = load_floats(x).map(|x| {
            let v = _mm_div_ps(x, _mm_set1_ps(params.scale));
            rounded(&output, _mm_and_ps(v, _mm_cmpord_ps(v, v)))
        });
        *y = store(narrow(&output, steps));
    }
    portable::run(params, rest, rest_y);
}
