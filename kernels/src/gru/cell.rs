//! One step of one sequence.

use super::{GATES, Params};
use crate::recurrent::{self, Inputs, Place, Weights, row, row_mut};
use crate::{Isa, gemv, unary};

/// Takes one step from the state in `y_h` to the next, which is also copied into `y`. `None` only where an operand is too
/// short.
pub(super) fn step(
    isa: Isa,
    params: &Params,
    inputs: &Inputs<'_>,
    place: Place,
    [y, y_h, scratch]: [&mut [f32]; 3],
) -> Option<()> {
    let (s, hidden) = (&params.sequence, params.sequence.hidden as usize);
    let x = row(inputs.x, place.x_row(s), s.inputs as usize)?;
    let h = row_mut(y_h, place.state_row(s), hidden)?;
    let y = row_mut(y, place.y_row(s), hidden)?;
    let gates = row_mut(scratch, place.batch, hidden.wrapping_mul(GATES as usize))?;
    let [of_gates, of_state] = recurrent::activations(&params.activations, place.direction)?;
    let weights = Weights::of(inputs, s, GATES, place.direction)?;

    // z and r take all of the recurrent product; that of h comes after the reset.
    let zr = hidden.wrapping_mul(2);
    let (r_zr, r_h) = weights.r.split_at_checked(zr.wrapping_mul(hidden))?;
    let (b_zr, b_h) = weights.rb.split_at_checked(zr.min(weights.rb.len()))?;
    gates.fill(0.0);
    recurrent::add(gates, weights.wb);
    recurrent::add(gates, b_zr);
    gemv::run(isa, weights.w, x, gates);
    let (gates, new) = gates.split_at_mut_checked(zr)?;
    gemv::run(isa, r_zr, h, gates);
    recurrent::clip(gates, params.clip);
    unary::run_in_place(isa, of_gates, gates);
    let (z, r) = gates.split_at_mut_checked(hidden)?;

    // The row of y serves as scratch until the state is there.
    y.fill(0.0);
    recurrent::add(y, b_h);
    if params.linear_before_reset {
        gemv::run(isa, r_h, h, y);
        for (y, &r) in y.iter_mut().zip(&*r) {
            *y *= r;
        }
    } else {
        for (r, &h) in r.iter_mut().zip(&*h) {
            *r *= h;
        }
        gemv::run(isa, r_h, r, y);
    }
    recurrent::add(new, y);
    recurrent::clip(new, params.clip);
    unary::run_in_place(isa, of_state, new);
    for ((h, &z), &new) in h.iter_mut().zip(&*z).zip(&*new) {
        *h = (1.0 - z) * new + z * *h;
    }
    recurrent::copy(y, h);
    Some(())
}
