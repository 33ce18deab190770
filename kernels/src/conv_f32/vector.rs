//! The vector variant: weights in O16, tiles of neighbouring output pixels.
//!
//! Where every tap of a kernel row lies inside the input, its columns and channels are one stretch in NHWC as in the
//! weights. Groups follow each other; a tap of one is a stretch of its own.

use core::ops::Range;

use super::Params;
use super::copies::{self, Copies};
use super::vector_groups;
use crate::geometry::{Axis, Geometry};
use crate::rows::rows_mut;
use crate::simd::{Body, Kernel, Load, Simd};
use crate::tiles::{LONGEST, Panel, Pass, STRETCHES, Stretches, enter_tile, group, next_tiles, sizes};
use crate::windows::{Window, Windows};

/// Bytes of inputs and outputs that stay in the nearer caches while every channel passes over them.
const CHUNK: usize = 256 << 10;
/// The same where the weights leave those caches meanwhile, and are read again for every chunk.
const MEDIUM_CHUNK: usize = 1 << 20;
/// Bytes of weights from which on they do.
const MEDIUM: usize = 1 << 20;
/// The same where the weights are many times as large: reading them again costs more.
const LARGE_CHUNK: usize = 4 << 20;
/// Bytes of weights from which on they are that large.
const LARGE: usize = 16 << 20;
/// Bytes of a pass's weights that should stay in a second-level cache while its tiles follow each other.
const PART: usize = 512 << 10;

/// Taps that the list of a tile has room for: those of larger kernels are cut.
fn listed(g: &Geometry) -> usize {
    STRETCHES.checked_div((g.group_inputs() as usize).div_ceil(LONGEST)).unwrap_or(0)
}

/// Whether the list of a tile has room for a tap of a kernel.
pub(crate) fn fit(g: &Geometry) -> bool {
    listed(g) > 0
}

/// Taps of a kernel: these columns of these rows.
struct Part {
    rows: Range<u32>,
    columns: Range<u32>,
}

/// A convolution with its operands, whose lengths have been checked.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a, W> {
    params: &'a Params,
    x: &'a [f32],
    /// The weights of this group's outputs.
    panel: Panel<'a, W>,
    /// The first input channel of the group.
    inputs: usize,
    /// Whether an output pixel is made of the input pixel at its place, and of that alone.
    pixelwise: bool,
    /// Whether windows at a border are copied.
    copied: bool,
    /// Whether the columns of a kernel row are neighbours, with all their channels.
    neighbours: bool,
}

impl<'a, W: Load> Job<'a, W> {
    /// This convolution, of the first group; `None` where it does not [`fit`]. Without a bias the sums begin with zero.
    pub(crate) fn new(params: &'a Params, x: &'a [f32], weights: &'a [W], bias: &'a [f32]) -> Option<Self> {
        let g = &params.geometry;
        let taps = (g.kernel_height as usize).saturating_mul(g.kernel_width as usize);
        let panel = Panel {
            weights,
            bias,
            products: taps.saturating_mul(g.group_inputs() as usize),
            channels: g.group_outputs() as usize,
            before: 0,
            low: params.low,
            high: params.high,
        };
        let same = |axis: Axis| axis.kernel == 1 && axis.stride == 1 && axis.pad == 0 && axis.input == axis.output;
        let pixelwise = g.groups == 1 && same(g.rows()) && same(g.columns());
        let copied = !pixelwise && copies::suit(g) && taps <= listed(g);
        let neighbours = !pixelwise && g.dilation_width == 1 && g.groups == 1;
        fit(g).then_some(Self { params, x, panel, inputs: 0, pixelwise, copied, neighbours })
    }

    /// The same, of another group; `None` where there is none.
    fn of_group(mut self, group: u32) -> Option<Self> {
        let (group, outputs) = (group as usize, self.panel.channels);
        let block = outputs.next_multiple_of(16).wrapping_mul(self.panel.products);
        let part = |len: usize| group.wrapping_mul(len)..group.wrapping_add(1).wrapping_mul(len);
        self.panel.weights = self.panel.weights.get(part(block))?;
        self.panel.bias = self.panel.bias.get(part(outputs)).unwrap_or_default();
        self.inputs = group.wrapping_mul(self.params.geometry.group_inputs() as usize);
        self.panel.before = group.wrapping_mul(outputs);
        Some(self)
    }

    /// Cuts a range of output pixels into chunks whose inputs and outputs stay in the nearer caches while all channels
    /// pass over them.
    fn chunks(&self, pixels: Range<u32>) -> impl Iterator<Item = Range<u32>> {
        let g = &self.params.geometry;
        let step = (g.stride_height as usize).wrapping_mul(g.stride_width as usize);
        let bytes = (g.in_channels as usize).wrapping_mul(step).wrapping_add(g.out_channels as usize).wrapping_mul(4);
        let room = match size_of_val(self.panel.weights) {
            bytes if bytes > LARGE => LARGE_CHUNK,
            bytes if bytes > MEDIUM => MEDIUM_CHUNK,
            _ => CHUNK,
        };
        // A multiple of every tile.
        let size = room.checked_div(bytes.wrapping_mul(24)).unwrap_or(0).clamp(2, 1 << 20).wrapping_mul(24) as u32;
        let mut first = pixels.start;
        core::iter::from_fn(move || {
            let start = first;
            first = start.saturating_add(size).min(pixels.end);
            (start < first).then_some(start..first)
        })
    }

