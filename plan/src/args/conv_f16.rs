//! Convolutions that compute in f16.

use super::ConvGeometry;
use crate::words::arguments;

arguments! {
    /// f32 convolution with both factors rounded to f16, which sums 32 products at a time in f16 and these sums in f32; of
    /// one group. Also fully connected layers, as 1x1 with `batch` rows.
    ///
    /// Writes: y f32. Reads: x f32, weights f16 in `layout`, bias f32 `[O]`.
    ConvF16 = 67 "conv_f16" {
        /// The geometry.
        geometry: ConvGeometry,
        /// Least output.
        low: f32,
        /// Greatest output.
        high: f32,
        /// [`FloatLayout::O16_F16`](super::FloatLayout::O16_F16).
        layout: u32,
    }
}
