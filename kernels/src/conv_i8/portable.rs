//! The reference: one output at a time.

use super::{Operands, Params, layout};
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
            sum = sum.wrapping_add(match x {
                Some(x) => dot(params, o.weights, channel, tap, x.iter().copied()),
                None => {
                    dot(params, o.weights, channel, tap, core::iter::repeat_n(params.input_zero_point as i8, inputs))
                }
            });
        }
    }
    sum
}

/// `Σ x * w` over the input channels of one tap of one output channel.
fn dot(params: &Params, weights: &[i8], channel: usize, tap: usize, x: impl Iterator<Item = i8>) -> i32 {
    let g = &params.geometry;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    let inputs = g.group_inputs() as usize;
    if params.layout == layout::O16I4 {
        let fours = inputs.div_ceil(4);
        let block = (channel >> 4).wrapping_mul(taps).wrapping_add(tap).wrapping_mul(fours).wrapping_mul(64);
        let blocks = weights.get(block..).unwrap_or(&[]).as_chunks::<64>().0.iter();
        let lane = blocks.filter_map(|block| block.as_chunks::<4>().0.get(channel & 15)).flatten();
        multiply(x, lane)
    } else {
        let start = channel.wrapping_mul(taps).wrapping_add(tap).wrapping_mul(inputs);
        multiply(x, weights.get(start..).unwrap_or(&[]).iter())
    }
}

/// `Σ x * w` until one of them ends.
fn multiply<'a>(x: impl Iterator<Item = i8>, w: impl Iterator<Item = &'a i8>) -> i32 {
    x.zip(w).fold(0i32, |sum, (x, &w)| sum.wrapping_add(i32::from(x).wrapping_mul(i32::from(w))))
}
