//! The products of transformed inputs and weights, and their sums over the input channels.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::mem::MaybeUninit;

use super::Work;
use crate::simd::{Body, Simd};

/// Some tiles of a pass: `count` times as many as are computed together, from the first on, and the channels from one on.
pub(super) struct Part<'a> {
    pub(super) work: Work<'a>,
    pub(super) channel: usize,
    pub(super) first: usize,
    pub(super) count: usize,
    /// `[tiles][vectors of channels][positions]`.
    pub(super) x: &'a [MaybeUninit<f32>],
    /// `[tiles][C][positions]`.
    pub(super) sums: &'a mut [MaybeUninit<f32>],
}

/// The sums of every position, of `P` tiles at a time and `C` vectors of channels.
pub(super) struct Products<'a, const P: usize, const C: usize>(pub(super) Part<'a>);

impl<const P: usize, const C: usize> Body for Products<'_, P, C> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Part { work, channel, first, count, x, sums } = self.0;
        let position = work.inputs.wrapping_mul(16);
        let block = position.wrapping_mul(work.positions);
        let mut weights = [core::ptr::null::<f32>(); C];
        for (c, from) in weights.iter_mut().enumerate() {
            let channel = channel.wrapping_add(c.wrapping_mul(S::LANES));
            let start = (channel >> 4).wrapping_mul(block);
            let Some(whole) = work.weights.get(start..start.wrapping_add(block)) else { return };
            *from = whole.as_ptr().wrapping_add(channel & 15);
        }
        let mut x = x.as_ptr().cast::<f32>().wrapping_add(first.wrapping_mul(work.row));
        let mut to = sums.as_mut_ptr().cast::<f32>().wrapping_add(first.wrapping_mul(C).wrapping_mul(work.pitch));
        for _ in 0..work.positions {
            let (mut tile, mut place) = (x, to);
            for _ in 0..count {
                // SAFETY: every tile has so many inputs, a block of weights 16 for each of them.
                let sums = unsafe { work.add::<S, P, C>(simd, tile, weights) };
                for sums in &sums {
                    for &sum in sums {
                        // SAFETY: there is room for two vectors of every tile at every position.
                        unsafe { simd.store(place, sum) };
                        place = place.wrapping_add(work.pitch);
                    }
                }
                tile = tile.wrapping_add(work.row.wrapping_mul(P));
            }
            (x, to) = (x.wrapping_add(S::LANES), to.wrapping_add(S::LANES));
            weights = weights.map(|w| w.wrapping_add(position));
        }
    }
}

impl Work<'_> {
    /// The sums of all inputs times weights at a position, of `P` tiles and `C` vectors of channels.
    ///
    /// # Safety
    /// There are the inputs of `P` tiles from `x` on, and 16 weights for each input of a tile.
    #[inline(always)]
    unsafe fn add<S: Simd, const P: usize, const C: usize>(
        &self,
        simd: S,
        mut x: *const f32,
        mut weights: [*const f32; C],
    ) -> [[S::F32; C]; P] {
        let mut sums = [[simd.splat(0.0); C]; P];
        let mut left = self.inputs;
        while left > 0 {
            let steps = left.min(S::LANES);
            for k in 0..steps {
                let mut w = [simd.splat(0.0); C];
                for (w, from) in w.iter_mut().zip(&mut weights) {
                    // SAFETY: the caller's promise.
                    *w = unsafe { simd.load(*from) };
                    *from = from.wrapping_add(16);
                }
                for (p, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    let x = simd.splat(unsafe { *x.wrapping_add(p.wrapping_mul(self.row)).wrapping_add(k) });
                    for (sum, &w) in sums.iter_mut().zip(&w) {
                        *sum = simd.fma(x, w, *sum);
                    }
                }
            }
            x = x.wrapping_add(self.pitch);
            left = left.wrapping_sub(steps);
        }
        sums
    }
}
