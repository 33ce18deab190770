//! One output at a time, for windows of more bytes than can be gathered.

use core::ops::Range;

use super::Job;
use super::product::Finish;
use crate::product_i8::{Matrix, Shape};
use crate::rows::rows_mut;
use crate::windows::{Window, Windows};

pub(super) fn run<F: Finish>(job: &Job<'_>, finish: &F, shape: Shape, pixels: &Range<u32>, y: &mut [F::Y]) {
    let g = &job.geometry;
    let mut windows = Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start);
    for y in rows_mut(y, g.out_channels as usize) {
        let window = windows.next();
        for (group, y) in rows_mut(y, shape.outputs as usize).enumerate() {
            let Some(m) = Matrix::of(shape, job.packed, group) else { return };
            let first = group.wrapping_mul(shape.outputs as usize);
            for (output, y) in y.iter_mut().enumerate() {
                let sum = sum(job, &m, (&windows, &window, group), output);
                finish.several(&[sum], first.wrapping_add(output), core::slice::from_mut(y));
            }
        }
    }
}

/// `Σ (x - x_zero) * (w - w_zero)`.
fn sum(job: &Job<'_>, m: &Matrix<'_>, (windows, window, group): (&Windows, &Window, usize), output: usize) -> i32 {
    let g = &job.geometry;
    let inputs = g.group_inputs() as usize;
    let zero = i32::from(job.x_zero ^ job.flip);
    let (mut sum, mut input) = (0i32, 0usize);
    for row in 0..g.kernel_height {
        for column in 0..g.kernel_width {
            let start = windows.tap(window, row, column).map(|start| start.wrapping_add(group.wrapping_mul(inputs)));
            let x = start.and_then(|start| job.x.get(start..start.wrapping_add(inputs))).unwrap_or_default();
            for (&x, input) in x.iter().zip(input..) {
                let x = i32::from(x ^ job.flip).wrapping_sub(zero);
                sum = sum.wrapping_add(x.wrapping_mul(m.weight(input, output)));
            }
            input = input.wrapping_add(inputs);
        }
    }
    sum
}
