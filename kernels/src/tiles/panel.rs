//! Weights in blocks of 16 channels, and the products of a tile with them.
#![allow(unsafe_code)] // Loads and stores of vectors.

use super::{Stretch, Stretches};
use crate::simd::{Load, Simd};

/// Bytes of weights that pass over a tile before the next one comes.
const PASS: usize = 20 << 10;

/// So many weights before they are needed they are asked for: a core by itself waits for those in the third-level cache.
const AHEAD: usize = 48 * 16;

/// Weights `[channels / 16][products][16]`, zero-filled, with what belongs to the channels.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a, W> {
    /// The weights.
    pub(crate) weights: &'a [W],
    /// Bias, one for every channel; zero behind its end.
    pub(crate) bias: &'a [f32],
    /// Weights of a channel.
    pub(crate) products: usize,
    /// Output channels.
    pub(crate) channels: usize,
    /// Outputs before them in a row of y.
    pub(crate) before: usize,
    /// Least output.
    pub(crate) low: f32,
    /// Greatest output.
    pub(crate) high: f32,
}

/// Neighbouring groups of channels that pass over the same rows: `count` groups of `vectors` vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pass {
    /// First vector of channels.
    pub(crate) first: usize,
    /// Vectors of a group.
    pub(crate) vectors: usize,
    /// Groups.
    pub(crate) count: usize,
}

