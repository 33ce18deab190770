//! The reference: one output at a time.

use core::ops::Range;

use super::Params;
use crate::pixels::place;
use crate::rows::rows_mut;

pub(super) fn run(params: &Params, x: &[f32], pixels: Range<u32>, y: &mut [f32]) {
    let g = &params.geometry;
    for (pixel, y) in pixels.zip(rows_mut(y, g.channels as usize)) {
        let [n, row, column] = place(pixel, g.out_height, g.out_width);
        for (channel, y) in (0..g.channels).zip(y) {
            *y = one(params, x, [n, row, column, channel]);
        }
    }
}

fn one(params: &Params, x: &[f32], [n, row, column, channel]: [u32; 4]) -> f32 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let mut best = f32::NEG_INFINITY;
    for kh in rows.taps(row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in columns.taps(column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            if let Some(&x) = x.get(pixel.wrapping_mul(g.channels as usize).wrapping_add(channel as usize)) {
                best = if x > best { x } else { best };
            }
        }
    }
    best
}
