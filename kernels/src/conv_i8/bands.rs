//! What a variant that reads rows of input in place needs: the output cut into bands, beneath each of which lies a rectangle
//! of input with its padding, in memory near the core.
//!
//! Every input byte is copied once for a band, not once for every tap that sees it. All windows of a band then lie inside
//! and look alike: what differs is where they begin. All channels of a band are computed before the next one comes.

use core::mem::MaybeUninit;

pub(crate) use super::lines::BYTES;
pub(super) use super::lines::ROOM;
use super::lines::{OVER, Shape};
use super::span::Span;
use super::{Operands, Params, layout, pack};
use crate::pixels::{Pixels, place};

/// Memory of a band's input, aligned to cache lines.
#[repr(align(64))]
pub(crate) struct Memory<const N: usize>(pub(crate) [MaybeUninit<u8>; N]);

impl<const N: usize> Memory<N> {
    pub(crate) const fn new() -> Self {
        Self([MaybeUninit::uninit(); N])
    }
}

/// A convolution whose operands fit, with weights in rows of taps filled up to fours.
pub(super) struct Job<'a> {
    pub(super) params: &'a Params,
    pub(super) operands: &'a Operands<'a>,
    shape: Shape,
    /// Output channels.
    pub(super) channels: usize,
    /// Bytes of weights from one block of 16 channels to the next.
    pub(super) block: usize,
    /// The bits in which the inputs differ from their copies.
    flip: u8,
    /// Bytes of memory for a band's input.
    room: usize,
    /// The pixels that are left.
    next: u32,
    end: u32,
}

/// Output pixels that follow each other, and the input beneath them in lines.
pub(super) struct Band {
    /// How many.
    pub(super) pixels: usize,
    /// Bytes of a line, and from a tap to the one below it.
    line: usize,
    tap_below: usize,
    /// Lines, and input rows from each to the next.
    lines: u32,
    every: u32,
    /// The input image, and the row and the column at the start of the first line; negative in the padding.
    image: u32,
    row: i32,
    column: i32,
    /// The first window's column, of which there are so many.
    pub(super) window: u32,
    pub(super) windows: u32,
}

/// The outputs of a band's pixels, which are `pitch` apart, and those of the pixels behind it.
pub(super) fn outputs_of(pixels: usize, pitch: usize, y: &mut [i8]) -> (&mut [i8], &mut [i8]) {
    let end = pixels.wrapping_mul(pitch).min(y.len());
    y.split_at_mut_checked(end).unwrap_or_default()
}

/// The taps of a window: rows of them, with `runs` stretches of `steps` fours each.
pub(crate) struct Taps {
    pub(crate) rows: u32,
    pub(crate) row_step: usize,
    pub(crate) runs: u32,
    pub(crate) run_step: usize,
    pub(crate) steps: usize,
}

impl Shape {
    /// Bytes of a line under `count` windows, with what the fours of the last one reach beyond it.
    fn line(&self, count: u32) -> usize {
        let bytes = (Self::extent(&self.columns, count) as usize).saturating_mul(self.inputs as usize);
        if self.inputs.is_multiple_of(4) { bytes } else { bytes.saturating_add(OVER) }
    }
}

impl<'a> Job<'a> {
    /// `flip`: the bits in which the inputs differ from their copies in a band, for which there are `room` bytes, at least
    /// [`BYTES`].
    pub(super) fn new(params: &'a Params, operands: &'a Operands<'a>, pixels: &Pixels, flip: u8, room: usize) -> Self {
        let g = &params.geometry;
        let depth = pack::depth(g, params.layout).unwrap_or(0) as usize;
        Self {
            params,
            operands,
            shape: Shape::new(g),
            channels: g.out_channels as usize,
            block: depth.wrapping_mul(16).wrapping_add(pack::head(params.layout)),
            flip,
            room,
            next: pixels.start,
            end: pixels.end,
        }
    }

