//! The reference: one output at a time, taps in row-major order.

use super::Params;
use crate::round::bound;

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

fn one(params: &Params, x: &[f32], weights: &[f32], [n, row, column, channel]: [u32; 4], bias: f32) -> f32 {
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
                sum += x * w;
            }
        }
    }
    sum
}
