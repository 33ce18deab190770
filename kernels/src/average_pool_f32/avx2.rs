//! AVX2: 32 channels of a pixel at a time, 4 sums in registers, added in the order of the portable variant.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;
use core::ops::Range;

use super::Params;
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Pools; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, x: &[f32], pixels: &Range<u32>, y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx2 {
        return false;
    }
    let g = &params.geometry;
    let channels = g.channels as usize;
    runs::part(pixels, &g.rows(), &g.columns(), g.channels, 1, |w| {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { window(w, params, channels, x, y) }
    });
    true
}

/// One pixel, all channels.
#[target_feature(enable = "avx2")]
fn window(w: &Run, p: &Params, channels: usize, x: &[f32], y: &mut [f32]) {
    if !w.fits(channels, x.len(), y.len()) {
        return;
    }
    let count = _mm256_set1_ps(p.geometry.counted(w.place[0], w.place[1], p.count_include_pad).max(1) as f32);
    let mut c = 0;
    while c + 32 <= channels {
        // SAFETY: the window fits, as was just checked, and so do its channels c to c + 31.
        unsafe { part::<4, true>(w, count, x, y, c, _mm256_set1_epi32(-1)) };
        c += 32;
    }
    while c < channels {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((channels - c).min(8) as i32), lanes);
        // SAFETY: as above, for the channels from c on that are in the mask.
        unsafe { part::<1, false>(w, count, x, y, c, mask) };
        c += 8;
    }
}

/// `V` vectors of channels from `c` on; unless `FULL`, those of the mask.
///
/// # Safety
/// The window fits into the slices, with all channels that are asked for.
#[target_feature(enable = "avx2")]
unsafe fn part<const V: usize, const FULL: bool>(
    w: &Run,
    count: __m256,
    x: &[f32],
    y: &mut [f32],
    c: usize,
    mask: __m256i,
) {
    let mut sums = [_mm256_setzero_ps(); V];
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            for (v, sum) in sums.iter_mut().enumerate() {
                // SAFETY: channels in the mask are inside, as the caller has seen to.
                let from = unsafe { x.as_ptr().add(place + v * 8) };
                // SAFETY: as above.
                let x = unsafe { if FULL { _mm256_loadu_ps(from) } else { _mm256_maskload_ps(from, mask) } };
                *sum = _mm256_add_ps(*sum, x);
            }
        }
    }
    for (v, &sum) in sums.iter().enumerate() {
        let mean = _mm256_div_ps(sum, count);
        // SAFETY: as above.
        let to = unsafe { y.as_mut_ptr().add(w.y + c + v * 8) };
        // SAFETY: as above.
        unsafe { if FULL { _mm256_storeu_ps(to, mean) } else { _mm256_maskstore_ps(to, mask, mean) } };
    }
}
