//! f32 convolution that computes in bf16: `y = clamp(Σ x * w + bias[o])` with both factors rounded to bf16.
//!
//! x `[N, H, W, I]` f32, weights `[O / 16][KH][KW][I][16]` bf16, zero-filled, bias `[O]` f32, y `[N, OH, OW, O]` f32; one
//! group. An input is rounded to the nearest bf16, half to even (infinite beyond the greatest); what is then below [`LEAST`]
//! in magnitude is zero. Weights are made by [`weight`], which does the same. A sum begins with zero; the products are added
//! in the order of the weights, each fused into the sum and rounded once. Then comes the bias, then the clamp. Padded taps
//! are zeros. Every variant gives these bits, but which NaN.
//!
//! Numbers of at least [`LEAST`] are multiples of `2^-63`, so that products and all sums are multiples of `2^-126`: never
//! below f32's normal numbers. vdpbf16ps takes those for zero; here it gives the same bits as any fused multiply-add.
//!
//! An output of `n` products differs from the exact one, of the weights as they are stored, by at most `2^-8 * Σ |x * w| +
//! 2^-56 * Σ |w| + (n + 2) * 2^-24 * (|bias| + (1 + 2^-7) * Σ |x * w|)`: roundings of inputs, and of sums.

#[cfg(target_arch = "x86_64")]
mod avx512bf16;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod bands;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use core::ops::Range;

use crate::Isa;
use crate::conv_f32::{layout, packed_len};
use crate::geometry::Geometry;
use crate::half::Bf16;
use crate::pixels;

/// The least magnitude of a factor that is not zero.
pub const LEAST: f32 = 1.0 / (1u64 << 56) as f32;

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
        packed_len(&self.geometry, layout::O16_BF16).filter(|_| self.geometry.groups == 1)
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
    /// Weights in the layout [`layout::O16_BF16`] of float convolutions, all made by [`weight`].
    pub weights: &'a [Bf16],
    /// Bias `[O]`.
    pub bias: &'a [f32],
}

/// A weight as it is stored; `None` where it is not finite.
pub fn weight(w: f32) -> Option<Bf16> {
    let rounded = Bf16((rounded(w).to_bits() >> 16) as u16);
    rounded.to_f32().is_finite().then_some(rounded)
}

