//! f32 convolution that computes in f16: `y = clamp(bias[o] + Σ x * w)` with both factors rounded to f16.
//!
//! x `[N, H, W, I]` f32, weights `[O / 16][KH][KW][I][16]` f16, zero-filled, bias `[O]` f32, y `[N, OH, OW, O]` f32; one
//! group. The products of an output in the order of its weights are cut into blocks of [`BLOCK`]. A block is summed in f16,
//! from zero, each product fused into the sum and rounded once ([`F16::fma`]); the sum of a block is widened and added to
//! the output's f32, which begins with the bias. Padded taps are zeros. Every variant gives these bits, but for NaN.
//!
//! With `|x|` up to 65504, and no partial sum of a block beyond, an output of `n` products differs from the exact one by at
//! most `n * 2^-24 * (|bias| + Σ |x * w|) + (BLOCK + 2) * 2^-11 * Σ |x * w| + n * 2^-24 * (1 + Σ |w|)`, of the weights as
//! they are stored: f32 sums, roundings of inputs and of a block's sums, and numbers below f16's normal ones. Beyond, a sum
//! becomes infinite. The error that is seen is far smaller, since roundings cancel.

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod patch;
mod portable;

use core::ops::Range;

use crate::Isa;
use crate::conv_f32::{layout, packed_len};
use crate::geometry::Geometry;
use crate::half::F16;
use crate::pixels;

/// Products that are summed in f16.
pub const BLOCK: usize = 32;

/// What a convolution is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry, of one group.
    pub geometry: Geometry,
    /// Least output.
    pub low: f32,
    /// Greatest output.
    pub high: f32,
}

impl Params {
    /// Whether the geometry can be computed; with operands of the lengths that it and [`Params::weights`] give, nothing
    /// outside them is reached.
    pub fn check(&self) -> bool {
        self.geometry.check() && self.weights().is_some()
    }

    /// Elements of the weights, filling included; `None` for several groups.
    pub fn weights(&self) -> Option<u32> {
        packed_len(&self.geometry, layout::O16_F16).filter(|_| self.geometry.groups == 1)
    }

    fn fits(&self, o: &Operands<'_>, pixels: &Range<u32>, y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let g = &self.geometry;
        self.check()
            && is(o.x.len(), g.inputs())
            && is(o.weights.len(), self.weights())
            && o.bias.len() == g.out_channels as usize
            && pixels::fit(pixels, g.pixels(), g.out_channels, y.len())
    }

    /// Products of an output, padded ones included.
    fn products(&self) -> usize {
        let g = &self.geometry;
        (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize).wrapping_mul(g.in_channels as usize)
    }
}

/// What a convolution reads.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Input `[N, H, W, I]`.
    pub x: &'a [f32],
    /// Weights in the layout [`layout::O16_F16`] of float convolutions, all finite.
    pub weights: &'a [F16],
    /// Bias `[O]`.
    pub bias: &'a [f32],
}

/// Convolves. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, operands: &Operands<'_>, y: &mut [f32]) {
    run_pixels(isa, params, operands, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Computes the output pixels of a range only, counted over batch, rows and columns; `y` is that part of the output.
pub fn run_pixels(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: Range<u32>, y: &mut [f32]) {
    if params.fits(operands, &pixels, y) && !run_fast(isa, params, operands, &pixels, y) {
        portable::run(params, operands, pixels, y);
    }
}

/// Convolves with NEON and FEAT_FP16; false where the CPU has neither.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Range<u32>, y: &mut [f32]) -> bool {
    neon::run(isa, params, operands, pixels, y)
}

