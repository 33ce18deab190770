//! The reference: one output at a time.

use super::Params;
use crate::rows::{every, rows, rows_mut};

pub(super) fn run(params: &Params, a: &[f32], b: &[f32], y: &mut [f32]) {
    let (inner, columns) = (params.inner as usize, params.columns as usize);
    for (y, row) in rows_mut(y, columns).zip(rows(a, inner)) {
        for (column, y) in y.iter_mut().enumerate() {
            let (start, step) = if params.b_transposed { (column.wrapping_mul(inner), 1) } else { (column, columns) };
            let b = every(b.get(start..).unwrap_or(&[]), step);
            *y = row.iter().zip(b).map(|(a, b)| a * b).sum();
        }
    }
}
