//! Separable resampling of rows and columns:
//! `y[n, i, j, c] = Σ_a Σ_b row_weights[i, a] * column_weights[j, b] * x[n, row_index[i, a], column_index[j, b], c]`.
//!
//! x `[N, H, W, C]`, y `[N, OH, OW, C]`, f32. Nearest is one tap of weight 1 (exact), linear two, cubic four. An index
//! above the input counts as the last. An output differs from the exact sum over `n` taps by at most
//! `(n + 2) * 2^-24 * Σ |row_weight * column_weight * x|`.

mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) mod vector;

use core::ops::Range;

use crate::Isa;
use crate::walk::product;

/// What a resampling is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// N.
    pub batch: u32,
    /// Input rows.
    pub in_height: u32,
    /// Input columns.
    pub in_width: u32,
    /// Output rows.
    pub out_height: u32,
    /// Output columns.
    pub out_width: u32,
    /// Channels.
    pub channels: u32,
    /// Taps of every output row.
    pub row_taps: u32,
    /// Taps of every output column.
    pub column_taps: u32,
}

impl Params {
    /// Elements of x; `None` where a size is zero or the product leaves `i32`.
    pub fn inputs(&self) -> Option<u32> {
        product(&[self.batch, self.in_height, self.in_width, self.channels]).filter(|&n| n > 0)
    }

    /// Elements of y.
    pub fn outputs(&self) -> Option<u32> {
        product(&[self.batch, self.out_height, self.out_width, self.channels]).filter(|&n| n > 0)
    }

    /// Elements of the indices and of the weights of rows.
    pub fn row_table(&self) -> Option<u32> {
        product(&[self.out_height, self.row_taps]).filter(|&n| n > 0)
    }

    /// Elements of the indices and of the weights of columns.
    pub fn column_table(&self) -> Option<u32> {
        product(&[self.out_width, self.column_taps]).filter(|&n| n > 0)
    }

    /// Rows of all outputs.
    pub fn lines(&self) -> Option<u32> {
        product(&[self.batch, self.out_height])
    }

    /// Elements of a row of outputs.
    pub fn line(&self) -> Option<u32> {
        product(&[self.out_width, self.channels]).filter(|&n| n > 0)
    }

    /// Batch element and row of a row among those of all outputs.
    #[inline(always)]
    pub(crate) fn place(&self, line: u32) -> (u32, u32) {
        let (n, row) = (line.checked_div(self.out_height), line.checked_rem(self.out_height));
        (n.unwrap_or(0), row.unwrap_or(0))
    }

    /// Whether these are lengths of x, of the tables and of those rows of y.
    pub(crate) fn fits(&self, x: usize, rows: &Table<'_>, columns: &Table<'_>, lines: &Range<u32>, y: usize) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let part = lines.end.checked_sub(lines.start).and_then(|n| n.checked_mul(self.line()?));
        is(x, self.inputs())
            && self.outputs().is_some()
            && self.lines().is_some_and(|all| lines.end <= all)
            && is(y, part)
            && is(rows.index.len(), self.row_table())
            && is(rows.weights.len(), self.row_table())
            && is(columns.index.len(), self.column_table())
            && is(columns.weights.len(), self.column_table())
    }
}

/// The taps of every output row (or column): `[outputs, taps]` each.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Which input row a tap reads.
    pub index: &'a [u32],
    /// What it is multiplied by.
    pub weights: &'a [f32],
}

impl<'a> Table<'a> {
    /// The taps of an output row (or column), of which each has so many.
    #[inline(always)]
    pub(crate) fn taps(&self, index: u32, count: u32) -> (&'a [u32], &'a [f32]) {
        let (first, count) = ((index as usize).wrapping_mul(count as usize), count as usize);
        let range = first..first.wrapping_add(count);
        (self.index.get(range.clone()).unwrap_or_default(), self.weights.get(range).unwrap_or_default())
    }
}

/// Resamples. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[f32], rows: Table<'_>, columns: Table<'_>, y: &mut [f32]) {
    run_lines(isa, params, x, (rows, columns), 0..params.lines().unwrap_or(0), y);
}

/// Resamples only these rows, numbered over `[N, OH]`; `y` is their part of the output. Within a variant the outputs do not
/// depend on how the rows are cut. Operands of other lengths leave `y` as it is.
pub fn run_lines(
    isa: Isa,
    params: &Params,
    x: &[f32],
    (rows, columns): (Table<'_>, Table<'_>),
    lines: Range<u32>,
    y: &mut [f32],
) {
    if params.fits(x.len(), &rows, &columns, &lines, y.len()) && !fast(isa, params, x, (rows, columns), &lines, y) {
        portable::run(params, x, &rows, &columns, lines, y);
    }
}

