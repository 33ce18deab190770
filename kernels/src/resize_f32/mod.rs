//! Separable resampling of rows and columns:
//! `y[n, i, j, c] = Σ_a Σ_b row_weights[i, a] * column_weights[j, b] * x[n, row_index[i, a], column_index[j, b], c]`.
//!
//! x `[N, H, W, C]`, y `[N, OH, OW, C]`, f32. Nearest is one tap of weight 1 (exact), linear two, cubic four. An index
//! above the input counts as the last. An output differs from the exact sum over `n` taps by at most
//! `(n + 2) * 2^-24 * Σ |row_weight * column_weight * x|`.

mod portable;

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

    fn fits(&self, x: &[f32], rows: &Table<'_>, columns: &Table<'_>, y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        is(x.len(), self.inputs())
            && is(y.len(), self.outputs())
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

/// Resamples. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(_isa: Isa, params: &Params, x: &[f32], rows: Table<'_>, columns: Table<'_>, y: &mut [f32]) {
    if params.fits(x, &rows, &columns, y) {
        portable::run(params, x, rows, columns, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, pixels};
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
