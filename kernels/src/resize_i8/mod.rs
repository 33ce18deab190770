//! Separable resampling of int8 rows and columns: `y = clamp(rne(Σ_a Σ_b row_weights[i, a] * column_weights[j, b] *
//! (x[n, row_index[i, a], column_index[j, b], c] - zero_point))) + zero_point`, clamped before the rounding.
//!
//! x `[N, H, W, C]`, y `[N, OH, OW, C]`, of one scale and zero point. f32, `a` outside and `b` inside, nothing fused, the
//! product of the weights first; starting at zero. Every variant gives the same bits. An index above the input counts as
//! the last.

mod nearest;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use core::ops::Range;

use crate::Isa;
use crate::resize_f32::Params as Sizes;
pub use crate::resize_f32::Table;
use crate::round::is_i8;

/// What a resampling is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Sizes and numbers of taps.
    pub sizes: Sizes,
    /// Zero point of input and output.
    pub zero_point: i32,
}

impl Params {
    /// Whether the zero point is an int8.
    pub fn check(&self) -> bool {
        is_i8(self.zero_point)
    }
}

/// Resamples. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[i8], rows: Table<'_>, columns: Table<'_>, y: &mut [i8]) {
    run_lines(isa, params, x, (rows, columns), 0..params.sizes.lines().unwrap_or(0), y);
}

/// Resamples only these rows, numbered over `[N, OH]`; `y` is their part of the output. The outputs do not depend on how the
/// rows are cut. Operands of other lengths leave `y` as it is.
pub fn run_lines(
    isa: Isa,
    params: &Params,
    x: &[i8],
    (rows, columns): (Table<'_>, Table<'_>),
    lines: Range<u32>,
    y: &mut [i8],
) {
    if !params.check() || !params.sizes.fits(x.len(), &rows, &columns, &lines, y.len()) {
        return;
    }
    if !nearest::run(params, x, &rows, &columns, &lines, y) && !fast(isa, params, x, (rows, columns), &lines, y) {
        portable::run(params, x, &rows, &columns, lines, y);
    }
}

/// Resamples with vectors; false where there are none, or too many taps.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn fast(
    isa: Isa,
    params: &Params,
    x: &[i8],
    (rows, columns): (Table<'_>, Table<'_>),
    lines: &Range<u32>,
    y: &mut [i8],
) -> bool {
    let (way, lines) = (params.zero_point, lines.clone());
    let rows = crate::resize_f32::vector::Rows { params: &params.sizes, x, rows, columns, way, lines, y };
    rows.fit() && crate::simd::run(isa, rows)
}

