//! Any function of one byte.

use crate::words::arguments;

arguments! {
    /// `y[i] = table[x[i] + 128]`.
    ///
    /// Writes: y i8. Reads: x i8 (or in place), table i8 `[256]`.
    TableI8 = 20 "table_i8" {
        /// Elements.
        len: u32,
    }
}

arguments! {
    /// `y[y_offset + i * y_stride + k] = table[x[x_offset + i * x_stride + k] + 128]` for `count` rows `i` of `row` elements
    /// `k`, of which none overlaps another. What they do not reach in `y` keeps its value.
    ///
    /// Writes: y i8. Reads: x i8, table i8 `[256]`.
    TableRowsI8 = 27 "table_rows_i8" {
        /// Rows.
        count: u32,
        /// Elements of a row.
        row: u32,
        /// Elements from row to row in x.
        x_stride: u32,
        /// Elements from row to row in y.
        y_stride: u32,
        /// First element read.
        x_offset: u32,
        /// First element written.
        y_offset: u32,
    }
}
