//! The reference: one output at a time.

use super::{BLOCK, Matrix, Missing, Row, Sink, blocks};
use crate::rows::rows;

pub(super) fn run<const R: usize>(m: &Matrix<'_>, rows_of_x: &[Row<'_>; R], backwards: bool, sink: &mut impl Sink<R>) {
    for (first, weights) in blocks(m, backwards) {
        let filled = m.shape.columns().wrapping_sub(first).min(BLOCK);
        let outputs = (m.shape.outputs as usize).wrapping_sub(first).min(BLOCK);
        let mut sums = [[0i32; BLOCK]; R];
        for (row, sums) in rows_of_x.iter().zip(&mut sums) {
            let fours = row.levels.as_chunks::<4>().0.iter();
            for (x, weights) in fours.zip(rows(weights.as_chunks::<4>().0, filled)) {
                for (sum, w) in sums.iter_mut().zip(weights).take(outputs) {
                    for (&x, &w) in x.iter().zip(w) {
                        *sum = sum.wrapping_add(i32::from(x).wrapping_mul(i32::from(w).wrapping_sub(128)));
                    }
                }
            }
        }
        sink.take(first, &sums, &[Missing { same: 0, times: 0 }; R]);
    }
}
