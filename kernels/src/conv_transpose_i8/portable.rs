//! The reference: one output at a time, gathering the input pixels that reach it.

use super::{Operands, Params};
use crate::conv_i8::portable::Place;
use crate::geometry::Axis;
use crate::pixels::{Pixels, places};

pub(super) fn run(params: &Params, o: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
    let g = &params.geometry;
    let mut outputs = y.iter_mut();
    for [n, row, column] in places(pixels.clone(), g.out_height, g.out_width) {
        for ((channel, &bias), &multiplier) in (0..g.out_channels).zip(o.bias).zip(o.multipliers) {
            let Some(y) = outputs.next() else { return };
            *y = params.output.of(sum(params, o, [n, row, column, channel], bias), multiplier);
        }
    }
}

fn sum(params: &Params, o: &Operands<'_>, [n, row, column, channel]: [u32; 4], bias: i32) -> i32 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let inputs = g.group_inputs() as usize;
    let group = channel.checked_div(g.group_outputs()).unwrap_or(0) as usize;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    let weights = Place::new(params.layout, channel as usize, taps.wrapping_mul(inputs));
    let mut sum = bias;
    for (kh, r) in reaching(&rows, row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(r);
        for (kw, c) in reaching(&columns, column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(c);
            let first = pixel.wrapping_mul(g.in_channels as usize).wrapping_add(group.wrapping_mul(inputs));
            let start = kh.wrapping_mul(g.kernel_width as usize).wrapping_add(kw).wrapping_mul(inputs);
            let pixel = o.x.get(first..first.wrapping_add(inputs)).unwrap_or(&[]);
            for (k, &x) in (start..).zip(pixel) {
                let w = o.weights.get(weights.of(k)).copied().unwrap_or(0);
                let x = i32::from(x).wrapping_sub(params.input_zero_point);
                sum = sum.wrapping_add(x.wrapping_mul(i32::from(w)));
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
