//! The reference: one pixel at a time.

use core::ops::Range;

use super::{Params, Table};
use crate::rows::rows_mut;

pub(super) fn run(p: &Params, x: &[f32], rows: &Table<'_>, columns: &Table<'_>, lines: Range<u32>, y: &mut [f32]) {
    let mut pixels = rows_mut(y, p.channels as usize);
    for line in lines {
        let (n, row) = p.place(line);
        let row = rows.taps(row, p.row_taps);
        for column in 0..p.out_width {
            let Some(y) = pixels.next() else { return };
            one(p, x, n, row, columns.taps(column, p.column_taps), y);
        }
    }
}

fn one(p: &Params, x: &[f32], n: u32, row: (&[u32], &[f32]), column: (&[u32], &[f32]), y: &mut [f32]) {
    y.fill(0.0);
    for (&r, row_weight) in row.0.iter().zip(row.1) {
        let r = r.min(p.in_height.wrapping_sub(1)) as usize;
        let r = (n as usize).wrapping_mul(p.in_height as usize).wrapping_add(r);
        for (&c, column_weight) in column.0.iter().zip(column.1) {
            let c = c.min(p.in_width.wrapping_sub(1)) as usize;
            let pixel = r.wrapping_mul(p.in_width as usize).wrapping_add(c);
            let weight = row_weight * column_weight;
            let pixel = x.get(pixel.wrapping_mul(p.channels as usize)..).unwrap_or(&[]);
            for (y, x) in y.iter_mut().zip(pixel) {
                *y += weight * x;
            }
        }
    }
}
