//! Separable resampling of rows and columns.

use crate::words::arguments;

arguments! {
    /// `y[n, i, j, c] = Σ_a Σ_b row_weights[i, a] * column_weights[j, b] * x[n, row_index[i, a], column_index[j, b], c]`,
    /// summed over `a` outside, `b` inside. Nearest is one tap of weight 1, linear two, cubic four.
    ///
    /// Writes: y f32. Reads: x f32, row_index u32 `[out_height, row_taps]`, row_weights f32 likewise, column_index u32
    /// `[out_width, column_taps]`, column_weights f32 likewise.
    ResizeF32 = 40 "resize_f32" {
        /// N.
        batch: u32,
        /// Input rows.
        in_height: u32,
        /// Input columns.
        in_width: u32,
        /// Output rows.
        out_height: u32,
        /// Output columns.
        out_width: u32,
        /// Channels.
        channels: u32,
        /// Taps of every output row.
        row_taps: u32,
        /// Taps of every output column.
        column_taps: u32,
    }
}

arguments! {
    /// As [`ResizeF32`] on `x - zero_point`, clamped to int8 and rounded half to even, plus `zero_point`: the output has
    /// the input's scale.
    ///
    /// Writes: y i8. Reads: x i8, then as [`ResizeF32`].
    ResizeI8 = 41 "resize_i8" {
        /// N.
        batch: u32,
        /// Input rows.
        in_height: u32,
        /// Input columns.
        in_width: u32,
        /// Output rows.
        out_height: u32,
        /// Output columns.
        out_width: u32,
        /// Channels.
        channels: u32,
        /// Taps of every output row.
        row_taps: u32,
        /// Taps of every output column.
        column_taps: u32,
        /// Zero point of input and output.
        zero_point: i32,
    }
}
