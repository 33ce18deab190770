//! The reference: one output at a time, taps in row-major order, then input channels.

use core::ops::Range;

use super::winograd::form;
use super::{Operands, Params, layout, order};
use crate::geometry::Geometry;
use crate::half::Weight;
use crate::pixels::place;
use crate::round::bound;
use crate::rows::{every, rows_mut};

/// The weights of one output channel: element `k` of its row lies at `start + k * step`.
pub(crate) struct Row {
    pub(crate) start: usize,
    pub(crate) step: usize,
}

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

impl Row {
    /// That of `channel` in a layout.
    pub(crate) fn of(g: &Geometry, layout: u32, channel: usize) -> Self {
        let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
        let row = taps.wrapping_mul(g.group_inputs() as usize);
        if order(layout) == layout::O16 {
            let outputs = (g.group_outputs() as usize).max(1);
            let (group, channel) = (channel.checked_div(outputs), channel.checked_rem(outputs).unwrap_or(0));
            let first = group.unwrap_or(0).wrapping_mul(outputs.next_multiple_of(16));
            let block = first.wrapping_add(channel & !15);
            Self { start: block.wrapping_mul(row).wrapping_add(channel & 15), step: 16 }
        } else {
            Self { start: channel.wrapping_mul(row), step: 1 }
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
    for kh in rows.taps(row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in columns.taps(column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            let first = pixel.wrapping_mul(g.in_channels as usize).wrapping_add(group.wrapping_mul(inputs));
            let tap = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            let start = place.start.wrapping_add(tap.wrapping_mul(inputs).wrapping_mul(place.step));
            let Some(pixel) = x.get(first..first.wrapping_add(inputs)) else { continue };
            if let Some(form) = form(params.layout) {
                for (input, &x) in pixel.iter().enumerate() {
                    sum += x * form.weight(weights, inputs, channel as usize, tap, input);
                }
                continue;
            }
            let Some(weights) = weights.get(start..) else { continue };
            for (&x, &w) in pixel.iter().zip(every(weights, place.step)) {
                sum += x * w.widen();
            }
        }
    }
    sum
}
