//! The place of the greatest or least.

use crate::words::arguments;

arguments! {
    /// The index of the greatest (or least) along the middle axis of `[outer, axis, inner]`.
    ///
    /// Writes: y i64 `[outer, inner]`. Reads: x of `element`.
    ArgMax = 36 "arg_max" {
        /// Element type of x: f32 or i8 of [`element`](super::element).
        element: u32,
        /// Product of the sizes before the axis.
        outer: u32,
        /// Size of the axis.
        axis: u32,
        /// Product of the sizes after the axis.
        inner: u32,
        /// 1 for the least.
        least: u32,
        /// 1 where the last of equals counts, not the first.
        select_last: u32,
    }
}
