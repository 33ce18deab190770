//! The reference: one output at a time.

use super::{Operands, Params, winograd};
use crate::pixels::{Pixels, places};

pub(super) fn run(params: &Params, o: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
    let g = &params.geometry;
    let mut outputs = y.iter_mut();
    for [n, row, column] in places(pixels.clone(), g.out_height, g.out_width) {
        for ((channel, &bias), &multiplier) in (0..g.out_channels).zip(o.bias).zip(o.multipliers) {
            let Some(y) = outputs.next() else { return };
            let sum = sum(params, o, [n, row, column, channel], bias);
            *y = params.output.of(sum, multiplier);
        }
    }
}

fn sum(params: &Params, o: &Operands<'_>, [n, row, column, channel]: [u32; 4], bias: i32) -> i32 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let (inside_rows, inside_columns) = (rows.taps(row), columns.taps(column));
    let (channel, inputs) = (channel as usize, g.group_inputs() as usize);
    let group = channel.checked_div(g.group_outputs() as usize).unwrap_or(0);
    let mut sum = bias;
    for kh in 0..g.kernel_height {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in 0..g.kernel_width {
            let inside = inside_rows.contains(&kh) && inside_columns.contains(&kw);
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            let first = pixel.wrapping_mul(g.in_channels as usize).wrapping_add(group.wrapping_mul(inputs));
            let x = if inside { o.x.get(first..first.wrapping_add(inputs)) } else { None };
            let tap = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            // Outside lies one element for all input channels.
            let outside = [params.input_zero_point as i8];
            let (x, step) = x.map_or((&outside[..], 0), |x| (x, 1));
            sum = sum.wrapping_add(dot(params, o.weights, channel, tap, x, step));
        }
    }
    sum
}

/// `Σ x * w` over the input channels of one tap of one output channel; the elements of x are `step` apart.
#[inline(never)] // On its own it is small, which boards need.
fn dot(params: &Params, weights: &[i8], channel: usize, tap: usize, x: &[i8], step: usize) -> i32 {
    let g = &params.geometry;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    let inputs = g.group_inputs() as usize;
    let x = |k: usize| i32::from(x.get(k.wrapping_mul(step)).copied().unwrap_or(0));
    if let Some(form) = winograd::form(params.layout) {
        let weight = |input| form.weight(weights, inputs, channel, tap, input);
        return (0..inputs).fold(0i32, |sum, k| sum.wrapping_add(x(k).wrapping_mul(weight(k))));
    }
    let stride = super::pack::stride(params.layout, inputs as u32) as usize;
    let (mut depth, mut first) = (taps.wrapping_mul(stride), tap.wrapping_mul(stride));
    if cfg!(feature = "std") && super::pack::of_rows(params.layout) {
        // Rows of taps are filled up, or taps.
        let row = super::pack::stretch(g, params.layout).map_or(0, |(_, filled)| filled as usize);
        let columns = if super::pack::apart(g, params.layout) { 1 } else { g.kernel_width as usize };
        let place = |tap: usize| {
            let column = tap.checked_rem(columns).unwrap_or(0).wrapping_mul(inputs);
            tap.checked_div(columns).unwrap_or(0).wrapping_mul(row).wrapping_add(column)
        };
        (depth, first) = (place(taps), place(tap));
    }
    if super::pack::of_groups(params.layout)
        && let Some(span) = super::span::Span::of(g)
    {
        // Taps have the inputs of several groups.
        let before = span.group(channel).wrapping_sub(span.first(channel));
        let tap_of = |tap: usize| tap.wrapping_mul(span.inputs);
        (depth, first) = (tap_of(taps), tap_of(tap).wrapping_add(before));
    }
    let place = Place::new(params.layout, channel, depth);
    (0..inputs).fold(0i32, |sum, k| {
        let w = weights.get(place.of(first.wrapping_add(k))).copied().unwrap_or(0);
        sum.wrapping_add(x(k).wrapping_mul(i32::from(w)))
    })
}

/// Where the weights of a channel lie.
pub(crate) struct Place {
    first: usize,
    /// Weights that stand together are `1 << shift`, and so many groups are `1 << step` apart.
    shift: u32,
    step: u32,
}

impl Place {
    pub(crate) fn new(layout: u32, channel: usize, depth: usize) -> Self {
        let Some(shift) = super::pack::together(layout) else {
            return Self { first: channel.wrapping_mul(depth), shift: 0, step: 0 };
        };
        let together = 1usize.wrapping_shl(shift);
        let row = depth.wrapping_add(together).wrapping_sub(1) & together.wrapping_neg();
        let block = row.wrapping_mul(16).wrapping_add(super::pack::head(layout));
        let first = (channel >> 4).wrapping_mul(block).wrapping_add(super::pack::head(layout));
        Self { first: first.wrapping_add((channel & 15) << shift), shift, step: shift.wrapping_add(4) }
    }

    /// The place of weight `k`.
    pub(crate) fn of(&self, k: usize) -> usize {
        let inside = k & (1usize << self.shift).wrapping_sub(1);
        self.first.wrapping_add((k >> self.shift) << self.step).wrapping_add(inside)
    }
}
