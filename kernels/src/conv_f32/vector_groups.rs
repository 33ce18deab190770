//! Groups of few channels: what a block of outputs reads of a group is copied, padding included, so that the pixels of a
//! tile lie at distances that are known when this is compiled.
//!
//! A group's outputs are one vector, its sums those of many pixels. Every product has an input of its own then: twelve
//! pointers and more do not fit into the registers, a few for whole rows of pixels do.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::ops::Range;

use super::Params;
use crate::geometry::Geometry;
use crate::rows::rows_mut;
use crate::simd::{Body, Load, Simd};
use crate::tiles::Panel;

/// Lanes of the vectors that this is for, and elements of a copied pixel.
pub(super) const LANES: usize = 16;
/// Pixels that are copied for a block: with the weights of a group they stay in the first-level cache.
const PIXELS: usize = 448;
/// Most taps of a kernel, and fewest: each copied pixel has to serve several.
const TAPS: usize = 64;
const FEWEST: usize = 4;
/// Output columns of a tile, and its rows, falling from the most to 1.
type Shape = (u32, &'static [u32]);
/// The shapes: up to 28 sums, a vector of weights and a few addresses fit into the registers.
const SHAPES: [Shape; 6] = [(14, &[2, 1]), (10, &[2, 1]), (8, &[3, 1]), (7, &[4, 3, 1]), (4, &[4, 1]), SINGLE];
/// Pixels one by one, where a range has few of a row.
const SINGLE: Shape = (1, &[1]);

/// Whether a convolution is computed here.
pub(super) fn suit(g: &Geometry) -> bool {
    let taps = (g.kernel_height as usize).saturating_mul(g.kernel_width as usize);
    let few = g.group_inputs() as usize <= LANES && g.group_outputs() as usize <= LANES;
    let dense = g.dilation_height == 1 && g.dilation_width == 1;
    let near = g.stride_height <= g.kernel_height && g.stride_width <= g.kernel_width;
    let block = Block { rows: 0..1, columns: 0..g.out_width.min(14) };
    g.groups > 1
        && few
        && dense
        && near
        && (FEWEST..=TAPS).contains(&taps)
        && g.out_width >= 4
        && block.input(g).pixels() <= PIXELS
}

/// Neighbouring outputs of an image.
#[derive(Clone)]
struct Block {
    rows: Range<u32>,
    columns: Range<u32>,
}

/// What a block reads: rows of columns, those of one remainder by the stride together.
#[derive(Clone, Copy)]
struct Copied {
    rows: usize,
    /// Columns of one remainder.
    apart: usize,
    stride: usize,
}

impl Copied {
    /// Pixels of a row.
    fn row(self) -> usize {
        self.apart.wrapping_mul(self.stride)
    }

    fn pixels(self) -> usize {
        self.rows.saturating_mul(self.row())
    }

    /// The place of a column within a row.
    fn place(self, column: usize) -> usize {
        let (remainder, rank) = (column.checked_rem(self.stride), column.checked_div(self.stride));
        remainder.unwrap_or(0).wrapping_mul(self.apart).wrapping_add(rank.unwrap_or(0))
    }
}

impl Block {
    fn input(&self, g: &Geometry) -> Copied {
        let reach = |outputs: usize, stride: u32, kernel: u32| {
            outputs.saturating_sub(1).saturating_mul(stride as usize).saturating_add(kernel as usize)
        };
        let columns = reach(self.columns.len(), g.stride_width, g.kernel_width);
        let stride = g.stride_width as usize;
        let rows = reach(self.rows.len(), g.stride_height, g.kernel_height);
        Copied { rows, apart: columns.div_ceil(stride.max(1)), stride }
    }
}

/// The shape of the tiles for so many output columns: the one with fewest columns computed twice, of those the largest.
fn shape(columns: u32) -> Shape {
    let computed = |width: u32| columns.div_ceil(width.max(1)).wrapping_mul(width);
    let fitting = SHAPES.into_iter().filter(|(width, _)| *width <= columns);
    fitting
        .min_by_key(|&(width, _)| computed(width).saturating_add(if width == 1 { columns } else { 0 }))
        .unwrap_or(SINGLE)
}

/// Output pixels and the part of y that holds them.
pub(super) struct Groups<'a, 'y, W> {
    pub(super) params: &'a Params,
    pub(super) x: &'a [f32],
    /// The weights of all groups.
    pub(super) panel: Panel<'a, W>,
    pub(super) pixels: Range<u32>,
    pub(super) y: &'y mut [f32],
}

/// Elements that a tile's pixels multiply one after the other: where they begin, and how many they are.
struct Runs {
    all: [(usize, usize); TAPS],
    count: usize,
    /// Input channels of a group.
    inputs: usize,
}

impl Runs {
    /// None yet.
    fn new(inputs: usize) -> Self {
        Self { all: [(0, 0); TAPS], count: 0, inputs }
    }

    /// Adds a tap, whose inputs are those of a copied pixel.
    fn push(&mut self, pixel: usize) {
        let start = pixel.wrapping_mul(LANES);
        let last = self.all.get_mut(self.count.wrapping_sub(1));
        if let Some((_, len)) = last.filter(|(first, len)| first.wrapping_add(*len) == start) {
            *len = len.wrapping_add(self.inputs);
        } else if let Some(run) = self.all.get_mut(self.count) {
            (*run, self.count) = ((start, self.inputs), self.count.wrapping_add(1));
        }
    }
}

/// What lies in whole lines of the cache.
#[repr(align(64))]
struct Lines([[f32; LANES]; PIXELS]);

impl<'a, W: Load> Groups<'a, '_, W> {
    /// All pixels: the rest of a row, whole rows of an image, the start of a row.
    pub(super) fn run<S: Simd>(mut self, simd: S) {
        let g = &self.params.geometry;
        let mut lines = Lines([[0.0; LANES]; PIXELS]);
        let (width, end) = (g.out_width, self.pixels.end);
        let mut first = self.pixels.start;
        while first < end {
            let (row, column) = (first.checked_div(width).unwrap_or(0), first.checked_rem(width).unwrap_or(0));
            let (image, row) = (row.checked_div(g.out_height).unwrap_or(0), row.checked_rem(g.out_height).unwrap_or(0));
            let left = end.wrapping_sub(first);
            let rows = left.checked_div(width).unwrap_or(0).min(g.out_height.wrapping_sub(row));
            let (rows, columns) = if column > 0 || rows == 0 {
                (1, column..column.saturating_add(left).min(width))
            } else {
                (rows, 0..width)
            };
            let done = rows.wrapping_mul(columns.len() as u32);
            self.rectangle(simd, &mut lines, image, Block { rows: row..row.wrapping_add(rows), columns });
            first = first.saturating_add(done.max(1));
        }
    }

    /// Outputs of an image, in blocks whose inputs there is room for.
    fn rectangle<S: Simd>(&mut self, simd: S, lines: &mut Lines, image: u32, all: Block) {
        let g = &self.params.geometry;
        let whole = all.columns.len() as u32;
        let shape @ (width, heights) = shape(whole);
        let high = heights.first().copied().unwrap_or(1).min(all.rows.len() as u32);
        let fits = |rows: u32, columns: u32| Block { rows: 0..rows, columns: 0..columns }.input(g).pixels() <= PIXELS;
        // As many tiles side by side as fit with all their rows, then as many rows.
        let tiles = (1..=whole.div_ceil(width.max(1))).rev().find(|&n| fits(high, n.wrapping_mul(width).min(whole)));
        let columns = tiles.unwrap_or(1).wrapping_mul(width).min(whole);
        let mut rows = if fits(high, columns) { high } else { 1 };
        while (rows as usize) < all.rows.len() && fits(rows.wrapping_add(high), columns) {
            rows = rows.wrapping_add(high);
        }
        let mut row = all.rows.start;
        while row < all.rows.end {
            let next_row = row.saturating_add(rows).min(all.rows.end);
            let mut column = all.columns.start;
            while column < all.columns.end {
                let next = column.saturating_add(columns).min(all.columns.end);
                // A last block of less than a tile begins earlier.
                let first = next.saturating_sub(width).min(column).max(all.columns.start);
                self.block(simd, lines, image, &Block { rows: row..next_row, columns: first..next }, shape);
                column = next;
            }
            row = next_row;
        }
    }

    /// Outputs whose inputs there is room for, of all groups.
    fn block<S: Simd>(&mut self, simd: S, lines: &mut Lines, image: u32, block: &Block, (width, heights): Shape) {
        let g = &self.params.geometry;
        let copied = block.input(g);
        let mut runs = Runs::new(g.group_inputs() as usize);
        for row in 0..g.kernel_height as usize {
            for column in 0..g.kernel_width as usize {
                runs.push(row.wrapping_mul(copied.row()).wrapping_add(copied.place(column)));
            }
        }
        let runs = &runs;
        for group in 0..g.groups {
            let Some(panel) = self.of_group(group) else { return };
            let x = self.x;
            let (mut row, mut there) = (0u32, 0usize);
            while (row as usize) < block.rows.len() {
                let left = (block.rows.len() as u32).wrapping_sub(row);
                let high = heights.iter().copied().find(|&high| high <= left).unwrap_or(1);
                // What these rows read more than those before them.
                let rows = Block { rows: 0..row.wrapping_add(high), columns: 0..1 }.input(g).rows;
                simd.enter(Gather { g, x, group, image, block, copied, rows: there..rows, lines });
                there = rows;
                let line = image.wrapping_mul(g.out_height).wrapping_add(block.rows.start).wrapping_add(row);
                let pixel = line.wrapping_mul(g.out_width).wrapping_add(block.columns.start);
                let Some(pixel) = pixel.checked_sub(self.pixels.start) else { return };
                let start = (pixel as usize).wrapping_mul(g.out_channels as usize);
                let Some(y) = self.y.get_mut(start..) else { return };
                let first = (row as usize).wrapping_mul(g.stride_height as usize).wrapping_mul(copied.row());
                let copies = lines.0.as_flattened().get(first.wrapping_mul(LANES)..).unwrap_or_default();
                let down = copied.row().wrapping_mul(g.stride_height as usize).wrapping_mul(LANES);
                enter_shape!(
                    simd,
                    (high, width),
                    Tiles { g, x: copies, down, runs, panel, columns: block.columns.len(), y }
                );
                row = row.wrapping_add(high);
            }
        }
    }

    /// The weights of a group.
    fn of_group(&self, group: u32) -> Option<Panel<'a, W>> {
        let (group, mut panel) = (group as usize, self.panel);
        let part = |len: usize| group.wrapping_mul(len)..group.wrapping_add(1).wrapping_mul(len);
        panel.weights = panel.weights.get(part(panel.products.wrapping_mul(LANES)))?;
        panel.bias = panel.bias.get(part(panel.channels)).unwrap_or_default();
        panel.before = group.wrapping_mul(panel.channels);
        Some(panel)
    }
}

