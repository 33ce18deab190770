//! Winograd's F(2x2, 3x3) and F(4x4, 3x3) in vectors.
//!
//! A pass takes some tiles of `N` times `N` outputs and transforms their `D` times `D` inputs. Then, for two vectors of
//! channels at a time, every position's inputs are multiplied with its weights, up to six tiles in registers, and the sums of all
//! positions give the outputs. What belongs to a tile and a vector of channels lies together, position by position, so that
//! the transforms read and write one stretch.
#![allow(unsafe_code)] // Loads and stores of vectors.

mod products;
mod transforms;

use core::mem::MaybeUninit;
use core::ops::Range;

use super::winograd::INPUTS;
use super::{Operands, Params, layout};
use crate::simd::{Body, Kernel, Simd};
use crate::winograd::{TILES, Tile, Tiles};
use products::{Part, Products};
use transforms::{backward, forward};

/// Most tiles of a pass.
const MOST: usize = 28;
/// Most lanes.
const LANES: usize = 16;
/// Elements of the inputs and sums of a pass: those of 25 tiles of two of 256 channels, of which a map of 14x14 outputs has
/// 49. Six tiles of four of most channels take no more.
const ROOM: usize = room(16, 25, 256, LANES);
const _: () = assert!(most_room(4) <= ROOM && most_room(8) <= ROOM && most_room(16) <= ROOM);

/// Elements for six tiles of four of most channels.
const fn most_room(lanes: usize) -> usize {
    room(36, TILES, INPUTS as usize, lanes)
}

/// Elements from one vector of channels to the next: all positions, of vectors an odd number, so that those of a position do
/// not fall into one set of the cache.
const fn pitch(positions: usize, lanes: usize) -> usize {
    (positions | 1).wrapping_mul(lanes)
}

/// Elements of the transformed inputs of a pass, and of the sums of two vectors of channels.
const fn room(positions: usize, tiles: usize, inputs: usize, lanes: usize) -> usize {
    let vectors = inputs.div_ceil(if lanes == 0 { 1 } else { lanes }).wrapping_add(2);
    tiles.wrapping_mul(vectors).wrapping_mul(pitch(positions, lanes))
}

/// What lies in whole lines of the cache.
#[repr(align(64))]
struct Aligned<T>(T);

/// Output pixels and the part of y that holds them; weights are transformed.
pub(super) struct Convolution<'a, 'y> {
    pub(super) params: &'a Params,
    pub(super) operands: &'a Operands<'a>,
    pub(super) weights: &'a [f32],
    pub(super) pixels: Range<u32>,
    pub(super) y: &'y mut [f32],
}

impl Kernel for Convolution<'_, '_> {
    fn run<S: Simd>(self, simd: S) {
        match self.params.layout {
            layout::WINOGRAD => self.all::<S, 2, 4>(simd),
            layout::WINOGRAD_4X4 => self.all::<S, 4, 6>(simd),
            _ => {}
        }
    }
}

impl Convolution<'_, '_> {
    /// All pixels.
    fn all<S: Simd, const N: u32, const D: usize>(self, simd: S) {
        let Self { params, operands, weights, pixels, y } = self;
        let Aligned(memory) = &mut Aligned([MaybeUninit::uninit(); ROOM]);
        let (inputs, positions) = (params.geometry.in_channels as usize, D.wrapping_mul(D));
        let fits = |tiles: &usize| room(positions, *tiles, inputs, S::LANES) <= ROOM;
        let mut tiles = Tiles::<N>::new(&params.geometry, pixels);
        let Some(most) = (1..=MOST).rev().find(fits) else { return };
        // One pass, two of nearly one size, or whole groups in all but the last one.
        let passes = tiles.left().div_ceil(most.max(1));
        let most = match most.checked_rem(TILES) {
            Some(rest) if passes > 2 && most > TILES => most.wrapping_sub(rest),
            _ => tiles.left().div_ceil(passes.max(1)).min(most),
        };
        let pitch = pitch(positions, S::LANES);
        let row = inputs.div_ceil(S::LANES).wrapping_mul(pitch);
        let Some((x, sums)) = memory.split_at_mut_checked(row.wrapping_mul(most)) else { return };
        let work = Work { params, operands, weights, inputs, positions, pitch, row };
        loop {
            let mut group = [Tile::<N>::default(); MOST];
            let mut count = 0usize;
            for (to, tile) in group.iter_mut().take(most).zip(&mut tiles) {
                (*to, count) = (tile, count.wrapping_add(1));
            }
            let Some(group) = group.get(..count).filter(|group| !group.is_empty()) else { return };
            simd.enter(Transform::<N, D> { work, group, x });
            let vectors = (params.geometry.out_channels as usize).div_ceil(S::LANES);
            let mut first = 0;
            while first < vectors {
                let channel = first.wrapping_mul(S::LANES);
                let to = Place { group, tiles: &tiles, y };
                if vectors.wrapping_sub(first) > 1 {
                    work.channels::<S, N, D, 2>(simd, channel, to, x, sums);
                } else {
                    work.channels::<S, N, D, 1>(simd, channel, to, x, sums);
                }
                first = first.wrapping_add(2);
            }
        }
    }
}

