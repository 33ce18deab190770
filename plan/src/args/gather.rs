//! Rows by index.

use crate::words::arguments;

arguments! {
    /// `y[o, k, i] = x[o, index[k], i]`; a negative index counts from the end, one out of range is clamped.
    ///
    /// Writes: y `[outer, count, inner]`. Reads: x `[outer, axis, inner]` of elements of `element_bytes`, indices `[count]`.
    Gather = 32 "gather" {
        /// Bytes of an element: 1, 2, 4 or 8.
        element_bytes: u32,
        /// Element type of the indices: i32 or i64 of [`element`](super::element).
        index_element: u32,
        /// Product of the sizes before the axis.
        outer: u32,
        /// Size of the axis.
        axis: u32,
        /// Product of the sizes after the axis.
        inner: u32,
        /// Number of indices.
        count: u32,
    }
}
