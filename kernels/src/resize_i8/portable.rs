//! The reference: one pixel at a time, 64 channels together.

use core::ops::Range;

use super::{Params, Table};
use crate::round::requantize;
use crate::rows::rows_mut;

/// The taps of one output row or column: indices and weights.
type Taps<'a> = (&'a [u32], &'a [f32]);

pub(super) fn run(params: &Params, x: &[i8], rows: &Table<'_>, columns: &Table<'_>, lines: Range<u32>, y: &mut [i8]) {
    let p = &params.sizes;
    let mut pixels = rows_mut(y, p.channels as usize);
    for line in lines {
        let (n, row) = p.place(line);
        let row = rows.taps(row, p.row_taps);
        for column in 0..p.out_width {
            let column = columns.taps(column, p.column_taps);
            let Some(y) = pixels.next() else { return };
            for (k, y) in y.chunks_mut(64).enumerate() {
                one(params, x, (n, k.wrapping_mul(64)), row, column, y);
            }
        }
    }
}

/// At most 64 channels of an output pixel, from channel `first` of batch element `n`.
fn one(params: &Params, x: &[i8], (n, first): (u32, usize), row: Taps<'_>, column: Taps<'_>, y: &mut [i8]) {
    let p = &params.sizes;
    let mut sums = [0f32; 64];
    for (&r, row_weight) in row.0.iter().zip(row.1) {
        let r = r.min(p.in_height.wrapping_sub(1)) as usize;
        let r = (n as usize).wrapping_mul(p.in_height as usize).wrapping_add(r);
        for (&c, column_weight) in column.0.iter().zip(column.1) {
            let c = c.min(p.in_width.wrapping_sub(1)) as usize;
            let pixel = r.wrapping_mul(p.in_width as usize).wrapping_add(c);
            let weight = row_weight * column_weight;
            let start = pixel.wrapping_mul(p.channels as usize).wrapping_add(first);
            let pixel = x.get(start..start.wrapping_add(y.len())).unwrap_or(&[]);
            for (sum, &x) in sums.iter_mut().zip(pixel) {
                *sum += weight * i32::from(x).wrapping_sub(params.zero_point) as f32;
            }
        }
    }
    for (y, &sum) in y.iter_mut().zip(&sums) {
        *y = requantize(sum, params.zero_point, -128, 127);
    }
}