/// Enters [`Tiles`] of a shape of [`SHAPES`].
macro_rules! enter_shape {
    ($simd:ident, $shape:expr, $body:ident $fields:tt) => {
        enter_shape!(@ $simd, $shape, $body $fields,
            (1, 14) (2, 14) (1, 10) (2, 10) (1, 8) (3, 8) (1, 7) (3, 7) (4, 7) (1, 4) (4, 4) (1, 1))
    };
    (@ $simd:ident, $shape:expr, $body:ident $fields:tt, $(($rows:literal, $columns:literal))*) => {
        match $shape {
            $(($rows, $columns) => enter_shape!(@@ $simd, $body, $rows, $columns, $fields),)*
            _ => {}
        }
    };
    (@@ $simd:ident, $body:ident, $rows:literal, $columns:literal, { $($field:tt)* }) => {
        $simd.enter($body::<_, $rows, $columns> { $($field)* })
    };
}
use enter_shape;

/// Copies what a block reads of a group; zeros for the padding.
struct Gather<'a> {
    g: &'a Geometry,
    x: &'a [f32],
    group: u32,
    image: u32,
    block: &'a Block,
    copied: Copied,
    /// Rows of what the block reads.
    rows: Range<usize>,
    lines: &'a mut Lines,
}

impl Body for Gather<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { g, x, group, image, block, copied, rows, lines } = self;
        let (channels, inputs) = (g.in_channels as usize, g.group_inputs() as usize);
        let (top, left) = (g.rows().start(block.rows.start), g.columns().start(block.columns.start));
        let before = (group as usize).wrapping_mul(inputs);
        let image = (image as usize).wrapping_mul(g.in_height as usize);
        let line = (g.in_width as usize).wrapping_mul(channels);
        let step = copied.stride.wrapping_mul(channels);
        for (row, to) in rows_mut(&mut lines.0, copied.row()).enumerate().take(rows.end).skip(rows.start) {
            let row = top.wrapping_add(row as i32).cast_unsigned();
            let start = image.wrapping_add(row as usize).wrapping_mul(line);
            let from = x.get(start..start.wrapping_add(line)).filter(|_| row < g.in_height).unwrap_or_default();
            for (remainder, to) in rows_mut(to, copied.apart).enumerate() {
                let (skip, first) = skipped(left.wrapping_add(remainder as i32), copied.stride);
                let from = from.get(first.wrapping_mul(channels).wrapping_add(before)..).unwrap_or_default();
                copy(simd, from, (step, inputs), to, skip);
            }
        }
    }
}

