//! Convolution of bytes in int32, and from there to real numbers.

use super::ConvGeometry;
use crate::words::arguments;

arguments! {
    /// `y = Σ (x - x_zero) * (w - w_zero[o])`, wrapping; a padded tap counts nothing. With one tap a product of matrices.
    ///
    /// The weights of a group lie packed as a matrix `[O / groups][KH * KW * I / groups]`, one group behind the other: blocks of
    /// 64 outputs (the last one of 16, 32 or 48), each `[K / 4][outputs of the block][4]` bytes `w + 128`, then for every output
    /// a scale f32, which is not used here, a zero point i32 and the sum of its weights i32, zero-filled to a multiple of 16.
    /// Where the groups are the channels they are `w - w_zero` in int16, `[KH][KW][C]`, filled up to an even number.
    ///
    /// Writes: y i32. Reads: x u8 or i8, weights packed, x_zero `[1]` of the type of x (zero where absent).
    ConvInteger = 83 "conv_integer" {
        /// Geometry.
        geometry: ConvGeometry,
        /// 1 where x is int8.
        signed: u32,
    }
}

arguments! {
    /// `y = clamp(sum as f32 * scale + bias[o])` with the sum of [`ConvInteger`], rounded after the product too.
    ///
    /// Writes: y f32. Reads: x u8 or i8, weights packed, scale f32 `[1]` or `[O]`, bias f32 `[O]`, x_zero `[1]` of the type of x
    /// (zero where absent).
    ConvDynamic = 84 "conv_dynamic" {
        /// Geometry.
        geometry: ConvGeometry,
        /// 1 where x is int8.
        signed: u32,
        /// Scales: 1, or the output channels.
        scales: u32,
        /// Smallest result, `-inf` for no bound.
        low: f32,
        /// Largest result, `inf` for no bound.
        high: f32,
    }
}
