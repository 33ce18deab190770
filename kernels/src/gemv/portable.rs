//! The reference: one row at a time, from the first column to the last.

use crate::half::Weight;
use crate::rows::{rows, rows_mut};

pub(super) fn run<W: Weight>(matrix: &[W], x: &[f32], y: &mut [f32]) {
    for (y, row) in y.iter_mut().zip(rows(matrix, x.len())) {
        *y = added(*y, row, x);
    }
}

/// Every row meets all vectors before the next one comes.
pub(super) fn run_several<W: Weight>(matrix: &[W], x: &[&[f32]], y: &mut [f32]) {
    let n = x.first().map_or(0, |x| x.len());
    let Some(len) = matrix.len().checked_div(n) else { return };
    for (r, row) in rows(matrix, n).enumerate() {
        for (x, y) in x.iter().zip(rows_mut(y, len)) {
            if let Some(y) = y.get_mut(r) {
                *y = added(*y, row, x);
            }
        }
    }
}

/// The sum with the products of a row.
fn added<W: Weight>(sum: f32, row: &[W], x: &[f32]) -> f32 {
    row.iter().zip(x).fold(sum, |sum, (m, x)| sum + m.widen() * x)
}
