//! Movement of elements.

use crate::words::arguments;

arguments! {
    /// Copies a box of elements between two strided places: transposes, slices (also reversed), splits, broadcasts,
    /// concatenations, paddings.
    ///
    /// Element `i` of the box goes from `x[x_offset + Σ i[k] * x_strides[k]]` to `y[y_offset + Σ i[k] * y_strides[k]]`. What
    /// the box does not reach in `y` keeps its value.
    ///
    /// Writes: y. Reads: x; both of elements of `element_bytes`.
    Copy = 30 "copy" {
        /// Bytes of an element: 1, 2, 4 or 8.
        element_bytes: u32,
        /// Sizes of the box, outermost first, the unused ones 1.
        sizes: [u32; 6],
        /// Strides in elements; negative ones reverse, 0 repeats.
        x_strides: [i32; 6],
        /// Strides in elements, none negative.
        y_strides: [u32; 6],
        /// First element read.
        x_offset: u32,
        /// First element written.
        y_offset: u32,
    }
}

arguments! {
    /// Fills a tensor with one value.
    ///
    /// Writes: y.
    Fill = 31 "fill" {
        /// Bytes of an element: 1, 2, 4 or 8.
        element_bytes: u32,
        /// Elements.
        len: u32,
        /// The value's lower 32 bits.
        value: u32,
        /// The value's upper 32 bits.
        value_high: u32,
    }
}
