//! f32 convolution: `y = clamp(bias[o] + Σ x * w)` over the taps inside the input, any number of groups.
//!
//! x `[N, H, W, I]`, weights in one of [`layout`], bias `[O]`, y `[N, OH, OW, O]`. Every variant adds in an order of its
//! own (and may fuse the multiplication into the addition): an output of `n` products differs from the exact sum by at
//! most `(n + 2) * 2^-24 * (|bias| + Σ |x * w|)`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod pack;
mod portable;
#[cfg(target_arch = "x86_64")]
mod tiles;

pub use pack::{pack, packed_len};

use crate::geometry::Geometry;
use crate::{Isa, Level};

/// Layouts of the weights, by number.
pub mod layout {
    /// `[O][KH][KW][I / groups]`, one row per output channel.
    pub const ROWS: u32 = 0;
    /// `[O / 16][KH][KW][I][16]`, zero-filled to a multiple of 16; one group only.
    pub const O16: u32 = 1;
}

/// What a convolution is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry.
    pub geometry: Geometry,
    /// Least output.
    pub low: f32,
    /// Greatest output.
    pub high: f32,
    /// Layout of the weights, one of [`layout`].
    pub layout: u32,
}

impl Params {
    /// Whether geometry and layout can be computed; with operands of the lengths that the geometry and
    /// [`Params::weights`] give, nothing outside them is reached.
    pub fn check(&self) -> bool {
        self.geometry.check() && self.weights().is_some()
    }

    /// Elements of the weights in their layout, filling included; `None` for a layout that does not exist or does not
    /// hold several groups.
    pub fn weights(&self) -> Option<u32> {
        packed_len(&self.geometry, self.layout)
    }

    fn fits(&self, x: &[f32], weights: &[f32], bias: &[f32], y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let g = &self.geometry;
        self.check()
            && is(x.len(), g.inputs())
            && is(weights.len(), self.weights())
            && bias.len() == g.out_channels as usize
            && is(y.len(), g.outputs())
    }
}

/// The layouts that the variants of this instruction set read, best first. The portable one reads all.
pub fn layouts(level: Level) -> &'static [u32] {
    match level {
        Level::Portable => &[layout::ROWS, layout::O16],
        Level::Avx2 | Level::Avx512Vnni | Level::Neon | Level::Dotprod | Level::I8mm => &[layout::O16, layout::ROWS],
        Level::Dsp | Level::Helium => &[layout::ROWS],
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
    let job = tiles::Job { params, x, weights, bias };
    params.layout == layout::O16 && (avx512::run(isa, &job, y) || avx2::run(isa, &job, y))
}

/// No vector variant for this architecture.
#[cfg(not(target_arch = "x86_64"))]
fn run_fast(_: Isa, _: &Params, _: &[f32], _: &[f32], _: &[f32], _: &mut [f32]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, convolutions, each_tap, grouped_convolutions, pixels};
    use std::vec::Vec;

    /// The exact outputs and the bounds of their errors, from the definition, with weights in rows.
    fn exact(g: &Geometry, x: &[f32], rows: &[f32], bias: &[f32]) -> Vec<(f64, f64)> {
        let (inputs, outputs) = (g.group_inputs() as usize, g.group_outputs() as usize);
        let taps = (g.kernel_height * g.kernel_width) as usize;
        let mut all = Vec::new();
        for place in pixels(g.batch, g.out_height, g.out_width) {
            for (o, &b) in bias.iter().enumerate() {
                let (mut sum, mut size) = (f64::from(b), f64::from(b.abs()));
                each_tap(g, place, |tap, pixel| {
                    for i in 0..inputs {
                        let w = rows[(o * taps + tap) * inputs + i];
                        let v = x[pixel * g.in_channels as usize + o / outputs * inputs + i];
                        sum += f64::from(w) * f64::from(v);
                        size += (f64::from(w) * f64::from(v)).abs();
                    }
                });
                all.push((sum, size * (taps * inputs + 2) as f64 / (1 << 24) as f64));
            }
        }
        all
    }

    fn battery(g: &Geometry, seed: u64, low: f32, high: f32) {
        let mut samples = Samples::new(seed);
        let x = samples.floats(g.inputs().unwrap() as usize, -1.0, 1.0);
        let rows = samples.floats(g.weights().unwrap() as usize, -1.0, 1.0);
        let bias = samples.floats(g.out_channels as usize, -1.0, 1.0);
        let want = exact(g, &x, &rows, &bias);
        for isa in Isa::available() {
            for &layout in layouts(isa.level()) {
                let params = Params { geometry: *g, low, high, layout };
                let Some(len) = params.weights() else { continue };
                let mut packed = std::vec![f32::NAN; len as usize];
                assert!(pack(g, layout, &rows, &mut packed));
                let mut y = std::vec![f32::NAN; g.outputs().unwrap() as usize];
                run(isa, &params, &x, &packed, &bias, &mut y);
                for (k, (&y, &(sum, error))) in y.iter().zip(&want).enumerate() {
                    let sum = sum.max(f64::from(low)).min(f64::from(high));
                    assert!(
                        (f64::from(y) - sum).abs() <= error,
                        "{:?} layout {layout} output {k}: {y} for {sum} +- {error}, {g:?}",
                        isa.level()
                    );
                }
            }
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for (k, g) in convolutions().iter().chain(&grouped_convolutions()).enumerate() {
            battery(g, k as u64, f32::NEG_INFINITY, f32::INFINITY);
            battery(g, k as u64, -0.25, 0.5);
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let g = convolutions()[4];
        let params = Params { geometry: g, low: 0.0, high: 6.0, layout: layout::ROWS };
        let (x, w, b) = (std::vec![1.0; 27], std::vec![1.0; 81], [1.0; 3]);
        for isa in Isa::available() {
            let mut y = [7.0; 27];
            run(isa, &params, &x[1..], &w, &b, &mut y);
            run(isa, &params, &x, &w[1..], &b, &mut y);
            run(isa, &params, &x, &w, &b[1..], &mut y);
            run(isa, &params, &x, &w, &b, &mut y[1..]);
            run(isa, &Params { layout: 9, ..params }, &x, &w, &b, &mut y);
            assert_eq!(y, [7.0; 27]);
            run(isa, &params, &x, &w, &b, &mut y);
            assert_eq!(y[0], 6.0);
        }
    }

    #[test]
    fn a_nan_is_not_hidden_by_the_clamp() {
        let g = convolutions()[4];
        for isa in Isa::available() {
            for &layout in layouts(isa.level()) {
                let params = Params { geometry: g, low: 0.0, high: 6.0, layout };
                let mut packed = std::vec![0.0; params.weights().unwrap() as usize];
                assert!(pack(&g, layout, &[1.0; 81], &mut packed));
                let mut y = [0.0; 27];
                run(isa, &params, &[f32::NAN; 27], &packed, &[0.0; 3], &mut y);
                assert!(y.iter().all(|y| y.is_nan()), "{:?}", isa.level());
            }
        }
    }

    #[test]
    fn several_groups_need_rows() {
        let g = grouped_convolutions()[0];
        assert_eq!(packed_len(&g, layout::ROWS), Some(108));
        assert_eq!(packed_len(&g, layout::O16), None);
        assert_eq!(packed_len(&convolutions()[7], layout::O16), Some(32 * 25 * 3));
    }
}
