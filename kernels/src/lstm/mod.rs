//! LSTM (ONNX LSTM-14, gates i o f c); f32. σ and the two tanh stand for the activations that are given, f, g and h.
//!
//! `i = σ(x·Wi + h·Ri + Pi∘c + b)`, `f` likewise (or `1 - i`), `g = tanh(x·Wc + h·Rc + b)`, `c' = f∘c + i∘g`,
//! `o = σ(x·Wo + h·Ro + Po∘c' + b)`, `h' = o∘tanh(c')`; the sums of the gates are clipped, c' is not. Rows of y behind the
//! end of a sequence are zero, its final state is that of its last step (the initial one where it has none).
//!
//! The arithmetic of a step does not depend on T, B or its place, so that T calls of one step equal one call of T steps
//! to the bit. The products are those of the matrix times vector kernel, the activations those of the unary kernel.

pub(crate) mod cell;

use crate::recurrent::{self, Inputs, Sequence};
use crate::{Isa, unary};

/// Gates: i, o, f, c.
pub(crate) const GATES: u32 = 4;

/// What an LSTM is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Sizes and direction.
    pub sequence: Sequence,
    /// Largest magnitude of a gate's sum, or infinity.
    pub clip: f32,
    /// Whether the forget gate is one minus the input gate.
    pub input_forget: bool,
    /// Activations f, g and h of every direction.
    pub activations: [unary::Params; 6],
}

impl Params {
    /// Elements of the peepholes `[D, 3 * H]`.
    pub fn peepholes_len(&self) -> Option<u32> {
        let s = &self.sequence;
        crate::walk::product(&[s.directions(), 3, s.hidden])
    }
}

/// What only an LSTM reads besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct More<'a> {
    /// Initial cell state `[D, B, H]`; zero where absent.
    pub c0: Option<&'a [f32]>,
    /// Peepholes i, o, f `[D, 3 * H]`; zero where absent.
    pub peepholes: Option<&'a [f32]>,
}

/// What an LSTM writes.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// The states of all steps `[T, D, B, H]`.
    pub y: &'a mut [f32],
    /// The last state `[D, B, H]`.
    pub y_h: &'a mut [f32],
    /// The last cell state `[D, B, H]`.
    pub y_c: &'a mut [f32],
    /// `[S, 4 * H]`, overwritten, see [`Sequence::scratch_len`].
    pub scratch: &'a mut [f32],
}

/// Runs all steps. Operands of other lengths than the parameters give leave the outputs as they are.
pub fn run(isa: Isa, params: &Params, inputs: &Inputs<'_>, more: &More<'_>, outputs: Outputs<'_>) {
    let (s, Outputs { y, y_h, y_c, scratch }) = (&params.sequence, outputs);
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    let fits = s.fits(GATES, inputs, y, y_h, scratch)
        && is(y_c.len(), s.state_len())
        && more.c0.is_none_or(|c| is(c.len(), s.state_len()))
        && more.peepholes.is_none_or(|p| is(p.len(), params.peepholes_len()));
    if !fits {
        return;
    }
    recurrent::start(y_h, inputs.h0);
    recurrent::start(y_c, more.c0);
    if inputs.lengths.is_some() {
        y.fill(0.0);
    }
    s.each_run(inputs.lengths, |places| {
        // Every row exists: the lengths have been checked.
        let _ = cell::steps(isa, params, inputs, more, places, [&mut *y, &mut *y_h, &mut *y_c, &mut *scratch]);
    });
}

#[cfg(test)]
mod tests;