/// How many columns, each `stride` further than the one before, lie before the input where the first is `start`, and the one
/// behind them.
fn skipped(start: i32, stride: usize) -> (usize, usize) {
    let outside = start.min(0).unsigned_abs() as usize;
    let skip = outside.div_ceil(stride.max(1));
    (skip, (start as isize).wrapping_add(skip.wrapping_mul(stride).cast_signed()).cast_unsigned())
}

/// Copies the first `len` elements of every `step` of them; zeros for the first `skip` pixels and behind the end.
#[inline(always)]
fn copy<S: Simd>(simd: S, from: &[f32], (step, len): (usize, usize), to: &mut [[f32; LANES]], skip: usize) {
    let there = from.len().wrapping_add(step).wrapping_sub(len).checked_div(step).unwrap_or(0);
    let there = if from.len() < len { 0 } else { there };
    let (before, rest) = to.split_at_mut(skip.min(to.len()));
    let (inside, behind) = rest.split_at_mut(there.min(rest.len()));
    before.fill([0.0; LANES]);
    behind.fill([0.0; LANES]);
    let mut at = from.as_ptr();
    if len == LANES && S::LANES == LANES {
        for to in inside {
            // SAFETY: `there` pixels of that many elements begin in the input, and a vector fills a copied one.
            unsafe { simd.store(to.as_mut_ptr(), simd.load(at)) };
            at = at.wrapping_add(step);
        }
    } else if S::LANES == LANES {
        for to in inside {
            // SAFETY: as above; as many elements are loaded as there are.
            unsafe { simd.store(to.as_mut_ptr(), simd.load_first(at, len.min(LANES))) };
            at = at.wrapping_add(step);
        }
    }
}