    /// The next band: as many whole rows of the output as there is room for, or a part of one.
    pub(super) fn next(&mut self) -> Option<Band> {
        let Shape { rows, columns, .. } = self.shape;
        let left = self.end.checked_sub(self.next).filter(|&left| left > 0)?;
        let [image, row, window] = place(self.next, rows.output, columns.output);
        let (line, extent) = (self.shape.line(columns.output), Shape::extent(&rows, 1));
        let room = self.room.checked_div(line).unwrap_or(0).min(1 << 20) as u32;
        let whole = room.checked_sub(extent).and_then(|more| more.checked_div(rows.stride));
        let band = if let Some(more) = whole {
            let most = more.saturating_add(1).min(rows.output.wrapping_sub(row));
            let pixels = most.saturating_mul(columns.output).wrapping_sub(window).min(left);
            let last = window.wrapping_add(pixels).wrapping_sub(1).checked_div(columns.output).unwrap_or(0);
            Band {
                pixels: pixels as usize,
                line,
                tap_below: line.wrapping_mul(rows.dilation as usize),
                lines: Shape::extent(&rows, last.wrapping_add(1)),
                every: 1,
                image,
                row: rows.start(row),
                column: columns.start(0),
                window,
                windows: columns.output,
            }
        } else {
            let pixels = self.shape.part(self.room).min(columns.output.wrapping_sub(window)).min(left);
            let line = self.shape.line(pixels);
            Band {
                pixels: pixels as usize,
                line,
                tap_below: line,
                lines: rows.kernel,
                every: rows.dilation,
                image,
                row: rows.start(row),
                column: columns.start(window),
                window: 0,
                windows: pixels,
            }
        };
        self.next = self.next.wrapping_add(band.pixels as u32);
        (band.pixels > 0).then_some(band)
    }

    /// Brings the input of a band into memory; `copy` copies as many bytes as there are.
    #[inline(always)]
    pub(super) fn fill(
        &self,
        band: &Band,
        memory: &mut [MaybeUninit<u8>],
        copy: impl Fn(&[i8], &mut [MaybeUninit<u8>]),
    ) {
        let Shape { rows, columns, inputs } = self.shape;
        let inputs = inputs as usize;
        let padding = (self.params.input_zero_point as i8).cast_unsigned() ^ self.flip;
        let width = (columns.input as usize).wrapping_mul(inputs);
        // The first input column of a line, and what stands before it.
        let first = (band.column.max(0) as usize).wrapping_mul(inputs);
        let before = (band.column.min(0).unsigned_abs() as usize).wrapping_mul(inputs);
        let extent = Shape::extent(&rows, 1);
        for (k, line) in (0..band.lines).zip(crate::rows::rows_mut(memory, band.line)) {
            if band.every == 1 && k.checked_rem(rows.stride).is_none_or(|k| k >= extent) {
                // No window sees it.
                continue;
            }
            let row = band.row.wrapping_add(k.wrapping_mul(band.every).cast_signed()).cast_unsigned();
            let start = (band.image as usize).wrapping_mul(rows.input as usize).wrapping_add(row as usize);
            let start = start.wrapping_mul(width);
            let x = self.operands.x.get(start..start.wrapping_add(width)).filter(|_| row < rows.input);
            let x = x.and_then(|x| x.get(first..)).unwrap_or_default();
            let before = if x.is_empty() { line.len() } else { before.min(line.len()) };
            let Some((left, line)) = line.split_at_mut_checked(before) else { return };
            let inside = x.len().min(line.len());
            let Some((inner, right)) = line.split_at_mut_checked(inside) else { return };
            copy(x.get(..inside).unwrap_or_default(), inner);
            for beside in [left, right] {
                beside.iter_mut().for_each(|to| _ = to.write(padding));
            }
        }
    }

