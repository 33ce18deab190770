//! The vector variant: four vectors of channels of a pixel at a time, added in the order of the portable variant.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::ops::Range;

use super::Params;
use crate::runs::{self, Run};
use crate::simd::{Body, Kernel, Simd};

/// Output pixels and the part of y that holds them.
pub(super) struct Pool<'a, 'y> {
    pub(super) params: &'a Params,
    pub(super) x: &'a [f32],
    pub(super) pixels: Range<u32>,
    pub(super) y: &'y mut [f32],
}

impl Kernel for Pool<'_, '_> {
    fn run<S: Simd>(self, simd: S) {
        let Self { params, x, pixels, y } = self;
        let g = &params.geometry;
        runs::part(&pixels, &g.rows(), &g.columns(), g.channels, 1, |window| {
            simd.enter(One { window, params, x, y });
        });
    }
}

/// One pixel, all channels.
struct One<'a, 'y> {
    window: &'a Run,
    params: &'a Params,
    x: &'a [f32],
    y: &'y mut [f32],
}

impl Body for One<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { window, params, x, y } = self;
        let g = &params.geometry;
        let channels = g.channels as usize;
        if !window.fits(channels, x.len(), y.len()) {
            return;
        }
        let [row, column] = window.place;
        let taps = simd.splat(g.counted(row, column, params.count_include_pad).max(1) as f32);
        let mut c = 0;
        while c + 4 * S::LANES <= channels {
            // SAFETY: the window fits, as was just checked, and so do its channels from c on.
            unsafe { part::<S, 4, true>(simd, window, taps, x, y, [c, S::LANES]) };
            c += 4 * S::LANES;
        }
        while c < channels {
            let count = (channels - c).min(S::LANES);
            // SAFETY: as above.
            unsafe { part::<S, 1, false>(simd, window, taps, x, y, [c, count]) };
            c += count;
        }
    }
}

/// `V` vectors of channels from `c` on; unless `FULL`, the first `count` lanes.
///
/// # Safety
/// The window fits into the slices, with all channels that are asked for.
#[inline(always)]
unsafe fn part<S: Simd, const V: usize, const FULL: bool>(
    simd: S,
    w: &Run,
    taps: S::F32,
    x: &[f32],
    y: &mut [f32],
    [c, count]: [usize; 2],
) {
    let mut sums = [simd.splat(0.0); V];
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            for (v, sum) in sums.iter_mut().enumerate() {
                let from = x.as_ptr().wrapping_add(place + v * S::LANES);
                // SAFETY: the channels are inside, as the caller has seen to.
                let x = unsafe { if FULL { simd.load(from) } else { simd.load_first(from, count) } };
                *sum = simd.add(*sum, x);
            }
        }
    }
    for (v, &sum) in sums.iter().enumerate() {
        let (to, mean) = (y.as_mut_ptr().wrapping_add(w.y + c + v * S::LANES), simd.div(sum, taps));
        // SAFETY: as above.
        unsafe { if FULL { simd.store(to, mean) } else { simd.store_first(to, count, mean) } };
    }
}
