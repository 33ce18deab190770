//! Products of two activations.

use crate::words::arguments;

arguments! {
    /// Batched matrix product `y[k] = a[k] · b[k]`, `a` `[rows, inner]`, `b` `[inner, columns]`; the batch axes broadcast.
    ///
    /// Writes: y f32. Reads: a f32, b f32.
    MatMul = 53 "matmul" {
        /// Batch sizes of y, outermost first, the unused ones 1.
        batch: [u32; 4],
        /// Strides of a in matrices, 0 where it is broadcast.
        a_strides: [u32; 4],
        /// Strides of b in matrices, 0 where it is broadcast.
        b_strides: [u32; 4],
        /// Rows of a and y.
        rows: u32,
        /// Columns of a, rows of b.
        inner: u32,
        /// Columns of b and y.
        columns: u32,
        /// 1 where b is stored `[columns, inner]`.
        b_transposed: u32,
    }
}
