//! The reference: one output at a time, product by product.

use core::ops::Range;

use super::{Operands, Params, rounded};
use crate::pixels::place;
use crate::round::bound;
use crate::rows::rows_mut;

pub(super) fn run(params: &Params, operands: &Operands<'_>, pixels: Range<u32>, y: &mut [f32]) {
    let g = &params.geometry;
    for (pixel, y) in pixels.zip(rows_mut(y, g.out_channels as usize)) {
        let place = place(pixel, g.out_height, g.out_width);
        for ((channel, &bias), y) in operands.bias.iter().enumerate().zip(y) {
            *y = bound(sum(params, operands, place, channel) + bias, params.low, params.high);
        }
    }
}

/// The sum of products. Those of padded taps are left out: it is never the negative zero, which they would change.
fn sum(params: &Params, operands: &Operands<'_>, [n, row, column]: [u32; 3], channel: usize) -> f32 {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    let inputs = g.in_channels as usize;
    let first = (channel & !15).wrapping_mul(params.products()).wrapping_add(channel & 15);
    let mut sum = 0.0;
    for kh in rows.taps(row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in columns.taps(column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            let tap = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            for input in 0..inputs {
                let k = tap.wrapping_mul(inputs).wrapping_add(input);
                let x = operands.x.get(pixel.wrapping_mul(inputs).wrapping_add(input));
                let w = operands.weights.get(first.wrapping_add(k.wrapping_mul(16)));
                if let (Some(&x), Some(&w)) = (x, w) {
                    sum = fused(rounded(x), w.to_f32(), sum);
                }
            }
        }
    }
    sum
}

/// `a * b + c`, rounded once, of `a` and `b` with 8 significant bits.
///
/// In f64 the product is exact. The sum is, too, wherever the next rounding could depend on it: a sum that f64 rounds has a
/// term of at most 24 bits that is more than `2^28` times the other, far from every middle between two numbers of 24 bits.
fn fused(a: f32, b: f32, c: f32) -> f32 {
    (f64::from(a) * f64::from(b) + f64::from(c)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

    #[test]
    fn a_product_is_rounded_once() {
        let mut samples = Samples::new(3);
        let mut any = || f32::from_bits(samples.bits() as u32);
        for _ in 0..200_000 {
            let (a, b, c) = (rounded(any()), rounded(any()), any());
            let near = f32::from_bits((a * b).to_bits() ^ c.to_bits() & 0x807F_FFFF);
            for c in [c, near, -(a * b)] {
                let (got, want) = (fused(a, b, c), libm::fmaf(a, b, c));
                assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{a:e} {b:e} {c:e}");
            }
        }
    }
}