    /// The input itself, where it is a band's only line, and can be read `row` bytes from the last window on.
    #[cfg(feature = "std")]
    pub(super) fn in_place(&self, band: &Band, row: usize) -> Option<*const i8> {
        let Shape { rows, columns, inputs } = self.shape;
        let alone =
            (rows.input, rows.kernel, rows.pad, columns.kernel, columns.stride, columns.pad) == (1, 1, 0, 1, 1, 0);
        let inputs = inputs as usize;
        let first = (band.column as usize).wrapping_mul(inputs);
        let last = (band.windows as usize).wrapping_sub(1).wrapping_mul(inputs);
        let end = first.wrapping_add(last).wrapping_add(row);
        self.operands.x.get(first..end).filter(|_| alone && band.image == 0).map(<[i8]>::as_ptr)
    }

    /// Bytes from window to window, and from a row of them to the next.
    #[cfg(feature = "std")]
    pub(super) fn steps(&self, band: &Band) -> (usize, usize) {
        let Shape { rows, columns, inputs } = self.shape;
        ((columns.stride as usize).wrapping_mul(inputs as usize), band.line.wrapping_mul(rows.stride as usize))
    }

    /// Tiles of a row of taps, and fours of each, with weights in O16A4.
    #[cfg(feature = "std")]
    pub(super) fn tiles(&self) -> (usize, usize) {
        let Shape { columns, inputs, .. } = self.shape;
        let (tiles, fours) = pack::tiles(columns.kernel.wrapping_mul(inputs));
        (tiles as usize, fours as usize)
    }

    /// The inputs of a block of channels, where these are not all inputs.
    pub(super) fn span(&self) -> Option<Span> {
        Span::of(&self.params.geometry).filter(|_| self.params.layout == layout::O16G4)
    }

    /// The taps of the windows of a band.
    pub(super) fn taps(&self, band: &Band) -> Taps {
        let Shape { rows, columns, inputs } = self.shape;
        let (inputs, kernel) = (inputs as usize, columns.kernel as usize);
        let (runs, steps) = if let Some(span) = self.span() {
            (columns.kernel, span.inputs.div_ceil(4))
        } else if columns.dilation == 1 {
            (1, inputs.wrapping_mul(kernel).div_ceil(4))
        } else {
            (columns.kernel, inputs.div_ceil(4))
        };
        let run_step = inputs.wrapping_mul(columns.dilation as usize);
        Taps { rows: rows.kernel, row_step: band.tap_below, runs, run_step, steps }
    }

    /// Where the windows of a band begin, in order.
    pub(super) fn windows(&self, band: &Band) -> Windows {
        let Shape { rows, columns, inputs } = self.shape;
        let step = (columns.stride as usize).wrapping_mul(inputs as usize);
        let start = (band.window as usize).wrapping_mul(step);
        let line_step = band.line.wrapping_mul(rows.stride as usize);
        Windows { start, step, left: band.windows.wrapping_sub(band.window), windows: band.windows, line: 0, line_step }
    }
}

/// Walks the windows of a band.
#[derive(Clone)]
pub(crate) struct Windows {
    start: usize,
    step: usize,
    /// Windows left in this row, and windows of a row.
    left: u32,
    windows: u32,
    /// Where this row begins, and from there to the next one.
    line: usize,
    line_step: usize,
}

impl Windows {
    /// Windows of one row without end, so far apart.
    pub(crate) fn row(start: usize, step: usize) -> Self {
        Self { start, step, left: u32::MAX, windows: u32::MAX, line: 0, line_step: 0 }
    }

    /// The next `P` ones: where they begin.
    #[inline(always)]
    pub(super) fn take<const P: usize>(&mut self) -> [usize; P] {
        let mut all = [self.start; P];
        if self.left as usize > P {
            // In one row, whose end is not reached.
            for start in &mut all {
                *start = self.start;
                self.start = self.start.wrapping_add(self.step);
            }
            self.left = self.left.wrapping_sub(P as u32);
        } else {
            for start in &mut all {
                *start = self.next();
            }
        }
        all
    }

