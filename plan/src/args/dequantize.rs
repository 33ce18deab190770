//! int8 to float.

use crate::words::arguments;

arguments! {
    /// `y = (x - zero_point) as f32 * scale`.
    ///
    /// Writes: y f32. Reads: x i8.
    Dequantize = 51 "dequantize" {
        /// Elements.
        len: u32,
        /// Scale.
        scale: f32,
        /// Zero point of the logical int8.
        zero_point: i32,
    }
}