impl<W: Load> Panel<'_, W> {
    /// Cuts the vectors of channels into passes of groups of `most` vectors; what is left over of groups above 2 makes two
    /// smaller groups rather than one of a single vector.
    pub(crate) fn passes(&self, lanes: usize, most: usize) -> impl Iterator<Item = Pass> {
        let vectors = self.channels.div_ceil(lanes.max(1));
        let mut whole = vectors.checked_div(most).unwrap_or(0);
        let mut rest = vectors.wrapping_sub(whole.wrapping_mul(most));
        if rest == 1 && whole > 0 && most > 2 {
            (whole, rest) = (whole.wrapping_sub(1), most.wrapping_add(1));
        }
        let bytes = self.products.wrapping_mul(lanes).wrapping_mul(most).wrapping_mul(size_of::<W>());
        let together = PASS.checked_div(bytes).unwrap_or(1).max(1);
        let mut first = 0usize;
        core::iter::from_fn(move || {
            let pass = if whole > 0 {
                let count = whole.min(together);
                whole = whole.wrapping_sub(count);
                Pass { first, vectors: most, count }
            } else {
                let vectors = if rest > most { 3 } else { rest };
                rest = rest.wrapping_sub(vectors);
                Pass { first, vectors, count: 1 }
            };
            first = first.wrapping_add(pass.vectors.wrapping_mul(pass.count));
            (pass.vectors > 0).then_some(pass)
        })
    }

    /// The sums of a tile before its first product: the bias of `C` vectors of channels from `channel` on.
    #[inline(always)]
    pub(crate) fn start<S: Simd, const P: usize, const C: usize>(&self, simd: S, channel: usize) -> [[S::F32; C]; P] {
        let mut sums = [[simd.splat(0.0); C]; P];
        let bias = self.bias.get(channel..).unwrap_or(&[]);
        let full = bias.len() >= C.wrapping_mul(S::LANES);
        for c in 0..C {
            let bias = bias.get(c.wrapping_mul(S::LANES)..).unwrap_or(&[]);
            // SAFETY: as many elements are loaded as there are.
            let bias =
                unsafe { if full { simd.load(bias.as_ptr()) } else { simd.load_first(bias.as_ptr(), bias.len()) } };
            for sums in &mut sums {
                // Of both zeros the sum is the positive one, which padding leaves as it is.
                if let Some(sum) = sums.get_mut(c) {
                    *sum = simd.add(bias, simd.splat(0.0));
                }
            }
        }
        sums
    }

    /// The sums of a tile as [`Panel::store`] has left them, not clamped.
    #[inline(always)]
    pub(crate) fn resume<S: Simd, const P: usize, const C: usize>(
        &self,
        simd: S,
        channel: usize,
        pitch: usize,
        y: &[f32],
    ) -> [[S::F32; C]; P] {
        let mut sums = [[simd.splat(0.0); C]; P];
        for (p, sums) in sums.iter_mut().enumerate() {
            let first = p.wrapping_mul(pitch).wrapping_add(self.before);
            let row = y.get(first..first.wrapping_add(self.channels)).unwrap_or_default();
            for (c, sum) in sums.iter_mut().enumerate() {
                let from = row.get(channel.wrapping_add(c.wrapping_mul(S::LANES))..).unwrap_or_default();
                // SAFETY: as many elements are loaded as there are.
                *sum = unsafe {
                    if from.len() >= S::LANES {
                        simd.load(from.as_ptr())
                    } else {
                        simd.load_first(from.as_ptr(), from.len())
                    }
                };
            }
        }
        sums
    }

    /// Adds the products of the stretches with `C` vectors of channels from `channel` on, a multiple of the lanes. Block
    /// `ahead` of the weights is asked for meanwhile, or what comes next in this one.
    #[inline(always)]
    pub(crate) fn add_products<S: Simd, const P: usize, const C: usize>(
        &self,
        simd: S,
        list: &Stretches<'_, P>,
        channel: usize,
        ahead: Option<usize>,
        sums: &mut [[S::F32; C]; P],
    ) {
        let block = self.products.wrapping_mul(16);
        let mut weights = [core::ptr::null::<W>(); C];
        for (c, from) in weights.iter_mut().enumerate() {
            let channel = channel.wrapping_add(c.wrapping_mul(S::LANES));
            let start = (channel >> 4).wrapping_mul(block);
            let Some(whole) = self.weights.get(start..start.wrapping_add(block)) else { return };
            *from = whole.as_ptr().wrapping_add(channel & 15);
        }
        // SAFETY: the first `count` stretches exist and have been written.
        let stretches = unsafe { core::slice::from_raw_parts(list.all.as_ptr().cast::<Stretch<P>>(), list.count) };
        let asked = weights.first().map(|from| match ahead.and_then(|block_of| block_of.checked_mul(block)) {
            Some(start) => self.weights.as_ptr().wrapping_add(start),
            None => from.wrapping_add(AHEAD),
        });
        let mut local = *sums;
        for stretch in stretches {
            if stretch.first.wrapping_add(stretch.len) > self.products {
                return;
            }
            let (x, mut at) = (stretch.x, stretch.first.wrapping_mul(16));
            for k in 0..stretch.len {
                let mut w = [simd.splat(0.0); C];
                for (w, from) in w.iter_mut().zip(weights) {
                    // SAFETY: a block holds 16 weights for each of the products, of which a vector takes its lanes.
                    *w = unsafe { W::load(simd, from.add(at)) };
                }
                if let Some(from) = asked {
                    simd.prefetch(from.wrapping_add(at));
                }
                at = at.wrapping_add(16);
                for (sums, x) in local.iter_mut().zip(x) {
                    // SAFETY: a stretch holds `len` elements for every row.
                    let x = simd.splat(unsafe { *x.add(k) });
                    for (sum, &w) in sums.iter_mut().zip(&w) {
                        *sum = simd.fma(x, w, *sum);
                    }
                }
            }
        }
        *sums = local;
    }

    /// Clamps the sums and stores those of channels that exist, rows at a distance of `pitch` elements.
    #[inline(always)]
    pub(crate) fn store<S: Simd, const P: usize, const C: usize>(
        &self,
        simd: S,
        sums: &[[S::F32; C]; P],
        channel: usize,
        pitch: usize,
        y: &mut [f32],
    ) {
        let (low, high) = (simd.splat(self.low), simd.splat(self.high));
        let end = channel.wrapping_add(C.wrapping_mul(S::LANES));
        let last = P.wrapping_sub(1).wrapping_mul(pitch).wrapping_add(self.before);
        if end <= self.channels && last.wrapping_add(end) <= y.len() {
            let mut row = y.as_mut_ptr().wrapping_add(self.before).wrapping_add(channel);
            for sums in sums {
                for (c, &sum) in sums.iter().enumerate() {
                    let to = row.wrapping_add(c.wrapping_mul(S::LANES));
                    // SAFETY: the last row ends within y, and with it all.
                    unsafe { simd.store(to, simd.min(high, simd.max(low, sum))) };
                }
                row = row.wrapping_add(pitch);
            }
            return;
        }
        for (p, sums) in sums.iter().enumerate() {
            let first = p.wrapping_mul(pitch).wrapping_add(self.before);
            let row = y.get_mut(first..first.wrapping_add(self.channels));
            let Some(row) = row else { return };
            for (c, &sum) in sums.iter().enumerate() {
                let v = simd.min(high, simd.max(low, sum));
                let at = channel.wrapping_add(c.wrapping_mul(S::LANES));
                if at.wrapping_add(S::LANES) <= self.channels {
                    // SAFETY: the row holds these channels.
                    unsafe { simd.store(row.as_mut_ptr().add(at), v) };
                } else if let Some(rest) = row.get_mut(at..) {
                    // SAFETY: as many elements are stored as there are.
                    unsafe { simd.store_first(rest.as_mut_ptr(), rest.len(), v) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn passes_hold_every_vector_once() {
        for channels in 1..200 {
            for (lanes, most) in [(8, 2), (16, 4), (8, 8)] {
                let panel =
                    Panel::<f32> { weights: &[], bias: &[], products: 30, channels, before: 0, low: 0.0, high: 0.0 };
                let passes: Vec<Pass> = panel.passes(lanes, most).collect();
                let mut next = 0;
                for pass in &passes {
                    assert_eq!(pass.first, next);
                    assert!(pass.vectors <= most, "{channels} {passes:?}");
                    next += pass.vectors * pass.count;
                }
                assert_eq!(next, channels.div_ceil(lanes), "{channels} {passes:?}");
            }
        }
    }
}
