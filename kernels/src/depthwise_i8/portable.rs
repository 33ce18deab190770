//! The reference: one output at a time.

use super::{Operands, Params};
use crate::pixels::{Pixels, places};
use crate::rows::every;

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

/// The sum of one output.
fn sum(params: &Params, o: &Operands<'_>, [n, row, column, channel]: [u32; 4], bias: i32) -> i32 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let (inside_rows, inside_columns) = (rows.taps(row), columns.taps(column));
    let (channel, channels) = (channel as usize, g.out_channels as usize);
    let mut weights = every(o.weights.get(channel..).unwrap_or_default(), channels);
    let mut sum = bias;
    for kh in 0..g.kernel_height {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in 0..g.kernel_width {
            let Some(&w) = weights.next() else { return sum };
            let inside = inside_rows.contains(&kh) && inside_columns.contains(&kw);
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            let x = o.x.get(pixel.wrapping_mul(channels).wrapping_add(channel)).filter(|_| inside);
            let x = x.map_or(params.input_zero_point, |&x| i32::from(x));
            sum = sum.wrapping_add(x.wrapping_mul(i32::from(w)));
        }
    }
    sum
}