/// No vector variant for this architecture.
#[cfg(not(target_arch = "aarch64"))]
fn run_fast(_: Isa, _: &Params, _: &Operands<'_>, _: &Range<u32>, _: &mut [f32]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv_f32::pack;
    use crate::samples::{Samples, convolutions, cuts_agree, each_tap, pixels};
    use std::vec::Vec;

    /// Weights, rounded, in rows and packed.
    fn weights(g: &Geometry, samples: &mut Samples, scale: f32) -> (Vec<f32>, Vec<F16>) {
        let rows = samples.floats(g.weights().unwrap() as usize, -scale, scale);
        let rows: Vec<f32> = rows.iter().map(|&w| F16::from_f32(w).to_f32()).collect();
        let mut packed = std::vec![0.0; packed_len(g, layout::O16_F16).unwrap() as usize];
        assert!(pack(g, layout::O16_F16, &rows, &mut packed));
        (rows, packed.iter().map(|&w| F16::from_f32(w)).collect())
    }

    fn battery(g: &Geometry, seed: u64, low: f32, high: f32, scale: f32) {
        let mut samples = Samples::new(seed);
        let x = samples.floats(g.inputs().unwrap() as usize, -scale, scale);
        let (rows, packed) = weights(g, &mut samples, scale);
        let bias = samples.floats(g.out_channels as usize, -1.0, 1.0);
        let params = Params { geometry: *g, low, high };
        let operands = Operands { x: &x, weights: &packed, bias: &bias };
        let mut want = std::vec![f32::NAN; g.outputs().unwrap() as usize];
        run(Isa::PORTABLE, &params, &operands, &mut want);
        for isa in Isa::available().filter(|isa| isa.has_fp16()) {
            let mut y = std::vec![f32::NAN; want.len()];
            run(isa, &params, &operands, &mut y);
            let bits = |y: &[f32]| y.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&y), bits(&want), "{:?}, {g:?}", isa.level());
            let run_part = |pixels, y: &mut [f32]| run_pixels(isa, &params, &operands, pixels, y);
            cuts_agree(g.pixels().unwrap(), bias.len(), &y, run_part);
        }
        let n = params.products();
        let mut outputs = want.iter();
        for place in pixels(g.batch, g.out_height, g.out_width) {
            for (row, &bias) in rows.chunks(n).zip(&bias) {
                let (mut sum, mut size, mut weight) = (f64::from(bias), 0.0, 0.0);
                let inputs = g.in_channels as usize;
                each_tap(g, place, |tap, pixel| {
                    for (w, x) in row[tap * inputs..][..inputs].iter().zip(&x[pixel * inputs..]) {
                        sum += f64::from(*w) * f64::from(*x);
                        size += (f64::from(*w) * f64::from(*x)).abs();
                        weight += f64::from(w.abs());
                    }
                });
                let (ulp, half) = (1.0 / f64::from(1 << 24), 1.0 / f64::from(1 << 11));
                let single = n as f64 * ulp;
                let error = single * (f64::from(bias.abs()) + size)
                    + (BLOCK + 2) as f64 * half * size
                    + single * (1.0 + weight);
                let sum = sum.max(f64::from(low)).min(f64::from(high));
                let y = f64::from(*outputs.next().unwrap());
                assert!((y - sum).abs() <= error, "{place:?}: {y} for {sum} +- {error}, {g:?}");
            }
        }
    }

    #[test]
    fn every_variant_gives_the_same_bits_within_the_bound() {
        for (k, g) in convolutions().iter().enumerate() {
            battery(g, k as u64, f32::NEG_INFINITY, f32::INFINITY, 1.0);
            battery(g, k as u64, -0.25, 0.5, 1.0);
            // Products and sums of numbers below the normal ones.
            battery(g, k as u64, f32::NEG_INFINITY, f32::INFINITY, 1e-3);
        }
    }

    #[test]
    fn sums_beyond_the_greatest_are_infinite_in_every_variant() {
        let g = convolutions()[5];
        let mut samples = Samples::new(7);
        let x = samples.floats(g.inputs().unwrap() as usize, 0.0, 60000.0);
        let (_, packed) = weights(&g, &mut samples, 1.0);
        let packed: Vec<F16> = packed.iter().map(|w| F16(w.0 & 0x7FFF)).collect();
        let bias = std::vec![0.0; g.out_channels as usize];
        for isa in Isa::available() {
            let mut y = std::vec![f32::NAN; g.outputs().unwrap() as usize];
            let params = Params { geometry: g, low: 0.0, high: f32::INFINITY };
            run(isa, &params, &Operands { x: &x, weights: &packed, bias: &bias }, &mut y);
            assert!(y.contains(&f32::INFINITY), "{:?}", isa.level());
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let g = convolutions()[4];
        let params = Params { geometry: g, low: 0.0, high: 6.0 };
        let (x, w, b) = (std::vec![1.0; 27], std::vec![F16::from_f32(1.0); 16 * 27], [1.0; 3]);
        let good = Operands { x: &x, weights: &w, bias: &b };
        for isa in Isa::available() {
            let mut y = [7.0; 27];
            run(isa, &params, &Operands { x: &x[1..], ..good }, &mut y);
            run(isa, &params, &Operands { weights: &w[1..], ..good }, &mut y);
            run(isa, &params, &Operands { bias: &b[1..], ..good }, &mut y);
            run_pixels(isa, &params, &good, 1..10, &mut y);
            assert_eq!(y, [7.0; 27]);
            run(isa, &params, &good, &mut y);
            assert_eq!(y[0], 6.0);
        }
    }
}
