//! The reference: one pixel at a time, some channels together.

use super::{Operands, Params};
use crate::pixels::{Pixels, places};

/// Channels whose sums are kept at a time.
const CHANNELS: usize = 16;

pub(super) fn run(params: &Params, o: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
    let (g, channels) = (&params.geometry, params.geometry.out_channels as usize);
    let mut outputs = y.iter_mut();
    for place in places(pixels.clone(), g.out_height, g.out_width) {
        let mut first = 0usize;
        while first < channels {
            let mut sums = [0; CHANNELS];
            let bias = o.bias.get(first..).unwrap_or_default();
            sums.iter_mut().zip(bias).for_each(|(sum, &bias)| *sum = bias);
            add(params, o, place, first, &mut sums);
            let multipliers = o.multipliers.get(first..).unwrap_or_default();
            for ((sum, &multiplier), y) in sums.into_iter().zip(multipliers).zip(&mut outputs) {
                *y = params.output.of(sum, multiplier);
            }
            first = first.wrapping_add(CHANNELS);
        }
    }
}

/// Adds the products of the channels from `first` on.
fn add(params: &Params, o: &Operands<'_>, [n, row, column]: [u32; 3], first: usize, sums: &mut [i32; CHANNELS]) {
    let (g, channels) = (&params.geometry, params.geometry.out_channels as usize);
    let (rows, columns) = (g.rows(), g.columns());
    let (inside_rows, inside_columns) = (rows.taps(row), columns.taps(column));
    let mut weights = o.weights.get(first..).unwrap_or_default();
    for kh in 0..g.kernel_height {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in 0..g.kernel_width {
            let inside = inside_rows.contains(&kh) && inside_columns.contains(&kw);
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            let x = o.x.get(pixel.wrapping_mul(channels).wrapping_add(first)..).filter(|_| inside);
            match x {
                Some(x) => {
                    for ((sum, &w), &x) in sums.iter_mut().zip(weights).zip(x) {
                        *sum = sum.wrapping_add(i32::from(x).wrapping_mul(i32::from(w)));
                    }
                }
                None => {
                    for (sum, &w) in sums.iter_mut().zip(weights) {
                        *sum = sum.wrapping_add(params.input_zero_point.wrapping_mul(i32::from(w)));
                    }
                }
            }
            weights = weights.get(channels..).unwrap_or_default();
        }
    }
}
