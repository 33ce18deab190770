//! NEON: 16 channels of a pixel at a time, summed in int16 as long as that is exact.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::aarch64::*;

use super::Job;
use crate::pixels::Pixels;
use crate::round_neon::{four, narrow};
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Pools; false where the CPU has not the instruction set or there are fewer than 16 channels.
pub(super) fn run(isa: Isa, job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let (params, g) = (job.params, &job.params.geometry);
    if isa.level() < Level::Neon || job.channels < 16 {
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
#[target_feature(enable = "neon")]
fn window(job: &Job<'_>, w: &Run, multiplier: f32, y: &mut [i8]) {
    let (params, x, channels) = (job.params, job.x, job.channels);
    if channels < 16 || !w.fits(channels, x.len(), y.len()) {
        return;
    }
    let taps = w.taps[0].wrapping_mul(w.taps[1]) as i32;
    let zero_points = vdupq_n_s32(taps.wrapping_mul(params.input_zero_point));
    let (output, multiplier) = (params.output(), vdupq_n_f32(multiplier));
    let mut c = 0;
    while c < channels {
        // The last 16 channels may have been computed in part before: they come out the same.
        let first = c.min(channels - 16);
        // SAFETY: the window fits, as was just checked, and so do 16 channels from the first.
        let sums = unsafe { sums(w, x, first) };
        let out = narrow(sums.map(|sum| four(&output, vsubq_s32(sum, zero_points), multiplier)));
        // SAFETY: as above.
        unsafe { vst1q_s8(y.as_mut_ptr().add(w.y + first), out) };
        c += 16;
    }
}

/// `Σ x` over the taps of 16 channels from `c` on.
///
/// # Safety
/// The window fits into the slice, with these channels.
#[target_feature(enable = "neon")]
unsafe fn sums(w: &Run, x: &[i8], c: usize) -> [int32x4_t; 4] {
    let (mut wide, mut narrow, mut room) = ([vdupq_n_s32(0); 4], [vdupq_n_s16(0); 2], 255);
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            // SAFETY: the channels of every tap are inside, as the caller has seen to.
            let bytes = unsafe { vld1q_s8(x.as_ptr().add(place)) };
            narrow = [vaddw_s8(narrow[0], vget_low_s8(bytes)), vaddw_high_s8(narrow[1], bytes)];
            room -= 1;
            // 255 bytes of -128 still fit into an int16.
            if room == 0 {
                (wide, narrow, room) = (widen(wide, narrow), [vdupq_n_s16(0); 2], 255);
            }
        }
    }
    widen(wide, narrow)
}

#[inline]
#[target_feature(enable = "neon")]
fn widen([a, b, c, d]: [int32x4_t; 4], [low, high]: [int16x8_t; 2]) -> [int32x4_t; 4] {
    let (a, b) = (vaddw_s16(a, vget_low_s16(low)), vaddw_high_s16(b, low));
    [a, b, vaddw_s16(c, vget_low_s16(high)), vaddw_high_s16(d, high)]
}
