//! f32 transposed convolution: input pixel `i` reaches the outputs `i * stride - pad + tap * dilation`.
//!
//! x `[N, H, W, I]`, weights `[O][KH][KW][I / groups]` in a [`layout`] of convolutions, bias `[O]`, y `[N, OH, OW, O]`:
//! `y = clamp(bias[o] + Σ x * w)` over the taps that reach a pixel. An output of `n` products differs from the exact sum
//! by at most `(n + 2) * 2^-24 * (|bias| + Σ |x * w|)`.

mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use vector::listed;

use core::ops::Range;

use crate::conv_f32::{self, packed_len};
pub use crate::conv_f32::{Operands, Weights, layout, pack, storage};
use crate::geometry::Geometry;
use crate::half::Storage;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use crate::half::Weight;
use crate::pixels;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::simd;
use crate::{Isa, Level};

/// What a transposed convolution is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry; stride, dilation and pad as ONNX ConvTranspose has them.
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
        self.geometry.check_transposed() && self.weights().is_some()
    }

    /// Elements of the weights in their layout, filling included; `None` for a layout that does not exist or does not
    /// hold several groups.
    pub fn weights(&self) -> Option<u32> {
        packed_len(&self.geometry, self.layout).filter(|_| holds(&self.geometry, self.layout))
    }

    fn fits(&self, o: &Operands<'_>, pixels: &Range<u32>, y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let g = &self.geometry;
        self.check()
            && is(o.x.len(), g.inputs())
            && is(o.weights.len(), self.weights())
            && o.weights.storage() == storage(self.layout)
            && o.bias.len() == g.out_channels as usize
            && pixels::fit(pixels, g.pixels(), g.out_channels, y.len())
    }
}

/// The layout for a geometry on an instruction set: the best of its layouts with this storage that holds it.
pub fn best_layout(level: Level, geometry: &Geometry, wanted: Storage) -> Option<u32> {
    let mut suitable = layouts(level).filter(|&layout| storage(layout) == wanted);
    suitable.find(|&layout| packed_len(geometry, layout).is_some() && holds(geometry, layout))
}

/// Whether weights of a geometry can be in this layout: those of several groups only in rows.
fn holds(g: &Geometry, layout: u32) -> bool {
    !conv_f32::transformed(layout) && (g.groups == 1 || conv_f32::order(layout) == layout::ROWS)
}

/// Whether a convolution with as many times the channels as the transposed one has phases is faster on this instruction set:
/// where its vectors have no list for so many taps.
pub fn slow(level: Level, g: &Geometry) -> bool {
    let vectors = !matches!(level, Level::Portable | Level::Dsp | Level::Helium);
    vectors && g.groups == 1 && !listed(g)
}

/// The layouts that the variants of this instruction set read, best first.
pub fn layouts(level: Level) -> impl Iterator<Item = u32> {
    conv_f32::layouts(level).iter().copied().filter(|&layout| !conv_f32::transformed(layout))
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

/// Convolves with the best variant for weights in blocks of 16 channels, or any other.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn run_as<W: simd::Load>(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    weights: &[W],
    pixels: Range<u32>,
    y: &mut [f32],
) {
    if conv_f32::order(params.layout) == layout::O16
        && let Some(job) = vector::Job::new(params, operands.x, weights, operands.bias)
        && simd::run(isa, vector::Transposed { job, pixels: pixels.clone(), y })
    {
        return;
    }
    portable::run(params, operands, weights, pixels, y);
}

