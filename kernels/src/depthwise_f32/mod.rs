//! f32 depthwise convolution: `y[c] = clamp(bias[c] + Σ x[c] * w[c])` over the taps inside the input.
//!
//! x `[N, H, W, C]`, weights `[KH][KW][C]` in 32 or 16 bits (widened, which is exact), bias `[C]`, y `[N, OH, OW, C]`. An output of `n` taps differs from the exact
//! sum by at most `(n + 2) * 2^-24 * (|bias| + Σ |x * w|)`.

mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector_rows;

use core::ops::Range;

use crate::Isa;
use crate::geometry::Geometry;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use crate::half::Weight;
pub use crate::half::Weights;
use crate::pixels;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::simd;

/// What a depthwise convolution is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry: groups = input channels = output channels.
    pub geometry: Geometry,
    /// Least output.
    pub low: f32,
    /// Greatest output.
    pub high: f32,
}

impl Params {
    /// Whether the geometry can be computed; with operands of the lengths that it gives, nothing outside is reached.
    pub fn check(&self) -> bool {
        self.geometry.check() && self.geometry.is_depthwise()
    }

    fn fits(&self, o: &Operands<'_>, pixels: &Range<u32>, y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let g = &self.geometry;
        self.check()
            && is(o.x.len(), g.inputs())
            && is(o.weights.len(), g.weights())
            && o.bias.len() == g.out_channels as usize
            && pixels::fit(pixels, g.pixels(), g.out_channels, y.len())
    }
}

/// What a depthwise convolution reads.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Input `[N, H, W, C]`.
    pub x: &'a [f32],
    /// Weights `[KH][KW][C]`.
    pub weights: Weights<'a>,
    /// Bias `[C]`.
    pub bias: &'a [f32],
}

/// Convolves. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, operands: &Operands<'_>, y: &mut [f32]) {
    run_pixels(isa, params, operands, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Computes the output pixels of a range only, counted over batch, rows and columns; `y` is that part of the output.
/// A pixel does not depend on the range that it is computed in: within a variant its bits are the same.
pub fn run_pixels(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: Range<u32>, y: &mut [f32]) {
    if !params.fits(operands, &pixels, y) {
        return;
    }
    match operands.weights {
        Weights::F32(weights) => run_as(isa, params, operands, weights, pixels, y),
        Weights::F16(weights) => run_as(isa, params, operands, weights, pixels, y),
        Weights::Bf16(weights) => run_as(isa, params, operands, weights, pixels, y),
    }
}

/// Convolves with a vector variant, or any other.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn run_as<W: simd::Load>(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    weights: &[W],
    pixels: Range<u32>,
    y: &mut [f32],
) {
    let data = vector::Data { params, x: operands.x, weights, bias: operands.bias };
    if !simd::run(isa, vector::Depthwise { data, pixels: pixels.clone(), y }) {
        portable::run(params, operands, weights, pixels, y);
    }
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_as<W: Weight>(
    _: Isa,
    params: &Params,
    operands: &Operands<'_>,
    weights: &[W],
    pixels: Range<u32>,
    y: &mut [f32],
) {
    portable::run(params, operands, weights, pixels, y);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::half::Storage;
    use crate::samples::{Samples, Stored, convolutions, cuts_agree, depthwise_convolutions, each_tap, pixels};

    fn battery(g: &Geometry, storage: Storage, seed: u64, low: f32, high: f32) {
        let mut samples = Samples::new(seed);
        let channels = g.out_channels as usize;
        let x = samples.floats(g.inputs().unwrap() as usize, -1.0, 1.0);
        let stored = Stored::new(storage, &samples.floats(g.weights().unwrap() as usize, -1.0, 1.0));
        let weights = stored.values();
        let bias = samples.floats(channels, -1.0, 1.0);
        for isa in Isa::available() {
            let mut y = std::vec![f32::NAN; g.outputs().unwrap() as usize];
            let (params, operands) =
                (Params { geometry: *g, low, high }, Operands { x: &x, weights: stored.weights(), bias: &bias });
            run(isa, &params, &operands, &mut y);
            let run_part = |pixels, y: &mut [f32]| run_pixels(isa, &params, &operands, pixels, y);
            cuts_agree(g.pixels().unwrap(), channels, &y, run_part);
            let mut outputs = y.iter();
            for place in pixels(g.batch, g.out_height, g.out_width) {
                for c in 0..channels {
                    let (mut sum, mut size) = (f64::from(bias[c]), f64::from(bias[c].abs()));
                    let mut n = 2.0;
                    each_tap(g, place, |tap, pixel| {
                        let product = f64::from(weights[tap * channels + c]) * f64::from(x[pixel * channels + c]);
                        sum += product;
                        size += product.abs();
                        n += 1.0;
                    });
                    let sum = sum.max(f64::from(low)).min(f64::from(high));
                    let (&y, error) = (outputs.next().unwrap(), n * size / f64::from(1 << 24));
                    let level = isa.level();
                    assert!((f64::from(y) - sum).abs() <= error, "{level:?} {place:?} {c}: {y} for {sum}, {g:?}");
                }
            }
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for (k, g) in depthwise_convolutions().iter().enumerate() {
            for storage in [Storage::F32, Storage::F16, Storage::Bf16] {
                battery(g, storage, k as u64, f32::NEG_INFINITY, f32::INFINITY);
                battery(g, storage, k as u64, -0.25, 0.5);
            }
        }
    }

    #[test]
    fn only_depthwise_geometries_pass() {
        let params = |geometry| Params { geometry, low: 0.0, high: 1.0 };
        assert!(params(depthwise_convolutions()[9]).check());
        assert!(!params(convolutions()[5]).check());
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let g = depthwise_convolutions()[0];
        let params = Params { geometry: g, low: 0.0, high: 6.0 };
        let good = Operands { x: &[1.0], weights: Weights::F32(&[1.0]), bias: &[1.0] };
        for isa in Isa::available() {
            let mut y = [7.0];
            run(isa, &params, &Operands { x: &[1.0, 1.0], ..good }, &mut y);
            run(isa, &params, &Operands { weights: Weights::F32(&[]), ..good }, &mut y);
            run(isa, &params, &Operands { bias: &[], ..good }, &mut y);
            run_pixels(isa, &params, &good, 1..2, &mut y);
            assert_eq!(y, [7.0]);
            run(isa, &params, &good, &mut y);
            assert_eq!(y, [2.0]);
        }
    }
}