/// No vectors for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn fast(_: Isa, _: &Params, _: &[i8], _: (Table<'_>, Table<'_>), _: &Range<u32>, _: &mut [i8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, cuts, pixels};
    use std::vec::Vec;

    fn sizes([h, w, oh, ow, channels, row_taps, column_taps]: [u32; 7]) -> Sizes {
        Sizes { batch: 2, in_height: h, in_width: w, out_height: oh, out_width: ow, channels, row_taps, column_taps }
    }

    fn battery(sizes: Sizes, zero_point: i32, seed: u64) {
        let p = Params { sizes, zero_point };
        let mut samples = Samples::new(seed);
        let x = samples.bytes(sizes.inputs().unwrap());
        let mut table = |n: u32, size: u32| -> (Vec<u32>, Vec<f32>) {
            // Weights in eighths, so that halves occur and every product and sum is exact.
            let weights = (0..n).map(|_| samples.below(13) as f32 / 8.0 - 0.5).collect();
            ((0..n).map(|_| samples.below(size)).collect(), weights)
        };
        let rows = table(sizes.row_table().unwrap(), sizes.in_height);
        let columns = table(sizes.column_table().unwrap(), sizes.in_width);
        for isa in Isa::available() {
            let mut y = std::vec![99; sizes.outputs().unwrap() as usize];
            let row_table = Table { index: &rows.0, weights: &rows.1 };
            run(isa, &p, &x, row_table, Table { index: &columns.0, weights: &columns.1 }, &mut y);
            let mut parts = std::vec![98; y.len()];
            for lines in cuts(sizes.lines().unwrap()) {
                let place = |line: u32| (line * sizes.line().unwrap()) as usize;
                let part = &mut parts[place(lines.start)..place(lines.end)];
                let columns = Table { index: &columns.0, weights: &columns.1 };
                run_lines(isa, &p, &x, (row_table, columns), lines, part);
            }
            assert_eq!(parts, y, "{:?} {p:?}", isa.level());
            let mut outputs = y.iter();
            for [n, i, j] in pixels(2, sizes.out_height, sizes.out_width) {
                for c in 0..sizes.channels {
                    let mut sum = 0.0;
                    for (a, b) in (0..sizes.row_taps).flat_map(|a| (0..sizes.column_taps).map(move |b| (a, b))) {
                        let (a, b) = ((i * sizes.row_taps + a) as usize, (j * sizes.column_taps + b) as usize);
                        let pixel = (n * sizes.in_height + rows.0[a]) * sizes.in_width + columns.0[b];
                        let v = f64::from(x[(pixel * sizes.channels + c) as usize]) - f64::from(zero_point);
                        sum += f64::from(rows.1[a]) * f64::from(columns.1[b]) * v;
                    }
                    let v = sum.max(f64::from(-128 - zero_point)).min(f64::from(127 - zero_point));
                    let want = v.round_ties_even() as i32 + zero_point;
                    assert_eq!(i32::from(*outputs.next().unwrap()), want, "{:?} {p:?}", isa.level());
                }
            }
        }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        let all = [
            [1, 1, 1, 1, 1, 1, 1],
            [3, 4, 6, 8, 3, 1, 1],
            [3, 4, 7, 9, 16, 2, 2],
            [9, 8, 4, 3, 17, 4, 4],
            [5, 5, 5, 5, 5, 1, 3],
            [2, 3, 4, 6, 64, 2, 2],
            [2, 3, 4, 6, 130, 2, 2],
        ];
        for (k, row) in all.into_iter().enumerate() {
            for zero_point in [0, -128, 127, 5] {
                battery(sizes(row), zero_point, k as u64);
            }
        }
    }

    #[test]
    fn nearest_pixels_are_copied() {
        let sizes = sizes([2, 3, 4, 5, 37, 1, 1]);
        let x = Samples::new(5).bytes(sizes.inputs().unwrap());
        let (rows, columns) = ([1, 0, 7, 1], [2, 0, 1, 1, 9]);
        let (row_table, column_table) =
            (Table { index: &rows, weights: &[1.0; 4] }, Table { index: &columns, weights: &[1.0; 5] });
        let mut y = std::vec![99; sizes.outputs().unwrap() as usize];
        run(Isa::PORTABLE, &Params { sizes, zero_point: 5 }, &x, row_table, column_table, &mut y);
        for (y, [n, i, j]) in y.chunks(37).zip(pixels(2, 4, 5)) {
            let pixel = (n * 2 + rows[i as usize].min(1)) * 3 + columns[j as usize].min(2);
            assert_eq!(y, &x[pixel as usize * 37..][..37]);
        }
    }

    #[test]
    fn indices_are_held_inside_the_input() {
        let p = Params { sizes: Sizes { batch: 1, ..sizes([2, 2, 1, 1, 1, 1, 1]) }, zero_point: -3 };
        let far = Table { index: &[u32::MAX], weights: &[1.0] };
        for isa in Isa::available() {
            let mut y = [7];
            run(isa, &p, &[1, 2, 3], far, far, &mut y);
            run(isa, &Params { zero_point: 300, ..p }, &[1, 2, 3, 4], far, far, &mut y);
            assert_eq!(y, [7]);
            run(isa, &p, &[1, 2, 3, 4], far, far, &mut y);
            assert_eq!(y, [4]);
            run(isa, &p, &[1, 2, 3, 4], far, Table { index: &[0], weights: &[f32::NAN] }, &mut y);
            assert_eq!(y, [-128]);
        }
    }
}
