//! SSE4.1: 16 channels of a pixel at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::Params;
use crate::pixels::Pixels;
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Pools; false where the CPU has not the instruction set or there are fewer than 16 channels.
pub(super) fn run(isa: Isa, params: &Params, x: &[i8], pixels: &Pixels, y: &mut [i8]) -> bool {
    let g = &params.geometry;
    if isa.level() < Level::Sse41 || g.channels < 16 {
        return false;
    }
    let channels = g.channels as usize;
    runs::part(pixels, &g.rows(), &g.columns(), g.channels, 1, |w| {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { window(w, channels, x, y) }
    });
    true
}

/// One pixel, all channels, of which there are at least 16.
#[target_feature(enable = "sse4.1")]
fn window(w: &Run, channels: usize, x: &[i8], y: &mut [i8]) {
    if channels < 16 || !w.fits(channels, x.len(), y.len()) {
        return;
    }
    let mut c = 0;
    while c < channels {
        // The last 16 channels may have been computed in part before: they come out the same.
        // SAFETY: the window fits, as was just checked, and so do these channels.
        unsafe { part(w, x, y, c.min(channels - 16)) };
        c += 16;
    }
}

/// 16 channels from `c` on.
///
/// # Safety
/// The window fits into the slices, with these channels.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(super) unsafe fn part(w: &Run, x: &[i8], y: &mut [i8], c: usize) {
    let mut best = _mm_set1_epi8(i8::MIN);
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            // SAFETY: the channels of every tap are inside, as the caller has seen to.
            best = _mm_max_epi8(best, unsafe { _mm_loadu_si128(x.as_ptr().add(place).cast()) });
        }
    }
    // SAFETY: as above.
    unsafe { _mm_storeu_si128(y.as_mut_ptr().add(w.y + c).cast(), best) };
}
