//! The reference: one output at a time, taps in row-major order, then input channels.

use super::{Params, layout};
use crate::round::bound;
use crate::rows::every;

/// The weights of one output channel: element `k` of its row lies at `start + k * step`.
struct Row {
    start: usize,
    step: usize,
}

pub(super) fn run(params: &Params, x: &[f32], weights: &[f32], bias: &[f32], y: &mut [f32]) {
    let g = &params.geometry;
    let mut outputs = y.iter_mut();
    for n in 0..g.batch {
        for row in 0..g.out_height {
            for column in 0..g.out_width {
                for (channel, &bias) in (0..g.out_channels).zip(bias) {
                    let Some(y) = outputs.next() else { return };
                    let sum = one(params, x, weights, [n, row, column, channel], bias);
                    *y = bound(sum, params.low, params.high);
                }
            }
        }
    }
}

fn row_of(params: &Params, channel: usize) -> Row {
    let g = &params.geometry;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    let row = taps.wrapping_mul(g.group_inputs() as usize);
    if params.layout == layout::O16 {
        Row { start: (channel & !15).wrapping_mul(row).wrapping_add(channel & 15), step: 16 }
    } else {
        Row { start: channel.wrapping_mul(row), step: 1 }
    }
}

fn one(params: &Params, x: &[f32], weights: &[f32], [n, row, column, channel]: [u32; 4], bias: f32) -> f32 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let inputs = g.group_inputs() as usize;
    let group = channel.checked_div(g.group_outputs()).unwrap_or(0) as usize;
    let place = row_of(params, channel as usize);
    let mut sum = bias;
    for kh in rows.taps(row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in columns.taps(column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            let first = pixel.wrapping_mul(g.in_channels as usize).wrapping_add(group.wrapping_mul(inputs));
            let tap = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            let start = place.start.wrapping_add(tap.wrapping_mul(inputs).wrapping_mul(place.step));
            let Some(pixel) = x.get(first..first.wrapping_add(inputs)) else { continue };
            let Some(weights) = weights.get(start..) else { continue };
            for (&x, &w) in pixel.iter().zip(every(weights, place.step)) {
                sum += x * w;
            }
        }
    }
    sum
}
