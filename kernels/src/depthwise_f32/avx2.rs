//! AVX2: runs of 4 pixels times 16 channels share their weights; 8 sums in registers.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::Params;
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Convolves; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, x: &[f32], weights: &[f32], bias: &[f32], y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx2 {
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
#[target_feature(enable = "avx2,fma")]
fn window<const P: usize>(p: &Params, w: &Run, x: &[f32], weights: &[f32], bias: &[f32], y: &mut [f32]) {
    let channels = bias.len();
    let taps = (p.geometry.kernel_height as usize).wrapping_mul(p.geometry.kernel_width as usize);
    if w.pixels != P || !w.fits(channels, x.len(), y.len()) || weights.len() != taps.wrapping_mul(channels) {
        return;
    }
    let mut c = 0;
    while c + 16 <= channels {
        // SAFETY: the run fits, as was just checked, and so do its channels c to c + 15; the first tap and those after it
        // are taps of the kernel.
        unsafe { part::<P, 2, true>(p, w, [x, weights, bias], y, c, _mm256_set1_epi32(-1)) };
        c += 16;
    }
    while c < channels {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((channels - c).min(8) as i32), lanes);
        // SAFETY: as above, for the channels from c on that are in the mask.
        unsafe { part::<P, 1, false>(p, w, [x, weights, bias], y, c, mask) };
        c += 8;
    }
}

/// Loads a vector, or, unless `FULL`, the lanes of the mask.
///
/// # Safety
/// The lanes that are loaded lie inside an object.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn load<const FULL: bool>(from: *const f32, mask: __m256i) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe { if FULL { _mm256_loadu_ps(from) } else { _mm256_maskload_ps(from, mask) } }
}

/// `P` pixels, `V` vectors of channels from `c` on; unless `FULL`, those of the mask.
///
/// # Safety
/// The window fits into the slices, with all channels that are asked for.
#[target_feature(enable = "avx2,fma")]
#[inline(never)] // On its own, every sum gets a register.
unsafe fn part<const P: usize, const V: usize, const FULL: bool>(
    p: &Params,
    w: &Run,
    [x, weights, bias]: [&[f32]; 3],
    y: &mut [f32],
    c: usize,
    mask: __m256i,
) {
    let channels = bias.len();
    let mut sums = [[_mm256_setzero_ps(); V]; P];
    for sums in &mut sums {
        for (v, sum) in sums.iter_mut().enumerate() {
            // SAFETY: channels in the mask are inside, as the caller has seen to.
            *sum = unsafe { load::<FULL>(bias.as_ptr().add(c + v * 8), mask) };
        }
    }
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let tap = (w.first[0] + row) * p.geometry.kernel_width as usize + w.first[1] + column;
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            let mut factors = [_mm256_setzero_ps(); V];
            for (v, factor) in factors.iter_mut().enumerate() {
                // SAFETY: as above.
                *factor = unsafe { load::<FULL>(weights.as_ptr().add(tap * channels + c + v * 8), mask) };
            }
            for (pixel, sums) in sums.iter_mut().enumerate() {
                for (v, (sum, &factor)) in sums.iter_mut().zip(&factors).enumerate() {
                    // SAFETY: as above.
                    let x = unsafe { load::<FULL>(x.as_ptr().add(place + pixel * w.pixel_step + v * 8), mask) };
                    *sum = _mm256_fmadd_ps(x, factor, *sum);
                }
            }
        }
    }
    let (low, high) = (_mm256_set1_ps(p.low), _mm256_set1_ps(p.high));
    for (pixel, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let sum = _mm256_min_ps(high, _mm256_max_ps(low, sum));
            // SAFETY: as above.
            let to = unsafe { y.as_mut_ptr().add(w.y + pixel * channels + c + v * 8) };
            if FULL {
                // SAFETY: as above.
                unsafe { _mm256_storeu_ps(to, sum) };
            } else {
                // SAFETY: as above.
                unsafe { _mm256_maskstore_ps(to, mask, sum) };
            }
        }
    }
}
