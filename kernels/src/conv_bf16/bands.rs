//! The output cut into bands, beneath each of which lies a rectangle of input with its padding, rounded, in memory near the
//! core: every input is rounded once for a band, not once for every tap that sees it.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::{Operands, Params};
use crate::geometry::{Axis, Geometry};
use crate::pixels::place;
use crate::rows::rows_mut;

/// Inputs of a band: as f32 they fill a fraction of a second-level cache.
const INPUTS: usize = 48 << 10;
/// Pixels of which a part of a row holds a multiple, where it holds more: those of whole tiles.
const TILES: u32 = 24;

/// Memory of the inputs of a band, of which an element holds one or more.
#[repr(align(64))]
pub(super) struct Memory<T, const ELEMENTS: usize>([MaybeUninit<T>; ELEMENTS]);

/// Memory in which every input has an element of its own.
pub(super) type Floats = Memory<f32, INPUTS>;
/// Memory in which two inputs share an element.
#[cfg(target_arch = "x86_64")]
pub(super) type Pairs = Memory<u32, { INPUTS / 2 }>;

impl<T, const ELEMENTS: usize> Memory<T, ELEMENTS> {
    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; ELEMENTS])
    }
}

/// Rows and columns of windows over an input of so many channels.
struct Shape {
    rows: Axis,
    columns: Axis,
    inputs: u32,
}

/// Input positions from the first to the last that `count` windows see, both counted.
fn extent(axis: &Axis, count: u32) -> u32 {
    let taps = axis.kernel.saturating_sub(1).saturating_mul(axis.dilation);
    count.saturating_sub(1).saturating_mul(axis.stride).saturating_add(taps).saturating_add(1)
}

impl Shape {
    fn new(g: &Geometry) -> Self {
        let (rows, columns, inputs) = (g.rows(), g.columns(), g.in_channels);
        let same = |axis: &Axis| (axis.kernel, axis.stride, axis.pad) == (1, 1, 0) && axis.input == axis.output;
        if same(&rows) && same(&columns) {
            // All pixels are one row.
            let all = g.batch.saturating_mul(rows.input).saturating_mul(columns.input);
            let (rows, columns) = (Axis { input: 1, output: 1, ..rows }, Axis { input: all, output: all, ..columns });
            return Self { rows, columns, inputs };
        }
        Self { rows, columns, inputs }
    }

    /// Inputs beneath so many rows and columns of windows.
    fn room(&self, rows: u32, columns: u32) -> u64 {
        let pixels = u64::from(extent(&self.rows, rows)).saturating_mul(extent(&self.columns, columns).into());
        pixels.saturating_mul(self.inputs.into())
    }

    /// The most, from 1 to `all`, for which `room` has enough; 0 where there is not enough for one.
    fn most(all: u32, room: impl Fn(u32) -> u64) -> u32 {
        let (mut fits, mut end) = (0u32, all);
        while fits < end {
            let middle = end.wrapping_sub(end.wrapping_sub(fits) / 2);
            if room(middle) <= INPUTS as u64 {
                fits = middle;
            } else {
                end = middle.wrapping_sub(1);
            }
        }
        fits
    }
}

/// Whether a window fits into the memory of a band.
pub(super) fn holds(g: &Geometry) -> bool {
    Shape::new(g).room(1, 1) <= INPUTS as u64
}

/// Rows of windows, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Band {
    /// A convolution without padding whose input is the rectangle.
    pub(super) geometry: Geometry,
    /// The input image, and the row and the column of the rectangle's first pixel; negative in the padding.
    image: u32,
    row: i32,
    column: i32,
}

/// The bands of a range of output pixels.
pub(super) struct Bands<'a> {
    params: &'a Params,
    shape: Shape,
    /// Rows of windows that a band has room for, and windows of a part of a row.
    rows: u32,
    part: u32,
    /// The pixels that are left.
    left: Range<u32>,
}

impl<'a> Bands<'a> {
    pub(super) fn new(params: &'a Params, pixels: &Range<u32>) -> Self {
        let shape = Shape::new(&params.geometry);
        let rows = Shape::most(shape.rows.output, |rows| shape.room(rows, shape.columns.output));
        let part = Shape::most(shape.columns.output, |columns| shape.room(1, columns));
        let part = if part > TILES { part.wrapping_sub(part % TILES) } else { part };
        Self { params, shape, rows, part, left: pixels.clone() }
    }

    /// The next band: as many whole rows as there is room for, or a part of one.
    pub(super) fn next(&mut self) -> Option<Band> {
        let Shape { rows, columns, inputs } = self.shape;
        let [image, row, column] = place(self.left.start, rows.output, columns.output);
        let left = self.left.end.saturating_sub(self.left.start);
        let whole = left.checked_div(columns.output).unwrap_or(0);
        let whole = whole.min(self.rows).min(rows.output.wrapping_sub(row));
        let (out_height, out_width) = if column == 0 && whole > 0 {
            (whole, columns.output)
        } else {
            (1, self.part.min(columns.output.wrapping_sub(column)).min(left))
        };
        let pixels = out_height.wrapping_mul(out_width);
        self.left.start = self.left.start.saturating_add(pixels);
        let geometry = Geometry {
            batch: 1,
            in_height: extent(&rows, out_height),
            in_width: extent(&columns, out_width),
            in_channels: inputs,
            out_height,
            out_width,
            pad_top: 0,
            pad_left: 0,
            ..self.params.geometry
        };
        let band = Band { geometry, image, row: rows.start(row), column: columns.start(column) };
        (pixels > 0).then_some(band)
    }