/// `R` rows of a block, tiles of `Q` columns one beside the other; the last one ends with the block.
struct Tiles<'a, W, const R: usize, const Q: usize> {
    g: &'a Geometry,
    /// Copied inputs of the first row on.
    x: &'a [f32],
    /// Elements from an output row's inputs to those of the next.
    down: usize,
    runs: &'a Runs,
    panel: Panel<'a, W>,
    columns: usize,
    /// Outputs of the first pixel on.
    y: &'a mut [f32],
}

impl<W: Load, const R: usize, const Q: usize> Body for Tiles<'_, W, R, Q> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { g, x, down, runs, panel, columns, y } = self;
        let channels = g.out_channels as usize;
        let line = (g.out_width as usize).wrapping_mul(channels);
        let mut done = 0usize;
        while done < columns {
            let first = columns.saturating_sub(Q).min(done);
            let Some(x) = x.get(first.wrapping_mul(LANES)..) else { return };
            let sums = add_products::<S, W, R, Q>(simd, &panel, x, down, runs);
            let mut y = y.get_mut(first.wrapping_mul(channels)..).unwrap_or_default();
            for sums in &sums {
                panel.store(simd, sums, 0, channels, y);
                y = y.get_mut(line..).unwrap_or_default();
            }
            done = first.wrapping_add(Q);
        }
    }
}

/// The sums of a tile: all products of its taps, whose inputs begin at these places.
#[inline(always)]
fn add_products<S: Simd, W: Load, const R: usize, const Q: usize>(
    simd: S,
    panel: &Panel<'_, W>,
    x: &[f32],
    down: usize,
    runs: &Runs,
) -> [[[S::F32; 1]; Q]; R] {
    let mut sums = [panel.start::<S, Q, 1>(simd, 0); R];
    let reach = R.wrapping_sub(1).wrapping_mul(down).wrapping_add(Q.wrapping_sub(1).wrapping_mul(LANES));
    let mut weights = panel.weights;
    for &(start, len) in runs.all.get(..runs.count).unwrap_or_default() {
        let part = x.get(start..start.wrapping_add(reach).wrapping_add(len));
        let (Some(part), Some((here, rest))) = (part, weights.split_at_checked(len.wrapping_mul(LANES))) else {
            return sums;
        };
        weights = rest;
        let mut rows = [part.as_ptr(); R];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = row.wrapping_add(r.wrapping_mul(down));
        }
        for k in 0..len {
            // SAFETY: a run has 16 weights for each of its elements.
            let w = unsafe { W::load(simd, here.as_ptr().add(k.wrapping_mul(LANES))) };
            for (sums, row) in sums.iter_mut().zip(rows) {
                for (q, [sum]) in sums.iter_mut().enumerate() {
                    // SAFETY: the part holds `R` rows at that distance, of `Q` pixels of 16 elements, of which `len` are left.
                    let x = simd.splat(unsafe { *row.add(q.wrapping_mul(LANES)).add(k) });
                    *sum = simd.fma(x, w, *sum);
                }
            }
        }
    }
    sums
}
