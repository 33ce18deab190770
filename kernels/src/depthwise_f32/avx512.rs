//! AVX-512: runs of 4 pixels times 32 channels share their weights; 8 sums in registers.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::Params;
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Convolves; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, x: &[f32], weights: &[f32], bias: &[f32], y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx512Vnni {
        return false;
    }
    let g = &params.geometry;
    runs::each(g.batch, &g.rows(), &g.columns(), g.in_channels, 4, |w| match w.pixels {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        4 => unsafe { window::<4>(params, w, x, weights, bias, y) },
        // SAFETY: as above.
        _ => unsafe { window::<1>(params, w, x, weights, bias, y) },
    });
    true
}

/// `P` pixels, all channels.
#[target_feature(enable = "avx512f")]
fn window<const P: usize>(p: &Params, w: &Run, x: &[f32], weights: &[f32], bias: &[f32], y: &mut [f32]) {
    let channels = bias.len();
    let taps = (p.geometry.kernel_height as usize).wrapping_mul(p.geometry.kernel_width as usize);
    if w.pixels != P || !w.fits(channels, x.len(), y.len()) || weights.len() != taps.wrapping_mul(channels) {
        return;
    }
    let mut c = 0;
    while c + 32 <= channels {
        // SAFETY: the run fits, as was just checked, and so do its channels c to c + 31; the first tap and those after it
        // are taps of the kernel.
        unsafe { part::<P, 2>(p, w, [x, weights, bias], y, c, u16::MAX) };
        c += 32;
    }
    while c < channels {
        let mask = if channels - c < 16 { (1 << (channels - c)) - 1 } else { u16::MAX };
        // SAFETY: as above, for the channels from c on that are in the mask.
        unsafe { part::<P, 1>(p, w, [x, weights, bias], y, c, mask) };
        c += 16;
    }
}

/// `P` pixels, `V` vectors of channels from `c` on; with one vector those of the mask.
///
/// # Safety
/// The window fits into the slices, with all channels that are asked for.
#[target_feature(enable = "avx512f")]
#[inline(never)] // On its own, every sum gets a register.
unsafe fn part<const P: usize, const V: usize>(
    p: &Params,
    w: &Run,
    [x, weights, bias]: [&[f32]; 3],
    y: &mut [f32],
    c: usize,
    mask: __mmask16,
) {
    let channels = bias.len();
    let mut sums = [[_mm512_setzero_ps(); V]; P];
    for sums in &mut sums {
        for (v, sum) in sums.iter_mut().enumerate() {
            // SAFETY: channels in the mask are inside, as the caller has seen to.
            *sum = unsafe { _mm512_maskz_loadu_ps(mask, bias.as_ptr().add(c + v * 16)) };
        }
    }
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let tap = (w.first[0] + row) * p.geometry.kernel_width as usize + w.first[1] + column;
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            let mut factors = [_mm512_setzero_ps(); V];
            for (v, factor) in factors.iter_mut().enumerate() {
                // SAFETY: as above.
                *factor = unsafe { _mm512_maskz_loadu_ps(mask, weights.as_ptr().add(tap * channels + c + v * 16)) };
            }
            for (pixel, sums) in sums.iter_mut().enumerate() {
                for (v, (sum, &factor)) in sums.iter_mut().zip(&factors).enumerate() {
                    // SAFETY: as above.
                    let x =
                        unsafe { _mm512_maskz_loadu_ps(mask, x.as_ptr().add(place + pixel * w.pixel_step + v * 16)) };
                    *sum = _mm512_fmadd_ps(x, factor, *sum);
                }
            }
        }
    }
    let (low, high) = (_mm512_set1_ps(p.low), _mm512_set1_ps(p.high));
    for (pixel, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let sum = _mm512_min_ps(high, _mm512_max_ps(low, sum));
            // SAFETY: as above.
            unsafe { _mm512_mask_storeu_ps(y.as_mut_ptr().add(w.y + pixel * channels + c + v * 16), mask, sum) };
        }
    }
}