    /// The next one.
    #[inline(always)]
    fn next(&mut self) -> usize {
        let here = self.start;
        (self.start, self.left) = (here.wrapping_add(self.step), self.left.wrapping_sub(1));
        if self.left == 0 {
            self.line = self.line.wrapping_add(self.line_step);
            (self.start, self.left) = (self.line, self.windows);
        }
        here
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout;
    use super::super::lines::holds;
    use super::*;
    use crate::geometry::Geometry;
    use crate::round::Output;
    use crate::samples::{convolutions, cuts, each_tap, pixels};
    use std::vec::Vec;

    /// Geometries whose rows do not all fit, and one that skips rows of input.
    fn large() -> Vec<Geometry> {
        let small = Geometry { batch: 1, in_height: 9, out_height: 9, ..convolutions()[5] };
        let wide = Geometry { in_channels: 76, in_width: 300, out_width: 300, ..small };
        let apart = Geometry { dilation_height: 3, dilation_width: 2, pad_top: 3, pad_left: 2, ..wide };
        let skips = Geometry { stride_height: 3, out_height: 3, kernel_height: 1, pad_top: 0, ..small };
        std::vec![wide, apart, skips]
    }

    #[test]
    fn windows_of_bands_are_those_of_the_definition() {
        for g in convolutions().into_iter().chain(large()).filter(holds) {
            let output = Output { zero_point: 0, low: -128, high: 127 };
            let params = Params { geometry: g, input_zero_point: 5, output, layout: layout::O16R4 };
            let x: Vec<i8> = (0..g.inputs().unwrap()).map(|k| (k % 251) as i8).collect();
            let operands = Operands { x: &x, weights: &[], bias: &[], multipliers: &[], table: None };
            let all: Vec<_> = pixels(g.batch, g.out_height, g.out_width).collect();
            for cut in cuts(all.len() as u32) {
                let mut job = Job::new(&params, &operands, &cut, 0x80, BYTES);
                let (mut memory, mut next) = (Memory::<BYTES>([MaybeUninit::new(0); BYTES]), cut.start as usize);
                while let Some(band) = job.next() {
                    job.fill(&band, &mut memory.0, |from, to| {
                        to.iter_mut().zip(from).for_each(|(to, &from)| _ = to.write(from as u8 ^ 0x80));
                    });
                    let (taps, mut windows) = (job.taps(&band), job.windows(&band));
                    for &place in &all[next..next + band.pixels] {
                        let [start] = windows.take();
                        let mut pixel_of = std::vec![None; (g.kernel_height * g.kernel_width) as usize];
                        each_tap(&g, place, |tap, pixel| pixel_of[tap] = Some(pixel * g.in_channels as usize));
                        for (tap, pixel) in pixel_of.into_iter().enumerate() {
                            let (kh, kw) = (tap / g.kernel_width as usize, tap % g.kernel_width as usize);
                            let column = if taps.runs == 1 { g.in_channels as usize } else { taps.run_step };
                            let first = start + kh * taps.row_step + kw * column;
                            let want = |c: usize| pixel.map_or(5, |pixel| x[pixel + c]) as u8 ^ 0x80;
                            for (c, byte) in memory.0[first..].iter().take(g.in_channels as usize).enumerate() {
                                // SAFETY: all of the memory has been written at the start.
                                #[allow(unsafe_code)]
                                let byte = unsafe { byte.assume_init() };
                                assert_eq!(byte, want(c), "{place:?} {tap} {c} {g:?}");
                            }
                        }
                        let last = start + (taps.rows as usize - 1) * taps.row_step;
                        let end = last + (taps.runs as usize - 1) * taps.run_step + 4 * taps.steps;
                        assert!(end <= band.line * band.lines as usize, "{g:?}");
                    }
                    next += band.pixels;
                }
                assert_eq!(next, cut.end as usize, "{g:?}");
            }
        }
    }
}
