//! Recurrent layers: LSTM with int8 weights and dynamically quantized inputs.

use super::Activation;
use crate::words::arguments;

arguments! {
    /// As [`Lstm`](super::Lstm) with packed int8 weights: x is quantized as a whole, the state of a sequence at every step,
    /// each with the scale of its own range, so that T calls of one step do not equal one call of T steps.
    ///
    /// Writes: y f32 `[T, D, B, H]`, y_h, y_c f32 `[D, B, H]`, scratch: the gates of four steps f32 `[4, 4 * H]`, then the
    /// levels of x and of a state, every row filled up to a multiple of 4 bytes.
    /// Reads: as [`Lstm`](super::Lstm), with w and r of every direction packed as [`ConvInteger`](super::ConvInteger)
    /// has it.
    LstmDynamic = 63 "lstm_dynamic" {
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
