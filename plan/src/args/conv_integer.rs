//! Convolution of bytes in int32.

use super::ConvGeometry;
use crate::words::arguments;

arguments! {
    /// `y = Σ (x - x_zero) * (w - w_zero[o])`, wrapping; a padded tap counts nothing.
    ///
    /// Writes: y i32. Reads: x u8 or i8, weights i8 `[O][KH][KW][I / groups]`, w_zero i32 `[O]`, x_zero `[1]` of the type
    /// of x (zero where absent).
    ConvInteger = 7 "conv_integer" {
        /// Geometry.
        geometry: ConvGeometry,
        /// 1 where x is int8.
        signed: u32,
    }
}
