//! The reference: one row at a time.

use super::{Index, Params};

pub(super) fn run<I: Index>(params: &Params, x: &[u8], indices: &[I], y: &mut [u8]) {
    let row = (params.inner as usize).wrapping_mul(params.element_bytes as usize).max(1);
    let block = row.wrapping_mul(params.axis as usize).max(1);
    let mut rows = y.chunks_exact_mut(row);
    for x in x.chunks_exact(block) {
        for index in indices {
            let from = (index.place(params.axis) as usize).wrapping_mul(row);
            let source = x.get(from..from.wrapping_add(row)).unwrap_or(&[]);
            let Some(y) = rows.next() else { return };
            for (y, x) in y.iter_mut().zip(source) {
                *y = *x;
            }
        }
    }
}
