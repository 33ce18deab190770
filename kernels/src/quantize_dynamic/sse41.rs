//! SSE4.1: the range of 16 values at a time.
#![allow(unsafe_code)] // Stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::portable;
use crate::round_sse41::load_floats;
use crate::{Isa, Level};

/// The least and the greatest of `x` and 0; `None` where the CPU has not the instruction set.
pub(super) fn range(isa: Isa, x: &[f32]) -> Option<(f32, f32)> {
    if isa.level() < Level::Sse41 {
        return None;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    Some(unsafe { all(x) })
}

#[target_feature(enable = "sse4.1")]
fn all(x: &[f32]) -> (f32, f32) {
    let (blocks, rest) = x.as_chunks::<16>();
    let (mut low, mut high) = ([_mm_setzero_ps(); 4], [_mm_setzero_ps(); 4]);
    for block in blocks {
        for ((x, low), high) in load_floats(block).into_iter().zip(&mut low).zip(&mut high) {
            // The second operand is the result where one is a NaN.
            (*low, *high) = (_mm_min_ps(x, *low), _mm_max_ps(x, *high));
        }
    }
    let (mut least, mut greatest) = portable::range(rest);
    for (low, high) in low.into_iter().zip(high) {
        let (mut lows, mut highs) = ([0.0; 4], [0.0; 4]);
        // SAFETY: the arrays hold 4 elements.
        unsafe {
            _mm_storeu_ps(lows.as_mut_ptr(), low);
            _mm_storeu_ps(highs.as_mut_ptr(), high);
        }
        least = least.min(portable::range(&lows).0);
        greatest = greatest.max(portable::range(&highs).1);
    }
    (least, greatest)
}
