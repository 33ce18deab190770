//! Batched matrix product `y[k] = a[k] · b[k]`: `a` `[rows, inner]`, `b` `[inner, columns]` (or stored `[columns, inner]`),
//! `y` `[rows, columns]`; the batch axes broadcast.
//!
//! An output differs from the exact sum by at most `(inner + 2) * 2^-24 * Σ |a * b|`.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use core::ops::Range;

use crate::half::Weights;
use crate::pixels;
use crate::rows::{rows, rows_mut};
use crate::walk::{product, reach};
use crate::{Isa, gemv};

/// What a product is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Batch sizes of y, outermost first, the unused ones 1.
    pub batch: [u32; 4],
    /// Strides of a in matrices, 0 where it is broadcast.
    pub a_strides: [u32; 4],
    /// Strides of b in matrices, 0 where it is broadcast.
    pub b_strides: [u32; 4],
    /// Rows of a and y.
    pub rows: u32,
    /// Columns of a, rows of b.
    pub inner: u32,
    /// Columns of b and y.
    pub columns: u32,
    /// Whether b is stored `[columns, inner]`.
    pub b_transposed: bool,
}

impl Params {
    /// Elements of a; `None` where a size is zero or something leaves `i32`.
    pub fn a_len(&self) -> Option<u32> {
        product(&[reach(&self.batch, &self.a_strides)?, self.rows, self.inner]).filter(|&n| n > 0)
    }

    /// Elements of b.
    pub fn b_len(&self) -> Option<u32> {
        product(&[reach(&self.batch, &self.b_strides)?, self.inner, self.columns]).filter(|&n| n > 0)
    }

    /// Elements of y.
    pub fn y_len(&self) -> Option<u32> {
        product(&[product(&self.batch)?, self.rows, self.columns]).filter(|&n| n > 0)
    }

    /// Rows of all matrices of y.
    pub fn all_rows(&self) -> Option<u32> {
        product(&[product(&self.batch)?, self.rows])
    }

    fn fits(&self, a: &[f32], b: &[f32], rows: &Range<u32>, y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let counts = is(a.len(), self.a_len()) && is(b.len(), self.b_len()) && self.y_len().is_some();
        counts && pixels::fit(rows, self.all_rows(), self.columns, y.len())
    }
}

/// Multiplies. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, a: &[f32], b: &[f32], y: &mut [f32]) {
    run_rows(isa, params, a, b, 0..params.all_rows().unwrap_or(0), y);
}

/// Computes a range of the rows of y only, counted over all matrices; `y` is that part of the output. A row does not
/// depend on the range that it is computed in: within a variant its bits are the same.
pub fn run_rows(isa: Isa, params: &Params, a: &[f32], b: &[f32], rows: Range<u32>, y: &mut [f32]) {
    if params.fits(a, b, &rows, y) {
        each_matrix(params, a, b, rows, y, |part, a, b, y| one(isa, part, a, b, y));
    }
}

/// One matrix.
fn one(isa: Isa, params: &Params, a: &[f32], b: &[f32], y: &mut [f32]) {
    if isa == Isa::PORTABLE {
        portable::run(params, a, b, y);
    } else if params.b_transposed {
        // Every row of y is a product of the stored matrix and a vector.
        y.fill(0.0);
        for (y, a) in rows_mut(y, params.columns as usize).zip(rows(a, params.inner as usize)) {
            gemv::run(isa, Weights::F32(b), a, y);
        }
    } else if !run_fast(isa, params, a, b, y) {
        portable::run(params, a, b, y);
    }
}

/// Multiplies with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, a: &[f32], b: &[f32], y: &mut [f32]) -> bool {
    avx512::run(isa, params, a, b, y) || crate::simd::run(isa, vector::Product { params, a, b, y })
}

/// Multiplies with the vector variant.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, params: &Params, a: &[f32], b: &[f32], y: &mut [f32]) -> bool {
    crate::simd::run(isa, vector::Product { params, a, b, y })
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_fast(_: Isa, _: &Params, _: &[f32], _: &[f32], _: &mut [f32]) -> bool {
    false
}

/// Cuts a and y into strips of the most rows that are left of `sizes` (falling), single rows at the end.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn strips(p: &Params, a: &[f32], y: &mut [f32], sizes: [u32; 2], mut one: impl FnMut(u32, &[f32], &mut [f32])) {
    let (inner, columns) = (p.inner as usize, p.columns as usize);
    let (mut a, mut y, mut left) = (a, y, p.rows);
    while left > 0 {
        let rows = sizes.into_iter().find(|&size| size <= left).unwrap_or(1);
        let here = (a.split_at_checked(inner.wrapping_mul(rows as usize)), columns.wrapping_mul(rows as usize));
        let Some((a_strip, a_rest)) = here.0 else { return };
        let Some((y_strip, y_rest)) = y.split_at_mut_checked(here.1) else { return };
        one(rows, a_strip, y_strip);
        (a, y, left) = (a_rest, y_rest, left.wrapping_sub(rows));
    }
}

