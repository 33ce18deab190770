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