/// No vector variant for this architecture, and no list.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn listed(_: &Geometry) -> bool {
    true
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
    use crate::samples::{Samples, Stored, cuts_agree, transposed_convolutions};

    /// Scatters every input pixel to the outputs that it reaches, as the definition says.
    fn exact(g: &Geometry, x: &[f32], weights: &[f32], bias: &[f32]) -> std::vec::Vec<(f64, f64)> {
        let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
        let b = |k: usize| f64::from(bias[k % g.out_channels as usize]);
        let mut y: std::vec::Vec<_> = (0..g.outputs().unwrap() as usize).map(|k| (b(k), b(k).abs())).collect();
        let place = |pixel: u32, stride: u32, pad: u32, tap: u32, dilation: u32, size: u32| {
            let o = i64::from(pixel * stride + tap * dilation) - i64::from(pad);
            (0..i64::from(size)).contains(&o).then_some(o as u32)
        };
        for (k, &x) in x.iter().enumerate() {
            let (k, i) = (k as u32 / g.in_channels, k as u32 % g.in_channels);
            let (n, r, c) = (k / g.in_width / g.in_height, k / g.in_width % g.in_height, k % g.in_width);
            for (kh, kw) in (0..g.kernel_height).flat_map(|kh| (0..g.kernel_width).map(move |kw| (kh, kw))) {
                let row = place(r, g.stride_height, g.pad_top, kh, g.dilation_height, g.out_height);
                let column = place(c, g.stride_width, g.pad_left, kw, g.dilation_width, g.out_width);
                let (Some(row), Some(column)) = (row, column) else { continue };
                for o in i / inputs * outputs..(i / inputs + 1) * outputs {
                    let w =
                        weights[(((o * g.kernel_height + kh) * g.kernel_width + kw) * inputs + i % inputs) as usize];
                    let y = &mut y[(((n * g.out_height + row) * g.out_width + column) * g.out_channels + o) as usize];
                    y.0 += f64::from(x) * f64::from(w);
                    y.1 += (f64::from(x) * f64::from(w)).abs();
                }
            }
        }
        let products = g.kernel_height * g.kernel_width * inputs + 2;
        y.iter().map(|&(sum, size)| (sum, size * f64::from(products) / f64::from(1 << 24))).collect()
    }

    fn battery(g: &Geometry, seed: u64, low: f32, high: f32) {
        let mut samples = Samples::new(seed);
        let x = samples.floats(g.inputs().unwrap() as usize, -1.0, 1.0);
        let weights = samples.floats(g.weights().unwrap() as usize, -1.0, 1.0);
        let bias = samples.floats(g.out_channels as usize, -1.0, 1.0);
        let want = [Storage::F32, Storage::F16, Storage::Bf16]
            .map(|storage| exact(g, &x, &Stored::new(storage, &weights).values(), &bias));
        for isa in Isa::available() {
            for layout in layouts(isa.level()) {
                let params = Params { geometry: *g, low, high, layout };
                let Some(len) = params.weights() else { continue };
                let mut packed = std::vec![f32::NAN; len as usize];
                assert!(pack(g, layout, &weights, &mut packed));
                let stored = Stored::new(storage(layout), &packed);
                let operands = Operands { x: &x, weights: stored.weights(), bias: &bias };
                let mut y = std::vec![f32::NAN; g.outputs().unwrap() as usize];
                run(isa, &params, &operands, &mut y);
                let run_part = |pixels, y: &mut [f32]| run_pixels(isa, &params, &operands, pixels, y);
                cuts_agree(g.pixels().unwrap(), bias.len(), &y, run_part);
                for (k, (&y, &(sum, error))) in y.iter().zip(&want[storage(layout) as usize]).enumerate() {
                    let sum = sum.max(f64::from(low)).min(f64::from(high));
                    assert!((f64::from(y) - sum).abs() <= error, "{:?} {k}: {y} for {sum}, {g:?}", isa.level());
                }
            }
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for (k, g) in transposed_convolutions().iter().enumerate() {
            battery(g, k as u64, f32::NEG_INFINITY, f32::INFINITY);
            battery(g, k as u64, -0.25, 0.5);
        }
    }

    #[test]
    fn bad_parameters_leave_the_output() {
        let g = transposed_convolutions()[0];
        let params = Params { geometry: g, low: 0.0, high: 9.0, layout: layout::ROWS };
        let good = Operands { x: &[1.0], weights: Weights::F32(&[1.0]), bias: &[1.0] };
        for isa in Isa::available() {
            let mut y = [7.0];
            run(isa, &params, &Operands { x: &[], ..good }, &mut y);
            run(isa, &Params { geometry: Geometry { stride_height: 0, ..g }, ..params }, &good, &mut y);
            run(isa, &Params { layout: 9, ..params }, &good, &mut y);
            assert_eq!(y, [7.0]);
            run(isa, &params, &good, &mut y);
            assert_eq!(y, [2.0]);
        }
    }
}
