//! Recurrent layers: Lstm.

use super::Activation;
use crate::words::arguments;

arguments! {
    /// LSTM (ONNX LSTM-14, gates i o f c).
    /// One fixed order of summation, so that T calls of one step equal one call of T steps.
    ///
    /// Writes: y f32 `[T, D, B, H]`, y_h, y_c f32 `[D, B, H]` each, scratch f32 `[min(T, 8), 4 * H]`.
    /// Reads: x f32 `[T, B, I]`, w f32 `[D, 4*H, I]`, r f32 `[D, 4*H, H]`, bias f32 `[D, 2 * 4*H]`, lengths i32 `[B]`,
    /// h0 `[D, B, H]`, c0 `[D, B, H]`, peepholes f32 `[D, 3H]`; the last ones may be absent (zero; all steps).
    Lstm = 60 "lstm" {
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
        /// 1 where the forget gate is one minus the input gate.
        input_forget: u32,
        /// For every direction the activation of the gates, that of the candidate and that of the cell state.
        activations: [Activation; 6],
    }
}

arguments! {
    /// [`Lstm`] with weights of 16 bits, which are widened.
    ///
    /// Writes and reads: as [`Lstm`], with w and r in `layout`.
    LstmHalf = 68 "lstm_half" {
        /// The layer.
        layer: Lstm,
        /// [`ROWS_F16`](super::FloatLayout::ROWS_F16) or [`ROWS_BF16`](super::FloatLayout::ROWS_BF16).
        layout: u32,
    }
}
