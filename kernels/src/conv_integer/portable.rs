//! The reference: one output at a time.

use super::{Operands, Params};
use crate::rows::rows;

pub(super) fn run(params: &Params, o: &Operands<'_>, y: &mut [i32]) {
    let g = &params.geometry;
    let mut outputs = y.iter_mut();
    for n in 0..g.batch {
        for row in 0..g.out_height {
            for column in 0..g.out_width {
                for (channel, &zero) in (0..g.out_channels).zip(o.zero_points) {
                    let Some(y) = outputs.next() else { return };
                    *y = sum(params, o, [n, row, column, channel], zero);
                }
            }
        }
    }
}

fn sum(params: &Params, o: &Operands<'_>, [n, row, column, channel]: [u32; 4], zero: i32) -> i32 {
    let g = &params.geometry;
    let (rows_axis, columns_axis) = (g.rows(), g.columns());
    let (inside_rows, inside_columns) = (rows_axis.taps(row), columns_axis.taps(column));
    let inputs = g.group_inputs() as usize;
    let group = channel.checked_div(g.group_outputs()).unwrap_or(0) as usize;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    let start = (channel as usize).wrapping_mul(taps).wrapping_mul(inputs);
    let mut weights = rows(o.weights.get(start..).unwrap_or(&[]), inputs);
    let mut sum = 0i32;
    for kh in 0..g.kernel_height {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows_axis.position(row, kh));
        for kw in 0..g.kernel_width {
            let Some(weights) = weights.next() else { return sum };
            if !inside_rows.contains(&kh) || !inside_columns.contains(&kw) {
                continue;
            }
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns_axis.position(column, kw));
            let first = pixel.wrapping_mul(g.in_channels as usize).wrapping_add(group.wrapping_mul(inputs));
            let x = o.x.get(first..first.wrapping_add(inputs)).unwrap_or(&[]);
            for (&x, &w) in x.iter().zip(weights) {
                let x = params.number(x).wrapping_sub(params.number(o.x_zero));
                sum = sum.wrapping_add(x.wrapping_mul(i32::from(w).wrapping_sub(zero)));
            }
        }
    }
    sum
}
