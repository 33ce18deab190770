//! Float to bytes with the scale of their own range.

use crate::words::arguments;

arguments! {
    /// `scale = (high - low) / 255` over the range of x with 0, `zero_point = clamp(rne(-low / scale))`,
    /// `y = clamp(rne(x / scale) + zero_point)`.
    ///
    /// Writes: y u8, scale f32 `[1]`, zero_point u8 `[1]`. Reads: x f32.
    QuantizeDynamic = 55 "quantize_dynamic" {
        /// Elements.
        len: u32,
    }
}