/// Calls `one` with the rows of every matrix of y that lie in the range, and what of a and b they are made of; the
/// parameters have that number of rows.
fn each_matrix(
    p: &Params,
    a: &[f32],
    b: &[f32],
    range: Range<u32>,
    y: &mut [f32],
    mut one: impl FnMut(&Params, &[f32], &[f32], &mut [f32]),
) {
    let (inner, columns) = (p.inner as usize, p.columns as usize);
    let b_size = inner.wrapping_mul(columns);
    let walk = crate::walk::Walk::new(p.batch, [p.a_strides, p.b_strides]);
    let (mut y, mut first) = (y, 0u32);
    for [i, j] in walk {
        let start = range.start.max(first);
        let count = range.end.min(first.wrapping_add(p.rows)).saturating_sub(start);
        if count > 0 {
            let row = (i as usize).wrapping_mul(p.rows as usize).wrapping_add(start.wrapping_sub(first) as usize);
            let (i, j) = (row.wrapping_mul(inner), (j as usize).wrapping_mul(b_size));
            let a = a.get(i..i.wrapping_add((count as usize).wrapping_mul(inner)));
            let b = b.get(j..j.wrapping_add(b_size));
            let part = y.split_at_mut_checked((count as usize).wrapping_mul(columns));
            let (Some(a), Some(b), Some((here, rest))) = (a, b, part) else { return };
            one(&Params { rows: count, ..*p }, a, b, here);
            y = rest;
        }
        first = first.wrapping_add(p.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, cuts_agree};
    use crate::walk::Walk;

    fn params(batch: [u32; 4], rows: u32, inner: u32, columns: u32) -> Params {
        let dense = [batch[1] * batch[2] * batch[3], batch[2] * batch[3], batch[3], 1];
        Params { batch, a_strides: dense, b_strides: dense, rows, inner, columns, b_transposed: false }
    }

    fn battery(p: &Params, seed: u64) {
        let mut samples = Samples::new(seed);
        let a = samples.floats(p.a_len().unwrap() as usize, -1.0, 1.0);
        let b = samples.floats(p.b_len().unwrap() as usize, -1.0, 1.0);
        let (rows, inner, columns) = (p.rows as usize, p.inner as usize, p.columns as usize);
        for isa in Isa::available() {
            let mut y = std::vec![f32::NAN; p.y_len().unwrap() as usize];
            run(isa, p, &a, &b, &mut y);
            let run_part = |rows, y: &mut [f32]| run_rows(isa, p, &a, &b, rows, y);
            cuts_agree(p.all_rows().unwrap(), columns, &y, run_part);
            let mut outputs = y.iter();
            for [i, j] in Walk::new(p.batch, [p.a_strides, p.b_strides]) {
                let (a, b) = (&a[i as usize * rows * inner..], &b[j as usize * inner * columns..]);
                for (r, c) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                    let product = |k: usize| {
                        let b = if p.b_transposed { b[c * inner + k] } else { b[k * columns + c] };
                        f64::from(a[r * inner + k]) * f64::from(b)
                    };
                    let want: f64 = (0..inner).map(product).sum();
                    let size: f64 = (0..inner).map(|k| product(k).abs()).sum();
                    let (y, error) =
                        (f64::from(*outputs.next().unwrap()), (inner + 2) as f64 * size / f64::from(1 << 24));
                    assert!((y - want).abs() <= error, "{:?} {p:?} {r} {c}: {y} for {want}", isa.level());
                }
            }
            assert!(outputs.next().is_none());
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        let sizes = [1, 3, 4, 7, 8, 15, 16, 17, 33, 64, 70];
        for (k, &columns) in sizes.iter().enumerate() {
            for (rows, inner) in [(1, 1), (1, 16), (1, 83), (2, 8), (5, 9), (6, 33), (13, 40), (columns, columns)] {
                for b_transposed in [false, true] {
                    battery(&Params { b_transposed, ..params([1; 4], rows, inner, columns) }, k as u64);
                }
            }
        }
    }

    #[test]
    fn batches_broadcast() {
        for b_transposed in [false, true] {
            let p = Params { b_transposed, ..params([2, 1, 3, 2], 3, 5, 9) };
            battery(&p, 1);
            battery(&Params { b_strides: [0; 4], ..p }, 2);
            battery(&Params { a_strides: [0, 0, 1, 0], b_strides: [2, 0, 0, 1], ..p }, 3);
        }
    }

    #[test]
    fn bad_parameters_leave_the_output() {
        let p = params([1; 4], 2, 3, 4);
        for isa in Isa::available() {
            let mut y = [7.0; 8];
            run(isa, &p, &[1.0; 5], &[1.0; 12], &mut y);
            run(isa, &p, &[1.0; 6], &[1.0; 13], &mut y);
            run(isa, &Params { inner: 0, ..p }, &[], &[], &mut y);
            run(isa, &Params { batch: [1 << 16; 4], ..p }, &[1.0; 6], &[1.0; 12], &mut y);
            assert_eq!(y, [7.0; 8]);
        }
    }
}