    /// Brings the input of a band into memory, zeros for padding, and returns it; an element holds `per` inputs of a row.
    #[inline(always)]
    pub(super) fn fill<'m, T: Default, const ELEMENTS: usize>(
        &self,
        band: &Band,
        operands: &Operands<'_>,
        memory: &'m mut Memory<T, ELEMENTS>,
        per: usize,
        copy: impl Fn(&[f32], &mut [MaybeUninit<T>]),
    ) -> &'m [MaybeUninit<T>] {
        let Shape { rows, columns, inputs } = self.shape;
        let elements = |pixels: u32| (pixels as usize).wrapping_mul(inputs as usize);
        let within = |n: usize| n.checked_div(per).unwrap_or(0);
        let width = elements(columns.input);
        let first = elements(band.column.max(0).cast_unsigned());
        let before = elements(band.column.min(0).unsigned_abs());
        let line = within(elements(band.geometry.in_width));
        let lines = rows_mut(&mut memory.0, line);
        for (k, line) in (0..band.geometry.in_height).zip(lines) {
            let row = band.row.wrapping_add(k.cast_signed()).cast_unsigned();
            let start = (band.image as usize).wrapping_mul(rows.input as usize).wrapping_add(row as usize);
            let start = start.wrapping_mul(width);
            let x = operands.x.get(start..start.wrapping_add(width)).filter(|_| row < rows.input);
            let x = x.and_then(|x| x.get(first..)).unwrap_or_default();
            let before = if x.is_empty() { line.len() } else { within(before).min(line.len()) };
            let Some((left, line)) = line.split_at_mut_checked(before) else { break };
            let inside = within(x.len()).min(line.len());
            let Some((inner, right)) = line.split_at_mut_checked(inside) else { break };
            copy(x.get(..inside.wrapping_mul(per)).unwrap_or_default(), inner);
            for beside in [left, right] {
                beside.iter_mut().for_each(|to| _ = to.write(T::default()));
            }
        }
        memory.0.get(..line.wrapping_mul(band.geometry.in_height as usize)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{convolutions, cuts, each_tap, pixels};
    use std::vec::Vec;

    /// Geometries whose rows do not all fit, or not even one.
    fn large() -> Vec<Geometry> {
        let small = Geometry { batch: 1, in_height: 9, out_height: 9, ..convolutions()[5] };
        let wide = Geometry { in_channels: 76, in_width: 300, out_width: 300, ..small };
        let apart = Geometry { dilation_height: 3, dilation_width: 2, pad_top: 3, pad_left: 2, ..wide };
        std::vec![wide, apart, Geometry { in_width: 60, out_width: 60, ..wide }]
    }

    #[test]
    fn windows_of_bands_are_those_of_the_definition() {
        for g in convolutions().into_iter().chain(large()) {
            let params = Params { geometry: g, low: 0.0, high: 0.0 };
            let x: Vec<f32> = (0..g.inputs().unwrap()).map(|k| (1 + k % 251) as f32).collect();
            let operands = Operands { x: &x, weights: &[], bias: &[] };
            let all: Vec<_> = pixels(g.batch, g.out_height, g.out_width).collect();
            for cut in cuts(all.len() as u32) {
                let (mut bands, mut next) = (Bands::new(&params, &cut), cut.start as usize);
                let mut memory = Floats::new();
                while let Some(band) = bands.next() {
                    let part = band.geometry;
                    let filled = bands.fill(&band, &operands, &mut memory, 1, |from, to| {
                        to.iter_mut().zip(from).for_each(|(to, &from)| _ = to.write(from));
                    });
                    assert_eq!((part.check(), filled.len()), (true, part.inputs().unwrap() as usize), "{g:?}");
                    let inputs = g.in_channels as usize;
                    for here in pixels(1, part.out_height, part.out_width) {
                        let mut want = std::vec![None; (g.kernel_height * g.kernel_width) as usize];
                        each_tap(&g, all[next], |tap, pixel| want[tap] = Some(pixel));
                        each_tap(&part, here, |tap, pixel| {
                            // SAFETY: the rectangle has been written.
                            #[allow(unsafe_code)]
                            let got = unsafe { filled[pixel * inputs + inputs - 1].assume_init() };
                            let want = want[tap].map_or(0.0, |pixel| x[pixel * inputs + inputs - 1]);
                            assert_eq!(got, want, "{here:?} {tap} {g:?}");
                        });
                        next += 1;
                    }
                }
                assert_eq!(next, cut.end as usize, "{g:?}");
            }
        }
    }

    #[test]
    fn what_is_held_fits() {
        let g = convolutions()[5];
        assert!(holds(&g) && !holds(&Geometry { in_channels: 60_001, ..convolutions()[1] }));
    }
}
