//! The vector variant: tiles of rows times vectors, two sums of lanes for each product.
#![allow(unsafe_code)] // Loads of vectors.

use crate::rows::rows;
use crate::simd::{Body, Kernel, Load, Simd};

/// One vector, and what is added to: `y.len()` rows of `x.len()`.
pub(super) struct Product<'a, 'y, W> {
    pub(super) matrix: &'a [W],
    pub(super) x: &'a [f32],
    pub(super) y: &'y mut [f32],
}

impl<W: Load> Kernel for Product<'_, '_, W> {
    fn run<S: Simd>(self, simd: S) {
        simd.enter(self);
    }
}

impl<W: Load> Body for Product<'_, '_, W> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { matrix, x, y } = self;
        let (fours, rest) = y.as_chunks_mut::<4>();
        let n = x.len();
        let (head, tail) = matrix.split_at_checked(fours.len().wrapping_mul(4).wrapping_mul(n)).unwrap_or_default();
        for (y, four) in fours.iter_mut().zip(rows(head, n.wrapping_mul(4))) {
            let sums = products::<S, W, 4, 1>(simd, four, [x]);
            y.iter_mut().zip(sums).for_each(|(y, [sum])| *y += sum);
        }
        for (y, row) in rest.iter_mut().zip(rows(tail, n)) {
            let [[sum]] = products::<S, W, 1, 1>(simd, row, [x]);
            *y += sum;
        }
    }
}

/// Several vectors of one length, and what is added to: a row for every vector.
pub(super) struct Products<'a, 'y, W> {
    pub(super) matrix: &'a [W],
    pub(super) x: &'a [&'a [f32]],
    pub(super) y: &'y mut [f32],
}

/// Rows of the matrix that stay in the nearest cache while every vector passes over them; an even number.
const BLOCK: usize = 16;

impl<W: Load> Kernel for Products<'_, '_, W> {
    fn run<S: Simd>(self, simd: S) {
        simd.enter(self);
    }
}

impl<W: Load> Body for Products<'_, '_, W> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { matrix, x, y } = self;
        let n = x.first().map_or(0, |x| x.len());
        let Some(len) = matrix.len().checked_div(n) else { return };
        let mut start = 0usize;
        while start < len {
            let end = start.wrapping_add(BLOCK).min(len);
            let block = matrix.get(start.wrapping_mul(n)..end.wrapping_mul(n)).unwrap_or(&[]);
            let (threes, rest) = x.as_chunks::<3>();
            let mut first = 0;
            for &three in threes {
                pass(simd, block, three, y, [len, first, start]);
                first = first.wrapping_add(3);
            }
            match *rest {
                [a, b] => pass(simd, block, [a, b], y, [len, first, start]),
                [a] => pass(simd, block, [a], y, [len, first, start]),
                _ => {}
            }
            start = end;
        }
    }
}

/// Some vectors, from the `first` one on, pass over the rows of a block, the first of which is row `start` of `len`.
#[inline(always)]
fn pass<S: Simd, W: Load, const V: usize>(
    simd: S,
    block: &[W],
    x: [&[f32]; V],
    y: &mut [f32],
    [len, first, start]: [usize; 3],
) {
    let n = x.first().map_or(0, |x| x.len());
    let mut write = |row: usize, sums: [f32; V]| {
        for (v, sum) in sums.into_iter().enumerate() {
            let at = first.wrapping_add(v).wrapping_mul(len).wrapping_add(start).wrapping_add(row);
            if let Some(y) = y.get_mut(at) {
                *y += sum;
            }
        }
    };
    let mut row = 0usize;
    for two in rows(block, n.wrapping_mul(2)) {
        let [even, odd] = products::<S, W, 2, V>(simd, two, x);
        write(row, even);
        write(row.wrapping_add(1), odd);
        row = row.wrapping_add(2);
    }
    if let Some(last) = block.get(row.wrapping_mul(n)..).filter(|last| !last.is_empty()) {
        let [sums] = products::<S, W, 1, V>(simd, last, x);
        write(row, sums);
    }
}

/// The products of `R` rows and `V` vectors. A row and a vector take the same steps for every `R` and `V`.
#[inline(always)]
fn products<S: Simd, W: Load, const R: usize, const V: usize>(simd: S, rows: &[W], x: [&[f32]; V]) -> [[f32; V]; R] {
    let n = x.first().map_or(0, |x| x.len());
    if rows.len() != n.wrapping_mul(R) || x.iter().any(|x| x.len() != n) {
        return [[0.0; V]; R];
    }
    let mut sums = [[[simd.splat(0.0); V]; R]; 2];
    let mut k = 0;
    while k + 2 * S::LANES <= n {
        for (half, sums) in sums.iter_mut().enumerate() {
            let k = k + half * S::LANES;
            // SAFETY: k + LANES - 1 is an index of every vector.
            let x = x.map(|x| unsafe { simd.load(x.as_ptr().add(k)) });
            for (r, sums) in sums.iter_mut().enumerate() {
                // SAFETY: row r holds n elements from r * n on.
                let row = unsafe { W::load(simd, rows.as_ptr().add(r * n + k)) };
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum = simd.fma(x, row, *sum);
                }
            }
        }
        k += 2 * S::LANES;
    }
    let [mut even, odd] = sums;
    while k < n {
        let whole = k + S::LANES <= n;
        // SAFETY: no more elements are loaded than every vector has.
        let x = x.map(|x| unsafe { simd.load_first(x.as_ptr().add(k), n - k) });
        for (r, sums) in even.iter_mut().enumerate() {
            // SAFETY: row r holds n elements from r * n on.
            let row = unsafe { rows.as_ptr().add(r * n + k) };
            // SAFETY: no more elements are loaded than row r has.
            let row = unsafe { if whole { W::load(simd, row) } else { W::load_first(simd, row, n - k) } };
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum = simd.fma(x, row, *sum);
            }
        }
        k += S::LANES;
    }
    let mut all = [[0.0; V]; R];
    for ((all, even), odd) in all.iter_mut().zip(even).zip(odd) {
        for ((sum, even), odd) in all.iter_mut().zip(even).zip(odd) {
            *sum = simd.sum(simd.add(even, odd));
        }
    }
    all
}
