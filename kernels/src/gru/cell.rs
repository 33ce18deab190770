//! Steps of one sequence.

use super::{GATES, Params};
use crate::recurrent::{self, Inputs, Place, Weights, row_mut};
use crate::rows::rows_mut;
use crate::{Isa, gemv, unary};

/// Takes some steps of one sequence from the state in `y_h` to the next ones, which are also copied into `y`. `None` only
/// where an operand is too short.
pub(super) fn steps(
    isa: Isa,
    params: &Params,
    inputs: &Inputs<'_>,
    places: &[Place],
    [y, y_h, scratch]: [&mut [f32]; 3],
) -> Option<()> {
    let (s, hidden) = (&params.sequence, params.sequence.hidden as usize);
    let weights = Weights::of(inputs, s, GATES, places.first()?.direction)?;
    // z and r take all of the recurrent product; that of h comes after the reset.
    let b_zr = weights.rb.get(..hidden.wrapping_mul(2)).unwrap_or(&[]);
    weights.project_inputs(isa, (inputs, s), places, b_zr, scratch)?;
    for (&place, gates) in places.iter().zip(rows_mut(scratch, hidden.wrapping_mul(GATES as usize))) {
        let h = row_mut(y_h, place.state_row(s), hidden)?;
        step(isa, params, &weights, place.direction, [row_mut(y, place.y_row(s), hidden)?, h, gates])?;
    }
    Some(())
}

/// One step from `h` to the next state, which is also copied into `y`; `gates` hold the products of the input.
fn step(
    isa: Isa,
    params: &Params,
    weights: &Weights<'_>,
    direction: usize,
    [y, h, gates]: [&mut [f32]; 3],
) -> Option<()> {
    let hidden = params.sequence.hidden as usize;
    let [of_gates, of_state] = recurrent::activations(&params.activations, direction)?;
    let zr = hidden.wrapping_mul(2);
    let rows_of_h = zr.wrapping_mul(hidden);
    let (r_zr, r_h) = (weights.r.get(0..rows_of_h)?, weights.r.get(rows_of_h..weights.r.len())?);
    let b_h = weights.rb.get(zr..).unwrap_or(&[]);
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
