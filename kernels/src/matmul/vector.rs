//! The vector variant: 6 rows times 2 vectors of columns, 12 sums in registers; single rows take 4 vectors.
#![allow(unsafe_code)] // Loads and stores of vectors.

use super::Params;
use crate::simd::{Body, Kernel, Simd};

/// One matrix times one that is stored `[inner, columns]`.
pub(super) struct Product<'a, 'y> {
    pub(super) params: &'a Params,
    pub(super) a: &'a [f32],
    pub(super) b: &'a [f32],
    pub(super) y: &'y mut [f32],
}

impl Kernel for Product<'_, '_> {
    fn run<S: Simd>(self, simd: S) {
        let Self { params, a, b, y } = self;
        super::strips(params, a, y, [6, 2], |rows, a, y| match rows {
            6 => strip::<S, 6, 2>(simd, params, a, b, y),
            2 => strip::<S, 2, 4>(simd, params, a, b, y),
            _ => strip::<S, 1, 4>(simd, params, a, b, y),
        });
    }
}

/// `R` rows of a and y, all columns.
fn strip<S: Simd, const R: usize, const V: usize>(simd: S, p: &Params, a: &[f32], b: &[f32], y: &mut [f32]) {
    let (inner, columns) = (p.inner as usize, p.columns as usize);
    let fits = a.len() == inner.wrapping_mul(R) && y.len() == columns.wrapping_mul(R);
    if !fits || b.len() != inner.wrapping_mul(columns) {
        return;
    }
    let mut c = 0;
    while c + V * S::LANES <= columns {
        simd.enter(Tile::<'_, '_, R, V, true> { a, b, y, columns, c, count: S::LANES });
        c += V * S::LANES;
    }
    while c < columns {
        let count = (columns - c).min(S::LANES);
        simd.enter(Tile::<'_, '_, R, 1, false> { a, b, y, columns, c, count });
        c += count;
    }
}

/// `R` rows, `V` vectors of columns from `c` on; unless `FULL`, the first `count` lanes. All columns exist, and the matrices
/// have the lengths of `R` rows.
struct Tile<'a, 'y, const R: usize, const V: usize, const FULL: bool> {
    a: &'a [f32],
    b: &'a [f32],
    y: &'y mut [f32],
    columns: usize,
    c: usize,
    count: usize,
}

impl<const R: usize, const V: usize, const FULL: bool> Body for Tile<'_, '_, R, V, FULL> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { a, b, y, columns, c, count } = self;
        let inner = a.len() / R;
        let mut sums = [[simd.splat(0.0); V]; R];
        for k in 0..inner {
            let mut row = [simd.splat(0.0); V];
            for (v, row) in row.iter_mut().enumerate() {
                let from = b.as_ptr().wrapping_add(k * columns + c + v * S::LANES);
                // SAFETY: these columns of row k exist.
                *row = unsafe { if FULL { simd.load(from) } else { simd.load_first(from, count) } };
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                // SAFETY: row r has `inner` elements.
                let a = simd.splat(unsafe { *a.get_unchecked(r * inner + k) });
                for (sum, &row) in sums.iter_mut().zip(&row) {
                    *sum = simd.fma(a, row, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                let to = y.as_mut_ptr().wrapping_add(r * columns + c + v * S::LANES);
                // SAFETY: these columns of row r exist.
                unsafe { if FULL { simd.store(to, sum) } else { simd.store_first(to, count, sum) } };
            }
        }
    }
}
