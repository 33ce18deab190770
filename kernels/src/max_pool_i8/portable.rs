//! The reference: one output at a time.

use super::Params;
use crate::pixels::{Pixels, places};

pub(super) fn run(params: &Params, x: &[i8], pixels: &Pixels, y: &mut [i8]) {
    let g = &params.geometry;
    let mut outputs = y.iter_mut();
    for [n, row, column] in places(pixels.clone(), g.out_height, g.out_width) {
        for channel in 0..g.channels {
            let Some(y) = outputs.next() else { return };
            *y = one(params, x, [n, row, column, channel]);
        }
    }
}

fn one(params: &Params, x: &[i8], [n, row, column, channel]: [u32; 4]) -> i8 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let mut best = i8::MIN;
    for kh in rows.taps(row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in columns.taps(column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            if let Some(&x) = x.get(pixel.wrapping_mul(g.channels as usize).wrapping_add(channel as usize)) {
                best = best.max(x);
            }
        }
    }
    best
}