/// What does not change from pass to pass.
#[derive(Clone, Copy)]
struct Work<'a> {
    params: &'a Params,
    operands: &'a Operands<'a>,
    weights: &'a [f32],
    inputs: usize,
    positions: usize,
    /// Elements from one vector of channels to the next.
    pitch: usize,
    /// Elements of the transformed inputs of a tile.
    row: usize,
}

/// Where outputs go.
struct Place<'a, 'y, const N: u32> {
    group: &'a [Tile<N>],
    tiles: &'a Tiles<'a, N>,
    y: &'y mut [f32],
}

impl Work<'_> {
    /// The outputs of a pass in `C` vectors of channels.
    fn channels<S: Simd, const N: u32, const D: usize, const C: usize>(
        self,
        simd: S,
        channel: usize,
        to: Place<'_, '_, N>,
        x: &[MaybeUninit<f32>],
        sums: &mut [MaybeUninit<f32>],
    ) {
        let groups = to.group.len().div_ceil(TILES);
        let part = Part { work: self, channel, tiles: to.group.len(), groups, x, sums };
        match to.group.len().div_ceil(groups.max(1)) {
            TILES => simd.enter(Products::<TILES, C>(part)),
            5 => simd.enter(Products::<5, C>(part)),
            4 => simd.enter(Products::<4, C>(part)),
            3 => simd.enter(Products::<3, C>(part)),
            2 => simd.enter(Products::<2, C>(part)),
            _ => simd.enter(Products::<1, C>(part)),
        }
        simd.enter(Outputs::<N, D, C> { work: self, channel, to, sums });
    }
}

/// Transforms the inputs of a pass: `[tiles][vectors of channels][positions]`.
struct Transform<'a, const N: u32, const D: usize> {
    work: Work<'a>,
    group: &'a [Tile<N>],
    x: &'a mut [MaybeUninit<f32>],
}

impl<const N: u32, const D: usize> Body for Transform<'_, N, D> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { work, group, x: to } = self;
        let (g, x, inputs) = (&work.params.geometry, work.operands.x, work.inputs);
        let line = (g.in_width as usize).wrapping_mul(inputs);
        let mut to = to.as_mut_ptr().cast::<f32>();
        let Aligned(border) = &mut Aligned([[[0.0; LANES]; D]; D]);
        for tile in group {
            let inside = tile.inside(g, x, 0);
            let mut channel = 0usize;
            while channel < inputs {
                let whole = channel.wrapping_add(S::LANES) <= inputs;
                let (from, line, pixel) = match inside.filter(|_| whole) {
                    Some(x) => (x.as_ptr().wrapping_add(channel), line, inputs),
                    None => {
                        work.gather(simd, tile, channel, border);
                        (border.as_flattened().as_flattened().as_ptr(), D.wrapping_mul(LANES), LANES)
                    }
                };
                // SAFETY: every pixel has a vector of channels from this one on, and there is room for every position.
                unsafe { transform::<S, D>(simd, from, line, pixel, to) };
                to = to.wrapping_add(work.pitch);
                channel = channel.wrapping_add(S::LANES);
            }
        }
    }
}

impl Work<'_> {
    /// Copies a vector of channels of the inputs that a tile sees; what lies in the padding is zero.
    #[inline(always)]
    fn gather<S: Simd, const N: u32, const D: usize>(
        &self,
        simd: S,
        tile: &Tile<N>,
        channel: usize,
        to: &mut [[[f32; LANES]; D]; D],
    ) {
        for (r, row) in (0..).zip(to) {
            for (c, to) in (0..).zip(row) {
                let x = tile.pixel(&self.params.geometry, self.operands.x, r, c).and_then(|x| x.get(channel..));
                // SAFETY: as many elements are loaded as there are.
                let v = x.map_or(simd.splat(0.0), |x| unsafe { simd.load_first(x.as_ptr(), x.len()) });
                // SAFETY: the array holds a vector.
                unsafe { simd.store(to.as_mut_ptr(), v) };
            }
        }
    }
}

