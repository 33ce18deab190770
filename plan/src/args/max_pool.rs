//! Pooling windows and maximum pooling.

use crate::words::{arguments, words};

words! {
    /// The geometry of a pooling: NHWC, `channels` in and out.
    PoolGeometry {
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
        /// Window rows.
        kernel_height: u32,
        /// Window columns.
        kernel_width: u32,
        /// Rows from window to window.
        stride_height: u32,
        /// Columns from window to window.
        stride_width: u32,
        /// Rows from tap to tap.
        dilation_height: u32,
        /// Columns from tap to tap.
        dilation_width: u32,
        /// Rows of padding before the first.
        pad_top: u32,
        /// Columns of padding before the first.
        pad_left: u32,
        /// Rows of padding after the last that a window may count (see `count_include_pad`).
        pad_bottom: u32,
        /// Columns of padding after the last that a window may count.
        pad_right: u32,
    }
}

arguments! {
    /// Maximum over a window, taps outside the input left out; the output's clamp applied.
    ///
    /// Writes: y i8. Reads: x i8.
    MaxPoolI8 = 10 "max_pool_i8" {
        /// The geometry.
        geometry: PoolGeometry,
    }
}

arguments! {
    /// Maximum over a window, taps outside the input left out.
    ///
    /// Writes: y f32. Reads: x f32.
    MaxPoolF32 = 11 "max_pool_f32" {
        /// The geometry.
        geometry: PoolGeometry,
    }
}
