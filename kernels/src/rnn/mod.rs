//! RNN (ONNX RNN-14); f32: `h' = f(x·W + h·R + b)`, the sum clipped.
//!
//! Rows of y behind the end of a sequence are zero, its final state is that of its last step (the initial one where it has
//! none). The arithmetic of a step does not depend on T, B or its place, so that T calls of one step equal one call of T
//! steps to the bit. The products are those of the matrix times vector kernel, the activations those of the unary kernel.

use crate::recurrent::{self, Inputs, Place, Sequence, Weights, row_mut};
use crate::rows::rows_mut;
use crate::{Isa, gemv, unary};

/// Gates: one.
const GATES: u32 = 1;

/// What an RNN is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Sizes and direction.
    pub sequence: Sequence,
    /// Largest magnitude of the sum, or infinity.
    pub clip: f32,
    /// The activation of every direction.
    pub activations: [unary::Params; 2],
}

/// What an RNN writes.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// The states of all steps `[T, D, B, H]`.
    pub y: &'a mut [f32],
    /// The last state `[D, B, H]`.
    pub y_h: &'a mut [f32],
    /// `[S, H]`, overwritten, see [`Sequence::scratch_len`].
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
        let _ = take_steps(isa, params, inputs, places, [&mut *y, &mut *y_h, &mut *scratch]);
    });
}

/// Takes some steps of one sequence from the state in `y_h` to the next ones, which are also copied into `y`. `None` only
/// where an operand is too short.
fn take_steps(
    isa: Isa,
    params: &Params,
    inputs: &Inputs<'_>,
    places: &[Place],
    [y, y_h, scratch]: [&mut [f32]; 3],
) -> Option<()> {
    let (s, hidden) = (&params.sequence, params.sequence.hidden as usize);
    let weights = Weights::of(inputs, s, GATES, places.first()?.direction)?;
    weights.project_inputs(isa, (inputs, s), places, weights.rb, scratch)?;
    for (place, sum) in places.iter().zip(rows_mut(scratch, hidden)) {
        let h = row_mut(y_h, place.state_row(s), hidden)?;
        gemv::run_in_turns(isa, weights.r, h, sum, place.time);
        recurrent::clip(sum, params.clip);
        unary::run_in_place(isa, params.activations.get(place.direction)?, sum);
        recurrent::copy(h, sum);
        recurrent::copy(row_mut(y, place.y_row(s), hidden)?, sum);
    }
    Some(())
}

#[cfg(test)]
mod tests;