/// Transforms a vector of channels of `D` times `D` pixels, `line` and `pixel` apart.
///
/// # Safety
/// A vector of every pixel can be read, and one written for every position.
#[inline(always)]
unsafe fn transform<S: Simd, const D: usize>(simd: S, from: *const f32, line: usize, pixel: usize, to: *mut f32) {
    let mut rows = [[simd.splat(0.0); D]; D];
    for (r, row) in rows.iter_mut().enumerate() {
        for (c, x) in row.iter_mut().enumerate() {
            let place = r.wrapping_mul(line).wrapping_add(c.wrapping_mul(pixel));
            // SAFETY: the caller's promise.
            *x = unsafe { simd.load(from.wrapping_add(place)) };
        }
        forward(simd, row);
    }
    for c in 0..D {
        let mut column = [simd.splat(0.0); D];
        for (x, row) in column.iter_mut().zip(&rows) {
            *x = row.get(c).copied().unwrap_or(*x);
        }
        forward(simd, &mut column);
        for (r, &x) in column.iter().enumerate() {
            let position = r.wrapping_mul(D).wrapping_add(c);
            // SAFETY: the caller's promise.
            unsafe { simd.store(to.wrapping_add(position.wrapping_mul(S::LANES)), x) };
        }
    }
}

/// The outputs of a pass in `C` vectors of channels from one on, from the sums of every position.
struct Outputs<'a, 'y, const N: u32, const D: usize, const C: usize> {
    work: Work<'a>,
    channel: usize,
    to: Place<'a, 'y, N>,
    sums: &'a [MaybeUninit<f32>],
}

impl<const N: u32, const D: usize, const C: usize> Body for Outputs<'_, '_, N, D, C> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { work, channel, to: Place { group, tiles, y }, sums } = self;
        let mut from = sums.as_ptr().cast::<f32>();
        for tile in group {
            for c in 0..C {
                let first = channel.wrapping_add(c.wrapping_mul(S::LANES));
                // SAFETY: the sums of a vector have been written at every position.
                let all = unsafe { work.outputs::<S, N, D>(simd, from, first) };
                for (row, line) in (0..N).zip(&all) {
                    let (pixel, column, count) = tiles.outputs(tile, row);
                    let column = column as usize;
                    if let Some(line) = line.get(column..column.wrapping_add(count as usize)) {
                        work.store(simd, line, pixel, first, y);
                    }
                }
                from = from.wrapping_add(work.pitch);
            }
        }
    }
}

impl Work<'_> {
    /// A vector of channels, from `channel` on, of the outputs of a tile, from the sums of every position.
    ///
    /// # Safety
    /// A vector can be read for every position.
    #[inline(always)]
    unsafe fn outputs<S: Simd, const N: u32, const D: usize>(
        &self,
        simd: S,
        from: *const f32,
        channel: usize,
    ) -> [[S::F32; D]; D] {
        let bias = self.operands.bias.get(channel..).unwrap_or_default();
        // SAFETY: as many elements are loaded as there are.
        let bias = unsafe { simd.load_first(bias.as_ptr(), bias.len()) };
        let (low, high) = (simd.splat(self.params.low), simd.splat(self.params.high));
        let mut columns = [[simd.splat(0.0); D]; D];
        for (c, column) in columns.iter_mut().enumerate() {
            for (r, sum) in column.iter_mut().enumerate() {
                let position = r.wrapping_mul(D).wrapping_add(c);
                // SAFETY: the caller's promise.
                *sum = unsafe { simd.load(from.wrapping_add(position.wrapping_mul(S::LANES))) };
            }
            backward(simd, column);
        }
        let mut all = [[simd.splat(0.0); D]; D];
        for (r, line) in all.iter_mut().enumerate().take(N as usize) {
            for (sum, column) in line.iter_mut().zip(&columns) {
                *sum = column.get(r).copied().unwrap_or(*sum);
            }
            backward(simd, line);
            for v in line.iter_mut().take(N as usize) {
                *v = simd.min(high, simd.max(low, simd.add(*v, bias)));
            }
        }
        all
    }

    /// Stores a vector of channels, those that exist, of neighbouring pixels.
    #[inline(always)]
    fn store<S: Simd>(&self, simd: S, line: &[S::F32], pixel: usize, channel: usize, y: &mut [f32]) {
        let channels = self.params.geometry.out_channels as usize;
        let count = channels.wrapping_sub(channel).min(S::LANES);
        let mut y = y.get_mut(pixel.wrapping_mul(channels).wrapping_add(channel)..).unwrap_or_default();
        for &v in line {
            let Some(to) = y.get_mut(..count) else { return };
            if count == S::LANES {
                // SAFETY: the slice holds a vector.
                unsafe { simd.store(to.as_mut_ptr(), v) };
            } else {
                // SAFETY: as many elements are stored as there are.
                unsafe { simd.store_first(to.as_mut_ptr(), count, v) };
            }
            y = y.get_mut(channels..).unwrap_or_default();
        }
    }
}
