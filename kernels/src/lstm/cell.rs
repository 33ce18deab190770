//! Steps of one sequence.

use super::{GATES, More, Params};
use crate::recurrent::{self, Inputs, Place, Weights, row, row_mut};
use crate::rows::rows_mut;
use crate::{Isa, gemv, unary};

/// Takes some steps of one sequence from the state in `y_h` and `y_c` to the next ones, which are also copied into `y`.
/// `None` only where an operand is too short.
pub(super) fn steps(
    isa: Isa,
    params: &Params,
    inputs: &Inputs<'_>,
    more: &More<'_>,
    places: &[Place],
    [y, y_h, y_c, scratch]: [&mut [f32]; 4],
) -> Option<()> {
    let (s, hidden) = (&params.sequence, params.sequence.hidden as usize);
    let weights = Weights::of(inputs, s, GATES, places.first()?.direction)?;
    weights.project_inputs(isa, (inputs, s), places, weights.rb, scratch)?;
    for (place, gates) in places.iter().zip(rows_mut(scratch, hidden.wrapping_mul(GATES as usize))) {
        let h = row_mut(y_h, place.state_row(s), hidden)?;
        let c = row_mut(y_c, place.state_row(s), hidden)?;
        gemv::run_in_turns(isa, weights.r, h, gates, place.time);
        advance(isa, params, more, place.direction, [gates, h, c])?;
        recurrent::copy(row_mut(y, place.y_row(s), hidden)?, h);
    }
    Some(())
}

/// From the sums of the gates, which are overwritten, to the next state `h` and cell state `c`. `None` only where a row
/// is too short.
pub(crate) fn advance(
    isa: Isa,
    params: &Params,
    more: &More<'_>,
    direction: usize,
    [gates, h, c]: [&mut [f32]; 3],
) -> Option<()> {
    let hidden = params.sequence.hidden as usize;
    let [of_gates, of_block, of_cell] = recurrent::activations(&params.activations, direction)?;
    let (input, rest) = gates.split_at_mut_checked(hidden)?;
    let (output, rest) = rest.split_at_mut_checked(hidden)?;
    let (forget, block) = rest.split_at_mut_checked(hidden)?;
    let peephole = |gate: usize| row(more.peepholes?, direction.wrapping_mul(3).wrapping_add(gate), hidden);

    gate(isa, params.clip, of_gates, input, peephole(0), c);
    if params.input_forget {
        for (f, &i) in forget.iter_mut().zip(&*input) {
            *f = 1.0 - i;
        }
    } else {
        gate(isa, params.clip, of_gates, forget, peephole(2), c);
    }
    recurrent::clip(block, params.clip);
    unary::run_in_place(isa, of_block, block);
    for (((c, &f), &i), &g) in c.iter_mut().zip(&*forget).zip(&*input).zip(&*block) {
        *c = f * *c + i * g;
    }
    gate(isa, params.clip, of_gates, output, peephole(1), c);
    // The block's place is free for h(c).
    recurrent::copy(block, c);
    unary::run_in_place(isa, of_cell, block);
    for ((h, &o), &t) in h.iter_mut().zip(&*output).zip(&*block) {
        *h = o * t;
    }
    Some(())
}

/// Adds the peephole's product, clips, and takes the activation.
fn gate(isa: Isa, clip: f32, activation: &unary::Params, gate: &mut [f32], peephole: Option<&[f32]>, c: &[f32]) {
    for ((g, &p), &c) in gate.iter_mut().zip(peephole.unwrap_or(&[])).zip(c) {
        *g += p * c;
    }
    recurrent::clip(gate, clip);
    unary::run_in_place(isa, activation, gate);
}