    /// The taps, cut where the list of a tile has no room for them, or all weights of a pass over so many pixels would leave the
    /// second-level cache between two tiles.
    fn parts(&self, lanes: usize, pass: Pass, pixels: usize) -> impl Iterator<Item = Part> + use<W> {
        let (kernel, width) = (self.params.geometry.kernel_height, self.params.geometry.kernel_width);
        let bytes = self.panel.products.wrapping_mul(lanes).wrapping_mul(pass.vectors).wrapping_mul(size_of::<W>());
        let many = pass.count == 1 && bytes > 2 * PART && pixels >= 24 && !self.copied;
        let listed = listed(&self.params.geometry).min(u32::MAX as usize) as u32;
        let row = bytes.checked_div(kernel as usize).unwrap_or(0);
        let together = if many { PART.checked_div(row).unwrap_or(1).max(1) as u32 } else { kernel };
        let together = together.min(listed.checked_div(width).unwrap_or(0).max(1));
        let tap = row.checked_div(width as usize).unwrap_or(0);
        let some = if many && row > 2 * PART { PART.checked_div(tap).unwrap_or(1).max(1) as u32 } else { width };
        let some = some.min(listed);
        let (mut first, mut column) = (0u32, 0u32);
        core::iter::from_fn(move || {
            let (rows, columns) =
                (first..first.saturating_add(together).min(kernel), column..column.saturating_add(some).min(width));
            (first, column) = if columns.end < width { (first, columns.end) } else { (rows.end, 0) };
            (!rows.is_empty()).then_some(Part { rows, columns })
        })
    }

    /// Fills the list with what windows of one row read, all of them inside: the first from `start` on, each `step` further.
    #[inline(always)]
    fn fill_inner<const P: usize>(
        &self,
        windows: &Windows,
        part: &Part,
        (start, step): (usize, usize),
        list: &mut Stretches<'a, P>,
    ) -> Option<()> {
        let g = &self.params.geometry;
        let (channels, kernel) = (g.group_inputs() as usize, g.kernel_width as usize);
        let count = if self.neighbours { part.columns.len() } else { 1 };
        let start = start.wrapping_add(self.inputs);
        list.clear();
        for row in part.rows.clone() {
            let first = (row as usize).wrapping_mul(kernel);
            for column in part.columns.clone().step_by(count.max(1)) {
                let first = first.wrapping_add(column as usize).wrapping_mul(channels);
                let start = start.wrapping_add_signed(windows.distance(row, column));
                list.push_rows(start, step, first, channels.wrapping_mul(count))?;
            }
        }
        Some(())
    }

    /// Fills the list with what the tile reads. Taps that are padding for all pixels add nothing and are left out.
    #[inline(always)]
    fn fill<const P: usize>(
        &self,
        windows: &Windows,
        part: &Part,
        tile: &[Window; P],
        list: &mut Stretches<'a, P>,
    ) -> Option<()> {
        let g = &self.params.geometry;
        let inner = tile.iter().all(|w| w.inner);
        let whole = self.neighbours && (inner || tile.iter().all(|w| windows.holds_columns(w)));
        let (channels, kernel) = (g.group_inputs() as usize, g.kernel_width as usize);
        let count = if whole { part.columns.len() } else { 1 };
        let len = channels.wrapping_mul(count);
        list.clear();
        for row in part.rows.clone() {
            let seen = inner || tile.iter().any(|w| windows.holds_row(w, row));
            let first = (row as usize).wrapping_mul(kernel);
            for column in part.columns.clone().step_by(count.max(1)) {
                let first = first.wrapping_add(column as usize).wrapping_mul(channels);
                if inner {
                    let distance = windows.distance(row, column).wrapping_add(self.inputs.cast_signed());
                    list.push(tile.map(|w| Some(w.start.wrapping_add(distance).cast_unsigned())), first, len)?;
                } else if seen {
                    let tap = |w| windows.tap(w, row, column).map(|tap| tap.wrapping_add(self.inputs));
                    let starts = tile.each_ref().map(tap);
                    if starts.iter().any(Option::is_some) {
                        list.push(starts, first, len)?;
                    }
                }
            }
        }
        Some(())
    }
}

/// Output pixels and the part of y that holds them.
pub(crate) struct Convolution<'a, 'y, W> {
    pub(crate) job: Job<'a, W>,
    pub(crate) pixels: Range<u32>,
    pub(crate) y: &'y mut [f32],
}

