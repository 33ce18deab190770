//! The reference: one output at a time, gathering the input pixels that reach it.

use super::Params;
use crate::geometry::Axis;
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
    let inputs = g.group_inputs() as usize;
    let group = channel.checked_div(g.group_outputs()).unwrap_or(0) as usize;
    let mut sum = bias;
    for (kh, r) in reaching(&rows, row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(r);
        for (kw, c) in reaching(&columns, column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(c);
            let first = pixel.wrapping_mul(g.in_channels as usize).wrapping_add(group.wrapping_mul(inputs));
            let tap = (channel as usize).wrapping_mul(g.kernel_height as usize).wrapping_add(kh);
            let start = tap.wrapping_mul(g.kernel_width as usize).wrapping_add(kw).wrapping_mul(inputs);
            let pixel = x.get(first..first.wrapping_add(inputs)).unwrap_or(&[]);
            for (x, w) in pixel.iter().zip(weights.get(start..).unwrap_or(&[])) {
                sum += x * w;
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
