//! The variant for vectors of f32: rounded inputs, and from there the f32 convolution with weights of 16 bits, whose sums
//! are chains of fused products in the same order.
#![allow(unsafe_code)] // A view of memory that has been written, loads and stores of vectors.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::bands::{Band, Bands, Floats, holds};
use super::{Operands, Params, rounded};
use crate::conv_f32::{self, layout, vector};
use crate::rows::rows_mut;
use crate::simd::{self, Body, Kernel, Simd};
use crate::{Isa, Level};

/// Convolves; false where there are no vectors that fuse products into sums, or a window is too large.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Range<u32>, y: &mut [f32]) -> bool {
    let suits = holds(&params.geometry) && vector::fit(&params.geometry);
    suits && isa.level() != Level::Sse41 && simd::run(isa, Convolution { params, operands, pixels, y })
}

/// Output pixels and the part of y that holds them.
struct Convolution<'a> {
    params: &'a Params,
    operands: &'a Operands<'a>,
    pixels: &'a Range<u32>,
    y: &'a mut [f32],
}

impl Kernel for Convolution<'_> {
    fn run<S: Simd>(self, simd: S) {
        let Self { params: &Params { low, high, .. }, operands, mut y, .. } = self;
        let mut memory = Floats::new();
        let mut bands = Bands::new(self.params, self.pixels);
        while let Some(band) = bands.next() {
            let geometry = band.geometry;
            let pixels = geometry.pixels().unwrap_or(0);
            let len = (pixels as usize).wrapping_mul(operands.bias.len());
            let Some((here, rest)) = y.split_at_mut_checked(len) else { return };
            let mut filled: &[MaybeUninit<f32>] = &[];
            simd.enter(Fill { bands: &bands, band: &band, operands, memory: &mut memory, filled: &mut filled });
            // SAFETY: filling has written all that it returns.
            let x = unsafe { core::slice::from_raw_parts(filled.as_ptr().cast(), filled.len()) };
            let params =
                conv_f32::Params { geometry, low: f32::NEG_INFINITY, high: f32::INFINITY, layout: layout::O16_BF16 };
            let Some(job) = vector::Job::new(&params, x, operands.weights, &[]) else { return };
            vector::Convolution { job, pixels: 0..pixels, y: here }.run(simd);
            simd.enter(Finish { low, high, bias: operands.bias, y: here });
            y = rest;
        }
    }
}

/// Rounds the input of a band.
struct Fill<'a, 'm, 'f> {
    bands: &'a Bands<'a>,
    band: &'a Band,
    operands: &'a Operands<'a>,
    memory: &'m mut Floats,
    filled: &'f mut &'m [MaybeUninit<f32>],
}

impl Body for Fill<'_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        *self.filled = self.bands.fill(self.band, self.operands, self.memory, 1, |from, to| {
            for (to, &from) in to.iter_mut().zip(from) {
                to.write(rounded(from));
            }
        });
    }
}

/// Adds the bias and clamps.
struct Finish<'a> {
    low: f32,
    high: f32,
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl Body for Finish<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (low, high) = (simd.splat(self.low), simd.splat(self.high));
        let finished = |y: S::F32, bias: S::F32| simd.min(high, simd.max(low, simd.add(y, bias)));
        let channels = self.bias.len();
        for y in rows_mut(self.y, channels) {
            let mut at = 0usize;
            while at < channels {
                let (to, bias) = (y.as_mut_ptr().wrapping_add(at), self.bias.as_ptr().wrapping_add(at));
                let left = channels.wrapping_sub(at);
                if left >= S::LANES {
                    // SAFETY: both slices hold a vector from here on.
                    unsafe { simd.store(to, finished(simd.load(to), simd.load(bias))) };
                } else {
                    // SAFETY: both slices hold as many elements from here on.
                    unsafe {
                        let y = finished(simd.load_first(to, left), simd.load_first(bias, left));
                        simd.store_first(to, left, y);
                    }
                }
                at = at.wrapping_add(S::LANES);
            }
        }
    }
}
