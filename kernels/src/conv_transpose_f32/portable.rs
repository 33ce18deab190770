//! The reference: one output at a time, gathering the input pixels that reach it.

use core::ops::Range;

use super::{Operands, Params};
use crate::conv_f32::Row;
use crate::geometry::Axis;
use crate::half::Weight;
use crate::pixels::place;
use crate::round::bound;
use crate::rows::{every, rows_mut};

pub(super) fn run<W: Weight>(
    params: &Params,
    operands: &Operands<'_>,
    weights: &[W],
    pixels: Range<u32>,
    y: &mut [f32],
) {
    let g = &params.geometry;
    for (pixel, y) in pixels.zip(rows_mut(y, g.out_channels as usize)) {
        let [n, row, column] = place(pixel, g.out_height, g.out_width);
        for ((channel, &bias), y) in (0..g.out_channels).zip(operands.bias).zip(y) {
            let sum = one(params, operands.x, weights, [n, row, column, channel], bias);
            *y = bound(sum, params.low, params.high);
        }
    }
}

fn one<W: Weight>(params: &Params, x: &[f32], weights: &[W], [n, row, column, channel]: [u32; 4], bias: f32) -> f32 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let inputs = g.group_inputs() as usize;
    let group = channel.checked_div(g.group_outputs()).unwrap_or(0) as usize;
    let place = Row::of(g, params.layout, channel as usize);
    let mut sum = bias;
    for (kh, r) in reaching(&rows, row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(r);
        for (kw, c) in reaching(&columns, column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(c);
            let first = pixel.wrapping_mul(g.in_channels as usize).wrapping_add(group.wrapping_mul(inputs));
            let tap = kh.wrapping_mul(g.kernel_width as usize).wrapping_add(kw);
            let start = place.start.wrapping_add(tap.wrapping_mul(inputs).wrapping_mul(place.step));
            let pixel = x.get(first..first.wrapping_add(inputs)).unwrap_or(&[]);
            for (x, w) in pixel.iter().zip(every(weights.get(start..).unwrap_or(&[]), place.step)) {
                sum += x * w.widen();
            }
        }
    }
    sum
}

/// The taps through which an input position reaches output `out`, with that position.
fn reaching(axis: &Axis, out: u32) -> impl Iterator<Item = (usize, usize)> {
    let axis = *axis;
    (0..axis.kernel).filter_map(move |tap| Some((tap as usize, axis.source(out, tap)? as usize)))
}
