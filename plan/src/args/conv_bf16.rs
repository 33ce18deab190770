//! Convolutions that compute in bf16.

use super::ConvGeometry;
use crate::words::arguments;

arguments! {
    /// f32 convolution with both factors rounded to bf16, whose products are fused into sums in f32 one by one; of one
    /// group. Also fully connected layers, as 1x1 with `batch` rows.
    ///
    /// Writes: y f32. Reads: x f32, weights bf16 in `layout`, zero or at least `2^-56` in magnitude, bias f32 `[O]`.
    ConvBf16 = 71 "conv_bf16" {
        /// The geometry.
        geometry: ConvGeometry,
        /// Least output.
        low: f32,
        /// Greatest output.
        high: f32,
        /// [`FloatLayout::O16_BF16`](super::FloatLayout::O16_BF16).
        layout: u32,
    }
}
