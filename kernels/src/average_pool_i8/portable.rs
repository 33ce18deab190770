//! The reference: one output at a time.

use super::{Job, Params};
use crate::pixels::{Pixels, places};

pub(super) fn run(job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) {
    let (params, g) = (job.params, &job.params.geometry);
    let output = params.output();
    let mut outputs = y.iter_mut();
    for [n, row, column] in places(pixels.clone(), g.out_height, g.out_width) {
        let multiplier = params.multiplier(job.multipliers, row, column);
        for channel in 0..job.channels as u32 {
            let Some(y) = outputs.next() else { return };
            *y = output.of(sum(params, job.x, [n, row, column, channel]), multiplier);
        }
    }
}

fn sum(params: &Params, x: &[i8], [n, row, column, channel]: [u32; 4]) -> i32 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let mut sum = 0i32;
    for kh in rows.taps(row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in columns.taps(column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            if let Some(&x) = x.get(pixel.wrapping_mul(g.channels as usize).wrapping_add(channel as usize)) {
                sum = sum.wrapping_add(i32::from(x).wrapping_sub(params.input_zero_point));
            }
        }
    }
    sum
}
