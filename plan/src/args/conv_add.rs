//! Convolutions with the sum that follows them.

use super::ConvGeometry;
use crate::words::arguments;

arguments! {
    /// int8 convolution and the sum of its output with another tensor of the same sizes: [`ConvI8`](super::ConvI8) gives
    /// an int8 `v`, and `y = clamp(rne((v - conv_zero_point) * conv_scale + (other - other_zero_point) * other_scale) +
    /// zero_point)`, as [`AddI8`](super::AddI8).
    ///
    /// Writes: y i8. Reads: x i8, weights i8 in `layout`, bias i32 `[O]`, multipliers f32 `[O]`, other i8 (may be in place).
    ConvAddI8 = 64 "conv_add_i8" {
        /// The geometry.
        geometry: ConvGeometry,
        /// What a padded tap reads.
        input_zero_point: i32,
        /// Zero point of the convolution's output.
        conv_zero_point: i32,
        /// Least output of the convolution, zero point included.
        conv_low: i32,
        /// Greatest output of the convolution, zero point included.
        conv_high: i32,
        /// Scale of the convolution's output over scale of y.
        conv_scale: f32,
        /// Scale of the other tensor over scale of y; negative where it is subtracted.
        other_scale: f32,
        /// Zero point of the other tensor.
        other_zero_point: i32,
        /// Zero point of y.
        zero_point: i32,
        /// Least y, zero point included.
        low: i32,
        /// Greatest y, zero point included.
        high: i32,
        /// Layout of the weights, one of [`Layout`](super::Layout).
        layout: u32,
    }
}

arguments! {
    /// f32 convolution and the sum of its output with another tensor of the same sizes: `y = clamp(v + other)` with the
    /// `v` of [`ConvF32`](super::ConvF32).
    ///
    /// Writes: y f32. Reads: x f32, weights f32 in `layout`, bias f32 `[O]`, other f32 (may be in place).
    ConvAddF32 = 65 "conv_add_f32" {
        /// The geometry.
        geometry: ConvGeometry,
        /// Least output of the convolution.
        conv_low: f32,
        /// Greatest output of the convolution.
        conv_high: f32,
        /// Least y.
        low: f32,
        /// Greatest y.
        high: f32,
        /// Layout of the weights, one of [`FloatLayout`](super::FloatLayout).
        layout: u32,
    }
}
