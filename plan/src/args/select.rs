//! A choice between two operands.

use crate::words::arguments;

arguments! {
    /// `y = condition ? a : b`, with broadcasting.
    ///
    /// Writes: y. Reads: condition bool, a, b, of the element of y.
    Select = 26 "select" {
        /// Bytes of an element: 1, 2, 4 or 8.
        element_bytes: u32,
        /// Sizes of the output, outermost first, the unused ones 1.
        sizes: [u32; 6],
        /// Strides of the condition, 0 where it is broadcast.
        condition_strides: [u32; 6],
        /// Strides of a.
        a_strides: [u32; 6],
        /// Strides of b.
        b_strides: [u32; 6],
    }
}
