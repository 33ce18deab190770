//! Convolutions into a part of a larger tensor.

use super::ConvGeometry;
use crate::words::arguments;

arguments! {
    /// int8 convolution into some of the channels of a larger tensor: output `o` of pixel `i` of [`ConvI8`](super::ConvI8), looked
    /// up in the table if there is one, goes to `y[i * y_stride + y_offset + o]`. What it does not reach in `y` keeps its value.
    ///
    /// Writes: y i8. Reads: x i8, weights i8 in `layout`, bias i32 `[O]`, multipliers f32 `[O]`, table i8 `[256]` (optional).
    ConvRowsI8 = 81 "conv_rows_i8" {
        /// The geometry.
        geometry: ConvGeometry,
        /// What a padded tap reads.
        input_zero_point: i32,
        /// Added after rounding.
        output_zero_point: i32,
        /// Least output, zero point included.
        low: i32,
        /// Greatest output, zero point included.
        high: i32,
        /// Elements of y from pixel to pixel.
        y_stride: u32,
        /// Element of a pixel of y that output 0 goes to.
        y_offset: u32,
        /// Layout of the weights, one of [`Layout`](super::Layout).
        layout: u32,
    }
}
