//! The reference: one output at a time.

use super::{BLOCK, Matrix, Missing, Row, Sink, blocks};

pub(super) fn run<const R: usize>(m: &Matrix<'_>, rows: &[Row<'_>; R], backwards: bool, sink: &mut impl Sink<R>) {
    for (first, weights) in blocks(m, backwards) {
        let outputs = m.shape.columns().wrapping_sub(first).min(BLOCK);
        let mut sums = [[0i32; BLOCK]; R];
        for (row, sums) in rows.iter().zip(&mut sums) {
            let mut weights = weights.as_chunks::<4>().0.iter();
            for x in row.levels.as_chunks::<4>().0 {
                for (sum, w) in sums.iter_mut().take(outputs).zip(&mut weights) {
                    for (&x, &w) in x.iter().zip(w) {
                        *sum = sum.wrapping_add(i32::from(x).wrapping_mul(i32::from(w).wrapping_sub(128)));
                    }
                }
            }
        }
        sink.take(first, &sums, &[Missing { same: 0, times: 0 }; R]);
    }
}
