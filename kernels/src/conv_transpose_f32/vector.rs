//! The vector variant: weights in O16, tiles of output pixels of one row at a distance of the stride, which the same taps
//! reach.

use core::ops::Range;

use super::Params;
use crate::geometry::Geometry;
use crate::pixels::place;
use crate::simd::{Body, Kernel, Load, Simd};
use crate::tiles::{LONGEST, Panel, Pass, STRETCHES, Stretches, enter_tile, group, next_tiles, sizes};

/// Bytes of inputs and outputs that stay in the nearer caches while all channels pass over them.
const CHUNK: usize = 256 << 10;

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

    /// The vectors of most groups of channels. Eight pixels side by side are a tile of three vectors, and two of four.
    fn most(&self, lanes: usize) -> usize {
        let g = &self.params.geometry;
        match (lanes, g.out_width.div_ceil(g.stride_width.max(1))) {
            (16, 7 | 8) => 3,
            (_, pixels) => group(lanes, pixels as usize),
        }
    }

    /// Output rows that pass together over the weights, a multiple of the stride.
    fn rows(&self) -> u32 {
        let g = &self.params.geometry;
        let inputs = (g.in_width as usize).wrapping_mul(g.in_channels as usize);
        let inputs = inputs.checked_div(g.stride_height as usize).unwrap_or(0);
        let bytes = (g.out_width as usize).wrapping_mul(self.panel.channels).wrapping_add(inputs).wrapping_mul(4);
        let rows = CHUNK.checked_div(bytes.wrapping_mul(g.stride_height as usize)).unwrap_or(0);
        (rows.clamp(1, 1 << 16) as u32).saturating_mul(g.stride_height)
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
                let Some(first) = columns.reached_from(column, kw) else { continue };
                let tap = kh.wrapping_mul(g.kernel_width).wrapping_add(kw) as usize;
                let weights = tap.wrapping_mul(channels);
                let inside = first >= 0 && first.cast_unsigned().saturating_add(P as u32) <= g.in_width;
                if inside {
                    let start = line.wrapping_add(first.cast_unsigned() as usize).wrapping_mul(channels);
                    list.push_rows(start, channels, weights, channels)?;
                    continue;
                }
                let mut starts = [None; P];
                for (source, start) in (first..).zip(&mut starts) {
                    let inside = source.cast_unsigned() < g.in_width;
                    *start = inside.then(|| line.wrapping_add(source as usize).wrapping_mul(channels));
                }
                if starts.iter().any(Option::is_some) {
                    list.push(starts, weights, channels)?;
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
        let most = job.most(S::LANES);
        let mut first = pixels.start;
        while first < pixels.end {
            // Whole rows, but the first and the last one.
            let column = first.checked_rem(g.out_width).unwrap_or(0);
            let count = job.rows().saturating_mul(g.out_width).saturating_sub(column);
            let count = count.min(pixels.end.wrapping_sub(first)).max(1);
            let Some((here, rest)) = y.split_at_mut_checked((count as usize).wrapping_mul(channels)) else { return };
            for row_phase in 0..g.stride_height {
                for phase in 0..g.stride_width {
                    for pass in job.panel.passes(S::LANES, most) {
                        one_pass(simd, job, pass, (row_phase, phase), first..first.wrapping_add(count), here);
                    }
                }
            }
            (y, first) = (rest, first.wrapping_add(count));
        }
    }
}

/// The channels of a pass of every pixel at a distance of the stride from a phase, of some rows: all read the same weights.
fn one_pass<S: Simd, W: Load>(
    simd: S,
    job: Job<'_, W>,
    pass: Pass,
    (row_phase, phase): (u32, u32),
    pixels: Range<u32>,
    y: &mut [f32],
) {
    let (g, channels) = (&job.params.geometry, job.panel.channels);
    let stride = g.stride_width as usize;
    let mut begin = pixels.start;
    while begin < pixels.end {
        let [image, row, column] = place(begin, g.out_height, g.out_width);
        let end = begin.saturating_add(g.out_width.wrapping_sub(column)).min(pixels.end);
        let skip = first_of_phase(column, phase, g.stride_width);
        let mut left = end.wrapping_sub(begin).saturating_sub(skip).div_ceil(g.stride_width.max(1)) as usize;
        if row.checked_rem(g.stride_height) != Some(row_phase) {
            left = 0;
        }
        let start = (begin.wrapping_sub(pixels.start).wrapping_add(skip) as usize).wrapping_mul(channels);
        let (mut y, mut column) = (y.get_mut(start..).unwrap_or_default(), column.wrapping_add(skip));
        while left > 0 {
            let (size, count) = next_tiles(sizes(S::LANES, pass.vectors), left);
            let place = [image, row, column];
            enter_tile!(simd, S::LANES, pass.vectors, size, Tiles { job, pass, count, place, y });
            let done = size.wrapping_mul(count);
            y = y.get_mut(done.wrapping_mul(stride).wrapping_mul(channels)..).unwrap_or_default();
            (left, column) = (left.wrapping_sub(done), column.wrapping_add(done.wrapping_mul(stride) as u32));
        }
        begin = end;
    }
}

/// Columns from this one to the next of a phase.
fn first_of_phase(column: u32, phase: u32, stride: u32) -> u32 {
    let here = column.checked_rem(stride).unwrap_or(0);
    if here <= phase { phase.wrapping_sub(here) } else { phase.wrapping_add(stride).wrapping_sub(here) }
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