/// The factor that an input becomes. Without branches, so that compilers make vectors of it.
#[inline(always)]
fn rounded(x: f32) -> f32 {
    let bits = x.to_bits();
    let even = bits.wrapping_add(0x7FFF).wrapping_add(bits >> 16 & 1);
    let even = if x.is_nan() { bits | 0x40_0000 } else { even };
    let v = f32::from_bits(even & 0xFFFF_0000);
    if v.abs() < LEAST { 0.0 } else { v }
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

/// Convolves with vectors; false where there are none that fuse products into sums, or the windows are too large.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Range<u32>, y: &mut [f32]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if isa.prefers_bf16() && avx512bf16::run(isa, params, operands, pixels, y) {
        return true;
    }
    vector::run(isa, params, operands, pixels, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
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
    fn weights(g: &Geometry, rows: &[f32]) -> (Vec<f32>, Vec<Bf16>) {
        let rows: Vec<f32> = rows.iter().map(|&w| weight(w).unwrap().to_f32()).collect();
        let mut packed = std::vec![0.0; packed_len(g, layout::O16_BF16).unwrap() as usize];
        assert!(pack(g, layout::O16_BF16, &rows, &mut packed));
        (rows, packed.iter().map(|&w| weight(w).unwrap()).collect())
    }

    /// The bits of numbers, all NaN alike.
    fn bits(y: &[f32]) -> Vec<u32> {
        y.iter().map(|v| if v.is_nan() { f32::NAN } else { *v }.to_bits()).collect()
    }

    /// Every variant's outputs have to be the portable ones, which are returned.
    fn alike(params: &Params, operands: &Operands<'_>) -> Vec<f32> {
        let g = &params.geometry;
        let mut want = std::vec![7.0; g.outputs().unwrap() as usize];
        let all = 0..g.pixels().unwrap();
        portable::run(params, operands, all.clone(), &mut want);
        for isa in Isa::available() {
            let mut y = std::vec![7.0; want.len()];
            run(isa, params, operands, &mut y);
            assert_eq!(bits(&y), bits(&want), "{:?}, {g:?}", isa.level());
            if y.iter().all(|y| y.is_finite()) {
                let run_part = |pixels, y: &mut [f32]| run_pixels(isa, params, operands, pixels, y);
                cuts_agree(all.end, operands.bias.len(), &y, run_part);
            }
            #[cfg(target_arch = "x86_64")]
            {
                // Whether or not it is the faster one here.
                let mut y = std::vec![7.0; want.len()];
                if avx512bf16::run(isa, params, operands, &all, &mut y) {
                    assert_eq!(bits(&y), bits(&want), "bf16, {g:?}");
                }
                let mut y = std::vec![7.0; want.len()];
                if vector::run(isa, params, operands, &all, &mut y) {
                    assert_eq!(bits(&y), bits(&want), "{:?}, {g:?}", isa.level());
                }
            }
        }
        want
    }

    fn battery(g: &Geometry, seed: u64, low: f32, high: f32, scale: f32) {
        let mut samples = Samples::new(seed);
        let x = samples.floats(g.inputs().unwrap() as usize, -scale, scale);
        let rows = samples.floats(g.weights().unwrap() as usize, -scale, scale);
        let (rows, packed) = weights(g, &rows);
        let bias = samples.floats(g.out_channels as usize, -1.0, 1.0);
        let params = Params { geometry: *g, low, high };
        let found = alike(&params, &Operands { x: &x, weights: &packed, bias: &bias });
        let n = params.products();
        let mut outputs = found.iter();
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
                let sums = (n + 2) as f64 / f64::from(1 << 24) * (f64::from(bias.abs()) + size * (1.0 + 1.0 / 128.0));
                let error = size / 256.0 + weight * f64::from(LEAST) + sums;
                let sum = sum.max(f64::from(low)).min(f64::from(high));
                let y = f64::from(*outputs.next().unwrap());
                assert!((y - sum).abs() <= error, "{place:?}: {y} for {sum} +- {error}, {g:?}");
            }
        }
    }

    /// Geometries that need several bands, and an even number of channels with every number of blocks.
    fn large() -> Vec<Geometry> {
        let small = Geometry { batch: 1, in_height: 5, out_height: 5, ..convolutions()[5] };
        let wide = Geometry { in_channels: 76, in_width: 300, out_width: 300, ..small };
        let even = |out_channels| Geometry { in_channels: 6, out_channels, ..small };
        let mut all =
            std::vec![wide, Geometry { dilation_height: 2, dilation_width: 2, pad_top: 2, pad_left: 2, ..wide }];
        all.extend([16, 20, 48, 63, 64, 70, 96, 130].map(even));
        all
    }

    #[test]
    fn every_variant_gives_the_same_bits_within_the_bound() {
        for (k, g) in convolutions().iter().chain(&large()).enumerate() {
            battery(g, k as u64, f32::NEG_INFINITY, f32::INFINITY, 1.0);
            battery(g, k as u64, -0.25, 0.5, 1.0);
            // About the least factors.
            battery(g, k as u64, f32::NEG_INFINITY, f32::INFINITY, 4.0 * LEAST);
        }
    }

    #[test]
    fn every_variant_gives_the_same_bits_for_numbers_of_every_size() {
        let extremes =
            [0.0, -0.0, 1e-45, LEAST * 0.998, LEAST, f32::MIN_POSITIVE, 1.0, f32::MAX, f32::INFINITY, f32::NAN];
        for (k, g) in convolutions().iter().chain(&large()).enumerate() {
            let mut samples = Samples::new(k as u64);
            let params = Params { geometry: *g, low: f32::NEG_INFINITY, high: f32::INFINITY };
            for (specials, least, most) in [(0, 0, 255), (0, 60, 200), (4, 100, 140), (4, 240, 254), (40, 0, 80)] {
                // One in so many is special, the others have exponents of this range.
                let mut number = |finite: bool| {
                    let bits = samples.bits() as u32;
                    let special = specials > 0 && samples.below(specials * 10) == 0;
                    let special = special.then(|| extremes[samples.below(10) as usize]);
                    let exponent = least + samples.below(most - least);
                    let v = special.unwrap_or(f32::from_bits(bits & 0x807F_FFFF | exponent << 23));
                    if finite && weight(v).is_none() { 1.0 } else { v }
                };
                let x: Vec<f32> = (0..g.inputs().unwrap()).map(|_| number(false)).collect();
                let rows: Vec<f32> = (0..g.weights().unwrap()).map(|_| number(true)).collect();
                let bias: Vec<f32> = (0..g.out_channels).map(|_| number(false)).collect();
                alike(&params, &Operands { x: &x, weights: &weights(g, &rows).1, bias: &bias });
            }
        }
    }

    #[test]
    fn factors_are_bf16_and_not_tiny() {
        let one = |bits: u32| rounded(f32::from_bits(bits)).to_bits();
        assert_eq!([one(0x3F80_8000), one(0x3F81_8000), one(0xBF80_8001)], [0x3F80_0000, 0x3F82_0000, 0xBF81_0000]);
        assert_eq!([rounded(f32::MAX), rounded(LEAST), rounded(-LEAST * 0.9985)], [f32::INFINITY, LEAST, -LEAST]);
        assert_eq!([rounded(LEAST * 0.99), rounded(-1e-45), rounded(-0.0)].map(f32::to_bits), [0; 3]);
        assert!(one(0x7F80_0001) == 0x7FC0_0000 && weight(f32::MAX).is_none() && weight(f32::NAN).is_none());
        assert_eq!([weight(-3.0), weight(1e-30)], [Some(Bf16(0xC040)), Some(Bf16(0))]);
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let g = convolutions()[4];
        let params = Params { geometry: g, low: 0.0, high: 6.0 };
        let (x, w, b) = (std::vec![1.0; 27], std::vec![Bf16(0x3F80); 16 * 27], [1.0; 3]);
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
