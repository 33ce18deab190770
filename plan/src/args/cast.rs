//! Between element types.

use crate::words::arguments;

arguments! {
    /// Converts elements: float to integer truncates and saturates, integer to narrower integer wraps, anything to bool
    /// compares with zero.
    ///
    /// Writes: y of `to`. Reads: x of `from`.
    Cast = 52 "cast" {
        /// Elements.
        len: u32,
        /// Element type of x, of [`element`](super::element).
        from: u32,
        /// Element type of y.
        to: u32,
    }
}