impl<W: Load> Kernel for Convolution<'_, '_, W> {
    fn run<S: Simd>(self, simd: S) {
        let Self { job, pixels, mut y } = self;
        if S::LANES == vector_groups::LANES && vector_groups::suit(&job.params.geometry) {
            let Job { params, x, panel, .. } = job;
            return vector_groups::Groups { params, x, panel, pixels, y }.run(simd);
        }
        let most = group(S::LANES, pixels.len());
        for chunk in job.chunks(pixels) {
            let channels = job.params.geometry.out_channels as usize;
            let Some((here, rest)) = y.split_at_mut_checked(chunk.len().wrapping_mul(channels)) else { return };
            for group in 0..job.params.geometry.groups {
                let Some(job) = job.of_group(group) else { return };
                for pass in job.panel.passes(S::LANES, most) {
                    for part in job.parts(S::LANES, pass, chunk.len()) {
                        one_pass(simd, job, (pass, &part), &chunk, here);
                    }
                }
            }
            y = rest;
        }
    }
}

/// All pixels of a chunk, for the channels of a pass and some taps.
fn one_pass<S: Simd, W: Load>(
    simd: S,
    job: Job<'_, W>,
    (pass, part): (Pass, &Part),
    chunk: &Range<u32>,
    y: &mut [f32],
) {
    let g = &job.params.geometry;
    let mut windows = Windows::new(g.rows(), g.columns(), g.in_channels, chunk.start);
    let windows = &mut windows;
    let (mut y, mut left, mut first, mut tile) = (y, chunk.len(), chunk.start as usize, 0usize);
    while left > 0 {
        let (size, count) = next_tiles(sizes(S::LANES, pass.vectors), left);
        enter_tile!(simd, S::LANES, pass.vectors, size, Tiles { job, pass, part, count, tile, first, windows, y });
        let done = size.wrapping_mul(count);
        (first, tile) = (first.wrapping_add(done), tile.wrapping_add(count));
        y = y.get_mut(done.wrapping_mul(g.out_channels as usize)..).unwrap_or_default();
        left = left.wrapping_sub(done);
    }
}

/// The next `count` tiles of `P` pixels, groups of `C` vectors of channels.
struct Tiles<'a, 'w, W, const P: usize, const C: usize> {
    job: Job<'a, W>,
    pass: Pass,
    /// The taps whose products are added.
    part: &'w Part,
    count: usize,
    /// Tiles of these channels before them.
    tile: usize,
    /// The first pixel.
    first: usize,
    windows: &'w mut Windows,
    /// Outputs from the first pixel on.
    y: &'w mut [f32],
}

impl<W: Load, const P: usize, const C: usize> Body for Tiles<'_, '_, W, P, C> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { mut job, pass, part, count, tile, first: mut pixel, windows, y } = self;
        let g = &job.params.geometry;
        let begin = (part.rows.start, part.columns.start) == (0, 0);
        let last = (part.rows.end, part.columns.end) == (g.kernel_height, g.kernel_width);
        if !last {
            (job.panel.low, job.panel.high) = (f32::NEG_INFINITY, f32::INFINITY);
        }
        let channels = job.params.geometry.out_channels as usize;
        let mut copies = job.copied.then(Copies::<P>::new);
        // Weights that every tile reads alone: the first tiles ask for a block each of those of the next group. Where registers
        // are few, another address costs one of the sums.
        let vectors = pass.first.wrapping_add(C);
        let end = vectors.wrapping_add(C).wrapping_mul(S::LANES).min(job.panel.channels);
        let blocks = vectors.wrapping_mul(S::LANES) >> 4..end.div_ceil(16);
        let mut blocks = blocks.filter(|_| pass.count == 1).skip(tile);
        for y in rows_mut(y, channels.wrapping_mul(P)).take(count) {
            let ahead = if S::REGISTERS >= 32 { blocks.next() } else { None };
            let row = if job.pixelwise { None } else { windows.take_inner::<P>() };
            let tile: Option<[Window; P]> = (!job.pixelwise && row.is_none()).then(|| windows.take());
            let border = tile.is_some_and(|tile| tile.iter().any(|window| !window.inner));
            let mut copies = copies.as_mut().filter(|_| border);
            if let (Some(copies), Some(tile)) = (&mut copies, &tile) {
                copies.fill(simd, &job.params.geometry, job.x, windows, tile);
            }
            let mut list = Stretches::<P>::new(copies.as_ref().map_or(job.x, |copies| copies.elements()));
            let products = job.panel.products;
            let filled = match &tile {
                None if job.pixelwise => list.push_rows(pixel.wrapping_mul(products), products, 0, products),
                None => row.and_then(|at| job.fill_inner(windows, part, at, &mut list)),
                Some(_) if copies.is_some() => list.push(Copies::<P>::starts(), 0, job.panel.products),
                Some(tile) => job.fill(windows, part, tile, &mut list),
            };
            if filled.is_none() {
                return;
            }
            pixel = pixel.wrapping_add(P);
            for group in 0..pass.count {
                let first = pass.first.wrapping_add(group.wrapping_mul(C)).wrapping_mul(S::LANES);
                let mut sums = if begin {
                    job.panel.start::<S, P, C>(simd, first)
                } else {
                    job.panel.resume::<S, P, C>(simd, first, channels, y)
                };
                job.panel.add_products(simd, &list, first, ahead, &mut sums);
                job.panel.store(simd, &sums, first, channels, y);
            }
        }
    }
}
