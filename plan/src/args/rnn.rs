//! Recurrent layers: Rnn.

use crate::words::{arguments, words};

words! {
    /// The activation of a gate.
    Activation {
        /// The function's number, see [`UnaryFunction`](super::UnaryFunction).
        function: u32,
        /// Its first parameter.
        alpha: f32,
        /// Its second parameter.
        beta: f32,
    }
}

arguments! {
    /// RNN (ONNX RNN-14).
    /// One fixed order of summation, so that T calls of one step equal one call of T steps.
    ///
    /// Writes: y f32 `[T, D, B, H]`, y_h f32 `[D, B, H]` each, scratch f32 `[min(T, 8), 1 * H]`.
    /// Reads: x f32 `[T, B, I]`, w f32 `[D, 1*H, I]`, r f32 `[D, 1*H, H]`, bias f32 `[D, 2 * 1*H]`, lengths i32 `[B]`,
    /// h0 `[D, B, H]`; the last ones may be absent (zero; all steps).
    Rnn = 62 "rnn" {
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
        /// The activation of every direction; the second one counts for nothing where there is one direction.
        activations: [Activation; 2],
    }
}

arguments! {
    /// [`Rnn`] with weights of 16 bits, which are widened.
    ///
    /// Writes and reads: as [`Rnn`], with w and r in `layout`.
    RnnHalf = 70 "rnn_half" {
        /// The layer.
        layer: Rnn,
        /// [`ROWS_F16`](super::FloatLayout::ROWS_F16) or [`ROWS_BF16`](super::FloatLayout::ROWS_BF16).
        layout: u32,
    }
}
