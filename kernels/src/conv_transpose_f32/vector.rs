//! The vector variant: weights in O16, tiles of output pixels of one row at a distance of the stride, which the same taps
//! reach.

use core::ops::Range;

use super::Params;
use crate::geometry::Geometry;
use crate::pixels::place;
use crate::simd::{Body, Kernel, Load, Simd};
use crate::tiles::{LONGEST, Panel, Pass, STRETCHES, Stretches, enter_tile, group, next_tiles, sizes};

/// Whether the list of a tile holds the taps.
pub(super) fn listed(g: &Geometry) -> bool {
    let taps = (g.kernel_height as usize).saturating_mul(g.kernel_width as usize);
    taps.saturating_mul((g.in_channels as usize).div_ceil(LONGEST)) <= STRETCHES
}

/// A transposed convolution with its operands, whose lengths have been checked.
#[derive(Clone, Copy)]
pub(super) struct Job<'a, W> {
    params: &'a Params,
    x: &'a [f32],
    panel: Panel<'a, W>,
}

impl<'a, W: Load> Job<'a, W> {
    /// This convolution; `None` where its kernel has too many taps for the list of a tile.
    pub(super) fn new(params: &'a Params, x: &'a [f32], weights: &'a [W], bias: &'a [f32]) -> Option<Self> {
        let g = &params.geometry;
        let taps = (g.kernel_height as usize).saturating_mul(g.kernel_width as usize);
        let panel = Panel {
            weights,
            bias,
            products: taps.saturating_mul(g.in_channels as usize),
            channels: g.out_channels as usize,
            before: 0,
            low: params.low,
            high: params.high,
        };
        listed(g).then_some(Self { params, x, panel })
    }

    /// Fills the list with what `P` pixels from `place` (image, row, column) on read, at a distance of the stride.
    #[inline(always)]
    fn fill<const P: usize>(&self, [image, row, column]: [u32; 3], list: &mut Stretches<'a, P>) -> Option<()> {
        let g = &self.params.geometry;
        let (rows, columns, channels) = (g.rows(), g.columns(), g.in_channels as usize);
        list.clear();
        for kh in 0..g.kernel_height {
            let Some(source) = rows.source(row, kh) else { continue };
            let line = (image as usize).wrapping_mul(g.in_height as usize).wrapping_add(source as usize);
            let line = line.wrapping_mul(g.in_width as usize);
            for kw in 0..g.kernel_width {
                let mut starts = [None; P];
                for (p, start) in starts.iter_mut().enumerate() {
                    let column = column.wrapping_add((p as u32).wrapping_mul(g.stride_width));
                    let source = columns.source(column, kw);
                    *start = source.map(|source| line.wrapping_add(source as usize).wrapping_mul(channels));
                }
                if starts.iter().any(Option::is_some) {
                    let tap = kh.wrapping_mul(g.kernel_width).wrapping_add(kw) as usize;
                    list.push(starts, tap.wrapping_mul(channels), channels)?;
                }
            }
        }
        Some(())
    }
}

/// Output pixels and the part of y that holds them.
pub(super) struct Transposed<'a, 'y, W> {
    pub(super) job: Job<'a, W>,
    pub(super) pixels: Range<u32>,
    pub(super) y: &'y mut [f32],
}

impl<W: Load> Kernel for Transposed<'_, '_, W> {
    fn run<S: Simd>(self, simd: S) {
        let Self { job, pixels, mut y } = self;
        let (g, channels) = (&job.params.geometry, job.panel.channels);
        let mut first = pixels.start;
        while first < pixels.end {
            let place @ [_, _, column] = place(first, g.out_height, g.out_width);
            let count = g.out_width.wrapping_sub(column).min(pixels.end.wrapping_sub(first)).max(1);
            let Some((here, rest)) = y.split_at_mut_checked((count as usize).wrapping_mul(channels)) else { return };
            for phase in 0..g.stride_width.min(count) {
                one_phase(simd, job, place, phase, here);
            }
            (y, first) = (rest, first.wrapping_add(count));
        }
    }
}

/// Every pixel at a distance of the stride from `place` plus `phase` columns on, in a part of a row.
fn one_phase<S: Simd, W: Load>(simd: S, job: Job<'_, W>, [image, row, column]: [u32; 3], phase: u32, y: &mut [f32]) {
    let (stride, channels) = (job.params.geometry.stride_width as usize, job.panel.channels);
    let pitch = stride.wrapping_mul(channels);
    let Some(y) = y.get_mut((phase as usize).wrapping_mul(channels)..) else { return };
    let count = y.len().wrapping_add(pitch.wrapping_sub(1)).checked_div(pitch).unwrap_or(0);
    for pass in job.panel.passes(S::LANES, group(S::LANES, count)) {
        let (mut y, mut left, mut column) = (&mut *y, count, column.wrapping_add(phase));
        while left > 0 {
            let (size, count) = next_tiles(sizes(S::LANES, pass.vectors), left);
            let place = [image, row, column];
            enter_tile!(simd, S::LANES, pass.vectors, size, Tiles { job, pass, count, place, y });
            let done = size.wrapping_mul(count);
            y = y.get_mut(done.wrapping_mul(pitch)..).unwrap_or_default();
            (left, column) = (left.wrapping_sub(done), column.wrapping_add(done.wrapping_mul(stride) as u32));
        }
    }
}

/// `count` tiles of `P` pixels from `place` on at a distance of the stride, groups of `C` vectors of channels.
struct Tiles<'a, 'y, W, const P: usize, const C: usize> {
    job: Job<'a, W>,
    pass: Pass,
    count: usize,
    place: [u32; 3],
    /// Outputs from the first pixel on.
    y: &'y mut [f32],
}

impl<W: Load, const P: usize, const C: usize> Body for Tiles<'_, '_, W, P, C> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { job, pass, count, place: [image, row, mut column], mut y } = self;
        let stride = job.params.geometry.stride_width;
        let pitch = (stride as usize).wrapping_mul(job.panel.channels);
        let mut list = Stretches::<P>::new(job.x);
        for _ in 0..count {
            if job.fill([image, row, column], &mut list).is_none() {
                return;
            }
            for group in 0..pass.count {
                let first = pass.first.wrapping_add(group.wrapping_mul(C)).wrapping_mul(S::LANES);
                let mut sums = job.panel.start::<S, P, C>(simd, first);
                job.panel.add_products(simd, &list, first, None, &mut sums);
                job.panel.store(simd, &sums, first, pitch, y);
            }
            column = column.wrapping_add(stride.wrapping_mul(P as u32));
            y = y.get_mut(pitch.wrapping_mul(P)..).unwrap_or_default();
        }
    }
}
