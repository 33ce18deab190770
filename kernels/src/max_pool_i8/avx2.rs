//! AVX2: up to 128 channels of a pixel at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{Params, sse41};
use crate::pixels::Pixels;
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Pools; false where the CPU has not the instruction set or there are fewer than 16 channels.
pub(super) fn run(isa: Isa, params: &Params, x: &[i8], pixels: &Pixels, y: &mut [i8]) -> bool {
    let g = &params.geometry;
    if isa.level() < Level::Avx2 || g.channels < 16 {
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
#[target_feature(enable = "avx2")]
fn window(w: &Run, channels: usize, x: &[i8], y: &mut [i8]) {
    if channels < 16 || !w.fits(channels, x.len(), y.len()) {
        return;
    }
    let mut c = 0;
    while c + 128 <= channels {
        // SAFETY: the window fits, as was just checked, and so do its channels c to c + 127.
        unsafe { part::<4>(w, x, y, c) };
        c += 128;
    }
    if c + 64 <= channels {
        // SAFETY: as above, for 64 channels.
        unsafe { part::<2>(w, x, y, c) };
        c += 64;
    }
    if c + 32 <= channels {
        // SAFETY: as above, for 32 channels.
        unsafe { part::<1>(w, x, y, c) };
        c += 32;
    }
    while c < channels {
        // The last 16 channels may have been computed in part before: they come out the same.
        // SAFETY: as above, for 16 channels.
        unsafe { sse41::part(w, x, y, c.min(channels - 16)) };
        c += 16;
    }
}

/// `N` vectors of 32 channels from `c` on.
///
/// # Safety
/// The window fits into the slices, with these channels.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn part<const N: usize>(w: &Run, x: &[i8], y: &mut [i8], c: usize) {
    let mut best = [_mm256_set1_epi8(i8::MIN); N];
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            for (k, best) in best.iter_mut().enumerate() {
                // SAFETY: the channels of every tap are inside, as the caller has seen to.
                *best = _mm256_max_epi8(*best, unsafe { _mm256_loadu_si256(x.as_ptr().add(place + 32 * k).cast()) });
            }
        }
    }
    for (k, best) in best.into_iter().enumerate() {
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(y.as_mut_ptr().add(w.y + c + 32 * k).cast(), best) };
    }
}
