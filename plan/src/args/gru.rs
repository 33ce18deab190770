//! Recurrent layers: Gru.

use super::Activation;
use crate::words::arguments;

arguments! {
    /// GRU (ONNX GRU-14, gates z r h).
    /// One fixed order of summation, so that T calls of one step equal one call of T steps.
    ///
    /// Writes: y f32 `[T, D, B, H]`, y_h f32 `[D, B, H]` each, scratch f32 `[min(T, 8), 3 * H]`.
    /// Reads: x f32 `[T, B, I]`, w f32 `[D, 3*H, I]`, r f32 `[D, 3*H, H]`, bias f32 `[D, 2 * 3*H]`, lengths i32 `[B]`,
    /// h0 `[D, B, H]`; the last ones may be absent (zero; all steps).
    Gru = 61 "gru" {
        /// T.
        steps: u32,
        /// B.
        batch: u32,
        /// I.
        inputs: u32,
        /// H.
        hidden: u32,
        /// 0 forward, 1 reverse, 2 both.
        direction: u32,
        /// Cell clip, or infinity.
        clip: f32,
        /// 1 where the recurrent bias is inside the reset product.
        linear_before_reset: u32,
        /// For every direction the activation of the gates and that of the new state.
        activations: [Activation; 4],
    }
}

arguments! {
    /// [`Gru`] with weights of 16 bits, which are widened.
    ///
    /// Writes and reads: as [`Gru`], with w and r in `layout`.
    GruHalf = 69 "gru_half" {
        /// The layer.
        layer: Gru,
        /// [`ROWS_F16`](super::FloatLayout::ROWS_F16) or [`ROWS_BF16`](super::FloatLayout::ROWS_BF16).
        layout: u32,
    }
}
