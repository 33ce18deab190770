//! The products of transformed inputs and weights, and their sums over the input channels.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::mem::MaybeUninit;

use super::Work;
use crate::simd::{Body, Simd};

/// All tiles of a pass in groups, and the channels from one on.
pub(super) struct Part<'a> {
    pub(super) work: Work<'a>,
    pub(super) channel: usize,
    pub(super) tiles: usize,
    pub(super) groups: usize,
    /// `[tiles][vectors of channels][positions]`.
    pub(super) x: &'a [MaybeUninit<f32>],
    /// `[tiles][C][positions]`.
    pub(super) sums: &'a mut [MaybeUninit<f32>],
}

/// The sums of every position, in groups of `P` tiles and `C` vectors of channels. Where the groups hold more than there are,
/// the last one computes some tiles again.
pub(super) struct Products<'a, const P: usize, const C: usize>(pub(super) Part<'a>);

impl<const P: usize, const C: usize> Body for Products<'_, P, C> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Part { work, channel, tiles, groups, x, sums } = self.0;
        let position = work.inputs.wrapping_mul(16);
        let block = position.wrapping_mul(work.positions);
        let mut weights = [core::ptr::null::<f32>(); C];
        for (c, from) in weights.iter_mut().enumerate() {
            let channel = channel.wrapping_add(c.wrapping_mul(S::LANES));
            let start = (channel >> 4).wrapping_mul(block);
            let Some(whole) = work.weights.get(start..start.wrapping_add(block)) else { return };
            *from = whole.as_ptr().wrapping_add(channel & 15);
        }
        let Some(last) = tiles.checked_sub(P) else { return };
        let (mut x, mut to) = (x.as_ptr().cast::<f32>(), sums.as_mut_ptr().cast::<f32>());
        for _ in 0..work.positions {
            for group in 0..groups {
                let first = group.wrapping_mul(P).min(last);
                let tile = x.wrapping_add(first.wrapping_mul(work.row));
                let mut place = to.wrapping_add(first.wrapping_mul(C).wrapping_mul(work.pitch));
                // Each of the first groups asks for a vector of the next position's weights.
                let ahead =
                    weights.get(group).or(weights.last()).map_or(core::ptr::null(), |w| w.wrapping_add(position));
                // SAFETY: every tile has so many inputs, a block of weights 16 for each of them.
                let sums = unsafe { work.add::<S, P, C>(simd, tile, weights, ahead) };
                for sums in &sums {
                    for &sum in sums {
                        // SAFETY: there is room for two vectors of every tile at every position.
                        unsafe { simd.store(place, sum) };
                        place = place.wrapping_add(work.pitch);
                    }
                }
            }
            (x, to) = (x.wrapping_add(S::LANES), to.wrapping_add(S::LANES));
            weights = weights.map(|w| w.wrapping_add(position));
        }
    }
}

impl Work<'_> {
    /// The sums of all inputs times weights at a position, of `P` tiles and `C` vectors of channels. As many lines from `ahead`
    /// on are asked for.
    ///
    /// # Safety
    /// There are the inputs of `P` tiles from `x` on, and 16 weights for each input of a tile.
    #[inline(always)]
    unsafe fn add<S: Simd, const P: usize, const C: usize>(
        &self,
        simd: S,
        mut x: *const f32,
        mut weights: [*const f32; C],
        mut ahead: *const f32,
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
                simd.prefetch_far(ahead);
                ahead = ahead.wrapping_add(16);
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
