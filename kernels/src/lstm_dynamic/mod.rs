//! LSTM with int8 weights and dynamically quantized inputs: the states, gates and activations are those of
//! [`lstm`](crate::lstm), the products are integer.
//!
//! All of x is quantized once, with the scale of its own range; the state of a sequence is quantized at every step. A gate
//! is `bias of w + bias of r + Σ x * w + Σ h * r`, added in this order, each sum an int32 times the scales of its two
//! sides. The products with x of four steps share one pass over the weights; those with the state walk the weights
//! forwards and backwards in turns, so that a part of them is still in the cache. Every variant gives the same bits but for
//! the activations, which stay within the bound of the unary kernel.

mod cell;

use crate::lstm::{GATES, More, Outputs, Params};
use crate::product_i8::{ROWS, Shape};
use crate::quantize_dynamic::Quantization;
use crate::recurrent::{self, Place, Sequence};
use crate::{Isa, view_mut};

/// What such a layer reads; weights of every direction are packed one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Input `[T, B, I]`.
    pub x: &'a [f32],
    /// Packed input weights, see [`w_shape`].
    pub w: &'a [u8],
    /// Packed recurrent weights, see [`r_shape`].
    pub r: &'a [u8],
    /// Bias `[D, 2 * 4 * H]`; zero where absent.
    pub bias: Option<&'a [f32]>,
    /// Steps of every sequence `[B]`, held within 0 and T; T where absent.
    pub lengths: Option<&'a [i32]>,
    /// Initial state `[D, B, H]`; zero where absent.
    pub h0: Option<&'a [f32]>,
}

/// The input weights of one direction.
pub fn w_shape(s: &Sequence) -> Shape {
    Shape { inputs: s.inputs, outputs: s.hidden.wrapping_mul(GATES) }
}

/// The recurrent weights of one direction.
pub fn r_shape(s: &Sequence) -> Shape {
    Shape { inputs: s.hidden, outputs: s.hidden.wrapping_mul(GATES) }
}

/// Bytes of the packed weights of all directions; `None` where a size is zero or the product leaves `i32`.
pub fn packed_bytes(s: &Sequence, shape: Shape) -> Option<u32> {
    s.w_len(GATES)?;
    s.r_len(GATES)?;
    shape.packed_bytes()?.checked_mul(s.directions()).filter(|&n| n <= i32::MAX as u32)
}

/// Words of 4 bytes of the scratch: the gates of four steps, then the levels of x and of a state.
pub fn scratch_words(s: &Sequence) -> Option<u32> {
    let gates = s.hidden.checked_mul(GATES)?.checked_mul(ROWS as u32)?;
    let x = s.steps.checked_mul(s.batch)?.checked_mul(s.inputs.div_ceil(4))?;
    gates.checked_add(x)?.checked_add(s.hidden.div_ceil(4)).filter(|&n| n <= i32::MAX as u32 / 4)
}

/// Runs all steps; the scratch of `outputs` is not used, `scratch` is [`scratch_words`] words as bytes, aligned to 4.
/// Operands of other lengths than the parameters give leave the outputs as they are.
pub fn run(isa: Isa, params: &Params, i: &Inputs<'_>, more: &More<'_>, outputs: Outputs<'_>, scratch: &mut [u8]) {
    let (s, Outputs { y, y_h, y_c, .. }) = (&params.sequence, outputs);
    if !fits(params, i, more, [&*y, &*y_h, &*y_c]) || scratch.len() as u64 != words(s).saturating_mul(4) {
        return;
    }
    let Some((gates, levels)) = cut(s, scratch) else { return };
    let Some((x_levels, h_levels)) = levels.split_at_mut_checked(x_bytes(s)) else { return };
    let x = quantized(isa, s, i.x, x_levels);
    recurrent::start(y_h, i.h0);
    recurrent::start(y_c, more.c0);
    if i.lengths.is_some() {
        y.fill(0.0);
    }
    let job = cell::Job { isa, params, inputs: i, more, x, levels: x_levels };
    let mut places = [None; ROWS];
    let mut count = 0;
    let mut flush = |places: &[Option<Place>]| {
        // Every row exists: the lengths have been checked.
        let _ = job.steps(places, gates, h_levels, [&mut *y, &mut *y_h, &mut *y_c]);
    };
    // Steps of one sequence in one direction go together, four at a time.
    s.each_step(i.lengths, |place| {
        let joins = |p: &Place| (p.direction, p.batch) == (place.direction, place.batch);
        if count == ROWS || !places.first().is_some_and(|p| p.as_ref().is_none_or(joins)) {
            flush(places.get(..count).unwrap_or_default());
            (places, count) = ([None; ROWS], 0);
        }
        if let Some(slot) = places.get_mut(count) {
            *slot = Some(place);
            count = count.wrapping_add(1);
        }
    });
    flush(places.get(..count).unwrap_or_default());
}

fn words(s: &Sequence) -> u64 {
    scratch_words(s).map_or(u64::MAX, u64::from)
}

fn x_bytes(s: &Sequence) -> usize {
    (s.steps as usize).wrapping_mul(s.batch as usize).wrapping_mul(w_shape(s).row_bytes())
}

/// The gates of four steps, and the levels.
fn cut<'a>(s: &Sequence, scratch: &'a mut [u8]) -> Option<(&'a mut [f32], &'a mut [u8])> {
    let gates = (s.hidden as usize).wrapping_mul(GATES as usize).wrapping_mul(ROWS).wrapping_mul(4);
    let (gates, levels) = scratch.split_at_mut_checked(gates)?;
    Some((view_mut(gates)?, levels))
}

/// Quantizes x row by row into its levels.
fn quantized(isa: Isa, s: &Sequence, x: &[f32], levels: &mut [u8]) -> Quantization {
    let quantization = Quantization::of(isa, x);
    let rows = crate::rows::rows_mut(levels, w_shape(s).row_bytes());
    for (x, levels) in crate::rows::rows(x, s.inputs as usize).zip(rows) {
        levels.fill(0);
        if let Some(levels) = levels.get_mut(..x.len()) {
            quantization.apply(isa, x, levels);
        }
    }
    quantization
}

fn fits(params: &Params, i: &Inputs<'_>, more: &More<'_>, [y, y_h, y_c]: [&[f32]; 3]) -> bool {
    let s = &params.sequence;
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    is(i.x.len(), s.x_len())
        && is(i.w.len(), packed_bytes(s, w_shape(s)))
        && is(i.r.len(), packed_bytes(s, r_shape(s)))
        && i.bias.is_none_or(|b| is(b.len(), s.bias_len(GATES)))
        && i.lengths.is_none_or(|l| l.len() == s.batch as usize)
        && i.h0.is_none_or(|h| is(h.len(), s.state_len()))
        && more.c0.is_none_or(|c| is(c.len(), s.state_len()))
        && more.peepholes.is_none_or(|p| is(p.len(), params.peepholes_len()))
        && is(y.len(), s.y_len())
        && is(y_h.len(), s.state_len())
        && is(y_c.len(), s.state_len())
}

#[cfg(test)]
mod tests;
