//! The reference: one output at a time.

use super::Params;

pub(super) fn run(params: &Params, a: &[f32], b: &[f32], y: &mut [f32]) {
    let (inner, columns) = (params.inner as usize, params.columns as usize);
    let rows = a.chunks_exact(inner.max(1));
    for (y, row) in y.chunks_exact_mut(columns.max(1)).zip(rows) {
        for (column, y) in y.iter_mut().enumerate() {
            let (start, step) = if params.b_transposed { (column.wrapping_mul(inner), 1) } else { (column, columns) };
            let b = b.get(start..).unwrap_or(&[]).iter().step_by(step.max(1));
            *y = row.iter().zip(b).map(|(a, b)| a * b).sum();
        }
    }
}
