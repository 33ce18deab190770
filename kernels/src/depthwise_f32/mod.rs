//! f32 depthwise convolution: `y[c] = clamp(bias[c] + Σ x[c] * w[c])` over the taps inside the input.
//!
//! x `[N, H, W, C]`, weights `[KH][KW][C]`, bias `[C]`, y `[N, OH, OW, C]`. An output of `n` taps differs from the exact
//! sum by at most `(n + 2) * 2^-24 * (|bias| + Σ |x * w|)`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::Isa;
use crate::geometry::Geometry;

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

    fn fits(&self, x: &[f32], weights: &[f32], bias: &[f32], y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let g = &self.geometry;
        self.check()
            && is(x.len(), g.inputs())
            && is(weights.len(), g.weights())
            && bias.len() == g.out_channels as usize
            && is(y.len(), g.outputs())
    }
}

/// Convolves. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[f32], weights: &[f32], bias: &[f32], y: &mut [f32]) {
    if params.fits(x, weights, bias, y) && !run_fast(isa, params, x, weights, bias, y) {
        portable::run(params, x, weights, bias, y);
    }
}

/// Convolves with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, x: &[f32], weights: &[f32], bias: &[f32], y: &mut [f32]) -> bool {
    avx512::run(isa, params, x, weights, bias, y) || avx2::run(isa, params, x, weights, bias, y)
}

/// No vector variant for this architecture.
#[cfg(not(target_arch = "x86_64"))]
fn run_fast(_: Isa, _: &Params, _: &[f32], _: &[f32], _: &[f32], _: &mut [f32]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, convolutions, depthwise_convolutions, each_tap, pixels};

    fn battery(g: &Geometry, seed: u64, low: f32, high: f32) {
        let mut samples = Samples::new(seed);
        let channels = g.out_channels as usize;
        let x = samples.floats(g.inputs().unwrap() as usize, -1.0, 1.0);
        let weights = samples.floats(g.weights().unwrap() as usize, -1.0, 1.0);
        let bias = samples.floats(channels, -1.0, 1.0);
        for isa in Isa::available() {
            let mut y = std::vec![f32::NAN; g.outputs().unwrap() as usize];
            run(isa, &Params { geometry: *g, low, high }, &x, &weights, &bias, &mut y);
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
            battery(g, k as u64, f32::NEG_INFINITY, f32::INFINITY);
            battery(g, k as u64, -0.25, 0.5);
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
        for isa in Isa::available() {
            let mut y = [7.0];
            run(isa, &params, &[1.0, 1.0], &[1.0], &[1.0], &mut y);
            run(isa, &params, &[1.0], &[], &[1.0], &mut y);
            run(isa, &params, &[1.0], &[1.0], &[], &mut y);
            assert_eq!(y, [7.0]);
            run(isa, &params, &[1.0], &[1.0], &[1.0], &mut y);
            assert_eq!(y, [2.0]);
        }
    }
}
