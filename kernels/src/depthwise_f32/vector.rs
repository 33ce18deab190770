//! The vector variant: runs of pixels whose columns of taps lie inside the input, in tiles of 4 pixels times 2 vectors of
//! channels that share their weights. Where a kernel of three columns moves on by one, neighbours share their inputs too. With
//! 32 registers, rows of them go together.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::ops::Range;

use super::Params;
use super::vector_rows::rows;
use crate::runs::{self, Run};
use crate::simd::{Body, Kernel, Load, Simd};

/// What is convolved.
#[derive(Clone, Copy)]
pub(super) struct Data<'a, W> {
    pub(super) params: &'a Params,
    pub(super) x: &'a [f32],
    pub(super) weights: &'a [W],
    pub(super) bias: &'a [f32],
}

/// Output pixels and the part of y that holds them.
pub(super) struct Depthwise<'a, 'y, W> {
    pub(super) data: Data<'a, W>,
    pub(super) pixels: Range<u32>,
    pub(super) y: &'y mut [f32],
}

impl<W: Load> Kernel for Depthwise<'_, '_, W> {
    fn run<S: Simd>(self, simd: S) {
        if S::REGISTERS >= 32 {
            return rows(simd, self);
        }
        let Self { data, pixels, y } = self;
        let g = &data.params.geometry;
        runs::part(&pixels, &g.rows(), &g.columns(), g.in_channels, u32::MAX, |run| {
            simd.enter(One { data, run, y });
        });
    }
}

/// One run.
struct One<'a, 'y, W> {
    data: Data<'a, W>,
    run: &'a Run,
    y: &'y mut [f32],
}

impl<W: Load> Body for One<'_, '_, W> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { data, run, y } = self;
        let g = &data.params.geometry;
        let channels = g.in_channels as usize;
        let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
        let known = data.bias.len() == channels && data.weights.len() == taps.wrapping_mul(channels);
        if known && run.fits(channels, data.x.len(), y.len()) {
            // SAFETY: the run fits, and weights and bias hold all taps and channels.
            unsafe { all_channels(simd, data, run, y) };
        }
    }
}

/// The pixels of a run, all channels.
///
/// # Safety
/// The run lies inside x and y, its taps are those of the kernel, and the operands have the lengths of the parameters.
#[inline(always)]
unsafe fn all_channels<S: Simd, W: Load>(simd: S, data: Data<'_, W>, run: &Run, y: &mut [f32]) {
    let channels = data.bias.len();
    let mut channel = 0;
    while channel + 2 * S::LANES <= channels {
        // SAFETY: the caller's promise; these channels exist.
        unsafe { all_pixels::<S, W, 2>(simd, data, run, y, channel, S::LANES) };
        channel += 2 * S::LANES;
    }
    while channel < channels {
        let count = (channels - channel).min(S::LANES);
        // SAFETY: as above.
        unsafe { all_pixels::<S, W, 1>(simd, data, run, y, channel, count) };
        channel += count;
    }
}

/// The pixels of a run, `V` vectors of channels, each of the first `count` lanes.
///
/// # Safety
/// As for [`all_channels`]; the channels exist.
#[inline(always)]
unsafe fn all_pixels<S: Simd, W: Load, const V: usize>(
    simd: S,
    data: Data<'_, W>,
    run: &Run,
    y: &mut [f32],
    channel: usize,
    count: usize,
) {
    let overlapping = run.taps[1] == 3 && run.steps[1] == run.pixel_step;
    let mut pixel = 0;
    while pixel < run.pixels {
        let at = [channel, count, pixel];
        // SAFETY: the caller's promise; the run has these pixels, and, where they overlap, three columns of taps and steps
        // of one column.
        pixel += unsafe {
            match (run.pixels - pixel, overlapping) {
                (4.., true) => tile::<S, W, 4, V, 3>(simd, data, run, y, at),
                (4.., false) => tile::<S, W, 4, V, 1>(simd, data, run, y, at),
                (2 | 3, true) => tile::<S, W, 2, V, 3>(simd, data, run, y, at),
                (2 | 3, false) => tile::<S, W, 2, V, 1>(simd, data, run, y, at),
                _ => tile::<S, W, 1, V, 1>(simd, data, run, y, at),
            }
        };
    }
}

/// `P` pixels from `pixel` on, `V` vectors from `channel` on, each of the first `count` lanes; `T` columns of taps at a time. Returns
/// `P`.
///
/// # Safety
/// As for [`all_channels`]; pixels and channels exist. With more than one column at a time, the run's columns of taps are a
/// multiple of them, and as far apart as its pixels.
#[inline(always)]
unsafe fn tile<S: Simd, W: Load, const P: usize, const V: usize, const T: usize>(
    simd: S,
    data: Data<'_, W>,
    run: &Run,
    y: &mut [f32],
    [channel, count, pixel]: [usize; 3],
) -> usize {
    let (channels, full) = (data.bias.len(), count == S::LANES);
    let load = |from: *const f32| {
        // SAFETY: the caller's promise; as many lanes are loaded as there are channels.
        unsafe { if full { simd.load(from) } else { simd.load_first(from, count) } }
    };
    let mut sums = [[simd.splat(0.0); V]; P];
    for sums in &mut sums {
        for (v, sum) in sums.iter_mut().enumerate() {
            *sum = load(data.bias.as_ptr().wrapping_add(channel + v * S::LANES));
        }
    }
    let x = data.x.as_ptr().wrapping_add(run.x + pixel * run.pixel_step + channel);
    for row in 0..run.taps[0] {
        let mut column = 0;
        while column < run.taps[1] {
            let tap = (run.first[0] + row) * data.params.geometry.kernel_width as usize + run.first[1] + column;
            let weights = data.weights.as_ptr().wrapping_add(tap * channels + channel);
            let x = x.wrapping_add(row * run.steps[0] + column * run.steps[1]);
            let mut factors = [[simd.splat(0.0); V]; T];
            for (t, factors) in factors.iter_mut().enumerate() {
                for (v, factor) in factors.iter_mut().enumerate() {
                    let from = weights.wrapping_add(t * channels + v * S::LANES);
                    // SAFETY: as above.
                    *factor = unsafe { if full { W::load(simd, from) } else { W::load_first(simd, from, count) } };
                }
            }
            // What pixel `p` reads for tap `t` lies `p + t` pixels from the first.
            for place in 0..P + T - 1 {
                let mut inputs = [simd.splat(0.0); V];
                for (v, input) in inputs.iter_mut().enumerate() {
                    *input = load(x.wrapping_add(place * run.pixel_step + v * S::LANES));
                }
                for (t, factors) in factors.iter().enumerate() {
                    let Some(sums) = place.checked_sub(t).and_then(|p| sums.get_mut(p)) else { continue };
                    for ((sum, &input), &factor) in sums.iter_mut().zip(&inputs).zip(factors) {
                        *sum = simd.fma(input, factor, *sum);
                    }
                }
            }
            column += T;
        }
    }
    let (low, high) = (simd.splat(data.params.low), simd.splat(data.params.high));
    let y = y.as_mut_ptr().wrapping_add(run.y + pixel * channels + channel);
    for (p, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let (to, sum) = (y.wrapping_add(p * channels + v * S::LANES), simd.min(high, simd.max(low, sum)));
            // SAFETY: the caller's promise; as many lanes are stored as there are channels.
            unsafe { if full { simd.store(to, sum) } else { simd.store_first(to, count, sum) } };
        }
    }
    P
}