/// Resamples with vectors; false where there are none, or too many taps.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn fast(
    isa: Isa,
    params: &Params,
    x: &[f32],
    (rows, columns): (Table<'_>, Table<'_>),
    lines: &Range<u32>,
    y: &mut [f32],
) -> bool {
    let rows = vector::Rows { params, x, rows, columns, way: (), lines: lines.clone(), y };
    rows.fit() && crate::simd::run(isa, rows)
}

/// No vectors for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn fast(_: Isa, _: &Params, _: &[f32], _: (Table<'_>, Table<'_>), _: &Range<u32>, _: &mut [f32]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, cuts, pixels};
    use std::vec::Vec;

    fn battery([h, w, oh, ow, channels, row_taps, column_taps]: [u32; 7], seed: u64) {
        let p = Params {
            batch: 2,
            in_height: h,
            in_width: w,
            out_height: oh,
            out_width: ow,
            channels,
            row_taps,
            column_taps,
        };
        let mut samples = Samples::new(seed);
        let x = samples.floats(p.inputs().unwrap() as usize, -2.0, 2.0);
        let mut table = |n: u32, size: u32| -> (Vec<u32>, Vec<f32>) {
            ((0..n).map(|_| samples.below(size)).collect(), samples.floats(n as usize, -0.5, 1.5))
        };
        let rows = table(p.row_table().unwrap(), h);
        let columns = table(p.column_table().unwrap(), w);
        for isa in Isa::available() {
            let mut y = std::vec![f32::NAN; p.outputs().unwrap() as usize];
            let row_table = Table { index: &rows.0, weights: &rows.1 };
            run(isa, &p, &x, row_table, Table { index: &columns.0, weights: &columns.1 }, &mut y);
            let mut parts = std::vec![f32::NAN; y.len()];
            for lines in cuts(p.lines().unwrap()) {
                let place = |line: u32| (line * p.line().unwrap()) as usize;
                let part = &mut parts[place(lines.start)..place(lines.end)];
                let columns = Table { index: &columns.0, weights: &columns.1 };
                run_lines(isa, &p, &x, (row_table, columns), lines, part);
            }
            assert_eq!(parts, y, "{:?} {p:?}", isa.level());
            let mut outputs = y.iter();
            for [n, i, j] in pixels(2, oh, ow) {
                for c in 0..channels {
                    let (mut sum, mut size) = (0.0, 0.0);
                    for (a, b) in (0..row_taps).flat_map(|a| (0..column_taps).map(move |b| (a, b))) {
                        let (a, b) = ((i * row_taps + a) as usize, (j * column_taps + b) as usize);
                        let at = ((n * h + rows.0[a]) * w + columns.0[b]) * channels + c;
                        let term = f64::from(rows.1[a]) * f64::from(columns.1[b]) * f64::from(x[at as usize]);
                        sum += term;
                        size += term.abs();
                    }
                    let error = f64::from(row_taps * column_taps + 2) * size / f64::from(1 << 24);
                    let y = f64::from(*outputs.next().unwrap());
                    assert!((y - sum).abs() <= error, "{:?} {p:?}: {y} for {sum}", isa.level());
                }
            }
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        let sizes = [
            [1, 1, 1, 1, 1, 1, 1],
            [3, 4, 6, 8, 3, 1, 1],
            [3, 4, 7, 9, 16, 2, 2],
            [9, 8, 4, 3, 17, 4, 4],
            [5, 5, 5, 5, 5, 1, 3],
        ];
        for (k, sizes) in sizes.into_iter().enumerate() {
            battery(sizes, k as u64);
        }
    }

    #[test]
    fn indices_are_held_inside_the_input() {
        let p = Params {
            batch: 1,
            in_height: 2,
            in_width: 2,
            out_height: 1,
            out_width: 1,
            channels: 1,
            row_taps: 1,
            column_taps: 1,
        };
        let far = Table { index: &[u32::MAX], weights: &[1.0] };
        for isa in Isa::available() {
            let mut y = [7.0];
            run(isa, &p, &[1.0, 2.0, 3.0], far, far, &mut y);
            assert_eq!(y, [7.0]);
            run(isa, &p, &[1.0, 2.0, 3.0, 4.0], far, far, &mut y);
            assert_eq!(y, [4.0]);
        }
    }
}
