//! SSE4.1: 16 channels of a pixel at a time, summed in int16 as long as that is exact.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::Job;
use crate::pixels::Pixels;
use crate::round_sse41::{four, narrow};
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Pools; false where the CPU has not the instruction set or there are fewer than 16 channels.
pub(super) fn run(isa: Isa, job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let (params, g) = (job.params, &job.params.geometry);
    if isa.level() < Level::Sse41 || job.channels < 16 {
        return false;
    }
    runs::part(pixels, &g.rows(), &g.columns(), g.channels, 1, |w| {
        let multiplier = params.multiplier(job.multipliers, w.place[0], w.place[1]);
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { window(job, w, multiplier, y) }
    });
    true
}

/// One pixel, all channels, of which there are at least 16.
#[target_feature(enable = "sse4.1")]
fn window(job: &Job<'_>, w: &Run, multiplier: f32, y: &mut [i8]) {
    let (params, x, channels) = (job.params, job.x, job.channels);
    if channels < 16 || !w.fits(channels, x.len(), y.len()) {
        return;
    }
    let taps = w.taps[0].wrapping_mul(w.taps[1]) as i32;
    let zero_points = _mm_set1_epi32(taps.wrapping_mul(params.input_zero_point));
    let (output, multiplier) = (params.output(), _mm_set1_ps(multiplier));
    let mut c = 0;
    while c < channels {
        // The last 16 channels may have been computed in part before: they come out the same.
        let first = c.min(channels - 16);
        // SAFETY: the window fits, as was just checked, and so do 16 channels from the first.
        let sums = unsafe { sums(w, x, first) };
        let out = narrow(&output, sums.map(|sum| four(&output, _mm_sub_epi32(sum, zero_points), multiplier)));
        // SAFETY: as above.
        unsafe { _mm_storeu_si128(y.as_mut_ptr().add(w.y + first).cast(), out) };
        c += 16;
    }
}

/// `Σ x` over the taps of 16 channels from `c` on.
///
/// # Safety
/// The window fits into the slice, with these channels.
#[inline]
#[target_feature(enable = "sse4.1")]
unsafe fn sums(w: &Run, x: &[i8], c: usize) -> [__m128i; 4] {
    let zero = _mm_setzero_si128();
    let (mut wide, mut narrow, mut room) = ([zero; 4], [zero; 2], 255);
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            // SAFETY: the channels of every tap are inside, as the caller has seen to.
            let bytes = unsafe { _mm_loadu_si128(x.as_ptr().add(place).cast()) };
            let [low, high] = narrow;
            let upper = _mm_cvtepi8_epi16(_mm_unpackhi_epi64(bytes, bytes));
            narrow = [_mm_add_epi16(low, _mm_cvtepi8_epi16(bytes)), _mm_add_epi16(high, upper)];
            room -= 1;
            // 255 bytes of -128 still fit into an int16.
            if room == 0 {
                (wide, narrow, room) = (widen(wide, narrow), [zero; 2], 255);
            }
        }
    }
    widen(wide, narrow)
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn widen([a, b, c, d]: [__m128i; 4], [low, high]: [__m128i; 2]) -> [__m128i; 4] {
    let add = |sum: __m128i, v: __m128i| _mm_add_epi32(sum, _mm_cvtepi16_epi32(v));
    let upper = |v: __m128i| _mm_unpackhi_epi64(v, v);
    [add(a, low), add(b, upper(low)), add(c, high), add(d, upper(high))]
}
