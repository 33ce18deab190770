//! Local response normalization.

use crate::words::arguments;

arguments! {
    /// `y = x / (bias + alpha / size * Σ x²)^beta` over the `size` channels around each one; channels last.
    ///
    /// Writes: y f32. Reads: x f32.
    Lrn = 54 "lrn" {
        /// Pixels.
        pixels: u32,
        /// Channels.
        channels: u32,
        /// Channels in a window.
        size: u32,
        /// alpha.
        alpha: f32,
        /// beta.
        beta: f32,
        /// bias.
        bias: f32,
    }
}
