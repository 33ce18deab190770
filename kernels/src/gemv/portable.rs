//! The reference: one row at a time, from the first column to the last.

use crate::rows::rows;

pub(super) fn run(matrix: &[f32], x: &[f32], y: &mut [f32]) {
    for (y, row) in y.iter_mut().zip(rows(matrix, x.len())) {
        for (m, x) in row.iter().zip(x) {
            *y += m * x;
        }
    }
}
