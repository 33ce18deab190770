//! The reference: one output at a time, block by block.

use core::ops::Range;

use super::{BLOCK, Operands, Params};
use crate::half::F16;
use crate::pixels::place;
use crate::round::bound;
use crate::rows::rows_mut;

pub(super) fn run(params: &Params, operands: &Operands<'_>, pixels: Range<u32>, y: &mut [f32]) {
    let g = &params.geometry;
    for (pixel, y) in pixels.zip(rows_mut(y, g.out_channels as usize)) {
        let place = place(pixel, g.out_height, g.out_width);
        for ((channel, &bias), y) in operands.bias.iter().enumerate().zip(y) {
            *y = bound(one(params, operands, place, channel, bias), params.low, params.high);
        }
    }
}

fn one(params: &Params, operands: &Operands<'_>, [n, row, column]: [u32; 3], channel: usize, bias: f32) -> f32 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let inputs = g.in_channels as usize;
    let first = (channel & !15).wrapping_mul(params.products()).wrapping_add(channel & 15);
    // Of both zeros the positive one, which the sum of an empty block leaves as it is.
    let (mut sum, mut block, mut part) = (bias + 0.0, 0, F16(0));
    for kh in rows.taps(row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in columns.taps(column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            let tap = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            for input in 0..inputs {
                let k = tap.wrapping_mul(inputs).wrapping_add(input);
                if k / BLOCK != block {
                    sum += part.to_f32();
                    (block, part) = (k / BLOCK, F16(0));
                }
                let x = operands.x.get(pixel.wrapping_mul(inputs).wrapping_add(input));
                let w = operands.weights.get(first.wrapping_add(k.wrapping_mul(16)));
                if let (Some(&x), Some(&w)) = (x, w) {
                    part = F16::fma(F16::from_f32(x), w, part);
                }
            }
        }
    }
    sum + part.to_f32()
}
