//! Float to int8.

use crate::words::arguments;

arguments! {
    /// `y = clamp(rne(x / scale), -128 - zero_point, 127 - zero_point) + zero_point`; NaN becomes `zero_point`.
    ///
    /// Writes: y i8. Reads: x f32.
    Quantize = 50 "quantize" {
        /// Elements.
        len: u32,
        /// Scale.
        scale: f32,
        /// Zero point of the logical int8.
        zero_point: i32,
    }
}
