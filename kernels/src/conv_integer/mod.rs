//! Convolution of bytes with zero points in int32, `y = Σ (x - x_zero) * (w - w_zero[o])` (ONNX ConvInteger-10).
//!
//! x `[N, H, W, C]`, uint8 or int8 with one zero point of its type; weights int8 in rows `[O][KH][KW][I / groups]` with a
//! zero point for every output channel. Padding is the zero point of x. Sums wrap; every variant gives the same bits.

mod gathered;
mod portable;

use crate::geometry::Geometry;
use crate::{Isa, Level};

/// What a convolution is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry.
    pub geometry: Geometry,
    /// Whether x is int8.
    pub signed: bool,
}

impl Params {
    /// A byte of x.
    #[inline(always)]
    fn number(&self, byte: u8) -> i32 {
        if self.signed { byte.cast_signed().into() } else { byte.into() }
    }
}

/// What a convolution reads.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Input, int8 or uint8 as the parameters say.
    pub x: &'a [u8],
    /// Weights in rows.
    pub weights: &'a [i8],
    /// The int8 that stands for zero, for every output channel.
    pub zero_points: &'a [i32],
    /// The byte of x that stands for zero.
    pub x_zero: u8,
}

/// Convolves. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, operands: &Operands<'_>, y: &mut [i32]) {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    let g = &params.geometry;
    let fits = g.check()
        && is(operands.x.len(), g.inputs())
        && is(operands.weights.len(), g.weights())
        && operands.zero_points.len() == g.out_channels as usize
        && is(y.len(), g.outputs());
    if fits && (isa.level() == Level::Portable || !gathered::run(params, operands, y)) {
        portable::run(params, operands, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;
    use std::vec::Vec;

    fn battery(geometry: Geometry, signed: bool, seed: u64) {
        let (p, mut samples) = (Params { geometry, signed }, Samples::new(seed));
        let g = &geometry;
        let x: Vec<u8> = (0..g.inputs().unwrap()).map(|_| samples.below(256) as u8).collect();
        let weights = samples.bytes(g.weights().unwrap());
        let zero_points: Vec<i32> = (0..g.out_channels as i32).map(|o| o % 3 - 1).collect();
        let real = |v: u8| if signed { i32::from(v as i8) } else { i32::from(v) };
        let x_zero = 0x90;
        for isa in Isa::available() {
            let mut y = std::vec![7; g.outputs().unwrap() as usize];
            let operands = Operands { x: &x, weights: &weights, zero_points: &zero_points, x_zero };
            run(isa, &p, &operands, &mut y);
            let mut outputs = y.iter();
            let (per_in, per_out) = (g.in_channels / g.groups, g.out_channels / g.groups);
            for [n, i, j] in crate::samples::pixels(g.batch, g.out_height, g.out_width) {
                for o in 0..g.out_channels {
                    let mut sum = 0;
                    for (kh, kw) in (0..g.kernel_height).flat_map(|a| (0..g.kernel_width).map(move |b| (a, b))) {
                        let row = (i * g.stride_height + kh * g.dilation_height).wrapping_sub(g.pad_top);
                        let column = (j * g.stride_width + kw * g.dilation_width).wrapping_sub(g.pad_left);
                        if row >= g.in_height || column >= g.in_width {
                            continue;
                        }
                        for c in 0..per_in {
                            let pixel = (n * g.in_height + row) * g.in_width + column;
                            let at = pixel * g.in_channels + o / per_out * per_in + c;
                            let w = ((o * g.kernel_height + kh) * g.kernel_width + kw) * per_in + c;
                            let w = i32::from(weights[w as usize]) - zero_points[o as usize];
                            sum += (real(x[at as usize]) - real(x_zero)) * w;
                        }
                    }
                    assert_eq!(*outputs.next().unwrap(), sum, "{:?} {p:?}", isa.level());
                }
            }
        }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        let small = Geometry {
            batch: 2,
            in_height: 5,
            in_width: 4,
            in_channels: 6,
            out_height: 5,
            out_width: 2,
            out_channels: 4,
            kernel_height: 3,
            kernel_width: 2,
            stride_height: 1,
            stride_width: 2,
            dilation_height: 1,
            dilation_width: 1,
            pad_top: 1,
            pad_left: 0,
            groups: 1,
        };
        for signed in [false, true] {
            battery(small, signed, 1);
            battery(Geometry { groups: 2, ..small }, signed, 2);
            // More than one part of a window is gathered, and a tap that is too long.
            battery(Geometry { in_channels: 400, ..small }, signed, 3);
            battery(Geometry { in_channels: 1025, ..small }, signed, 4);
        }
        let p = Params { geometry: small, signed: false };
        let mut y = [7; 80];
        run(Isa::PORTABLE, &p, &Operands { x: &[], weights: &[], zero_points: &[], x_zero: 0 }, &mut y);
        assert_eq!(y, [7; 80]);
    }
}
