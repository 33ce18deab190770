//! The reference: one output at a time, taps in row-major order.

use core::ops::Range;

use super::{Operands, Params};
use crate::half::Weight;
use crate::pixels::place;
use crate::round::bound;
use crate::rows::rows_mut;

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
    let (channels, channel) = (g.in_channels as usize, channel as usize);
    let mut sum = bias;
    for kh in rows.taps(row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in columns.taps(column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            let tap = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            let x = x.get(pixel.wrapping_mul(channels).wrapping_add(channel));
            let w = weights.get(tap.wrapping_mul(channels).wrapping_add(channel));
            if let (Some(x), Some(w)) = (x, w) {
                sum += x * w.widen();
            }
        }
    }
    sum
}
