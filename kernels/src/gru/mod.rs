//! GRU (ONNX GRU-14, gates z r h); f32. σ and tanh stand for the activations that are given, f and g.
//!
//! `z = σ(x·Wz + h·Rz + b)`, `r = σ(x·Wr + h·Rr + b)`, `n = tanh(x·Wh + (r∘h)·Rh + Rbh + Wbh)` or, linear before the
//! reset, `n = tanh(x·Wh + r∘(h·Rh + Rbh) + Wbh)`; `h' = (1 - z)∘n + z∘h`. The sums of the gates are clipped. Rows of y
//! behind the end of a sequence are zero, its final state is that of its last step (the initial one where it has none).
//!
//! The arithmetic of a step does not depend on T, B or its place, so that T calls of one step equal one call of T steps
//! to the bit. The products are those of the matrix times vector kernel, the activations those of the unary kernel.

mod cell;

use crate::recurrent::{self, Inputs, Sequence};
use crate::{Isa, unary};

/// Gates: z, r, h.
const GATES: u32 = 3;

/// What a GRU is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Sizes and direction.
    pub sequence: Sequence,
    /// Largest magnitude of a gate's sum, or infinity.
    pub clip: f32,
    /// Whether the recurrent bias is inside the reset product.
    pub linear_before_reset: bool,
    /// Activations f and g of every direction.
    pub activations: [unary::Params; 4],
}

/// What a GRU writes.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// The states of all steps `[T, D, B, H]`.
    pub y: &'a mut [f32],
    /// The last state `[D, B, H]`.
    pub y_h: &'a mut [f32],
    /// `[S, 3 * H]`, overwritten, see [`Sequence::scratch_len`].
    pub scratch: &'a mut [f32],
}

/// Runs all steps. Operands of other lengths than the parameters give leave the outputs as they are.
pub fn run(isa: Isa, params: &Params, inputs: &Inputs<'_>, outputs: Outputs<'_>) {
    let (s, Outputs { y, y_h, scratch }) = (&params.sequence, outputs);
    if !s.fits(GATES, inputs, y, y_h, scratch) {
        return;
    }
    recurrent::start(y_h, inputs.h0);
    if inputs.lengths.is_some() {
        y.fill(0.0);
    }
    s.each_run(inputs.lengths, |places| {
        // Every row exists: the lengths have been checked.
        let _ = cell::steps(isa, params, inputs, places, [&mut *y, &mut *y_h, &mut *scratch]);
    });
}

#[cfg(test)]
mod tests;
