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
        simd.enter(self);
    }
}

impl Body for Pool<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { params, x, pixels, y } = self;
        let g = &params.geometry;
        runs::part(
            &pixels,
            &g.rows(),
            &g.columns(),
            g.channels,
            1,
            #[inline(always)]
            |w| window(simd, w, params, x, y),
        );
    }
}

/// One pixel, all channels.
#[inline(always)]
fn window<S: Simd>(simd: S, w: &Run, p: &Params, x: &[f32], y: &mut [f32]) {
    let channels = p.geometry.channels as usize;
    if !w.fits(channels, x.len(), y.len()) {
        return;
    }
    let taps = simd.splat(p.geometry.counted(w.place[0], w.place[1], p.count_include_pad).max(1) as f32);
    let mut c = 0;
    while c + 4 * S::LANES <= channels {
        // SAFETY: the window fits, as was just checked, and so do its channels from c on.
        unsafe { part::<S, 4>(simd, w, taps, x, y, [c, S::LANES]) };
        c += 4 * S::LANES;
    }
    while c < channels {
        let count = (channels - c).min(S::LANES);
        // SAFETY: as above.
        unsafe { part::<S, 1>(simd, w, taps, x, y, [c, count]) };
        c += count;
    }
}

/// `V` vectors of channels from `c` on, each of the first `count` lanes.
///
/// # Safety
/// The window fits into the slices, with all channels that are asked for.
#[inline(always)]
unsafe fn part<S: Simd, const V: usize>(
    simd: S,
    w: &Run,
    taps: S::F32,
    x: &[f32],
    y: &mut [f32],
    [c, count]: [usize; 2],
) {
    let full = count == S::LANES;
    let mut sums = [simd.splat(0.0); V];
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            for (v, sum) in sums.iter_mut().enumerate() {
                let from = x.as_ptr().wrapping_add(place + v * S::LANES);
                // SAFETY: the channels are inside, as the caller has seen to.
                let x = unsafe { if full { simd.load(from) } else { simd.load_first(from, count) } };
                *sum = simd.add(*sum, x);
            }
        }
    }
    for (v, &sum) in sums.iter().enumerate() {
        let (to, mean) = (y.as_mut_ptr().wrapping_add(w.y + c + v * S::LANES), simd.div(sum, taps));
        // SAFETY: as above.
        unsafe { if full { simd.store(to, mean) } else { simd.store_first(to, count, mean) } };
    }
}
