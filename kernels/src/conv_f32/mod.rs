//! f32 convolution: `y = clamp(bias[o] + Σ x * w)` over the taps inside the input, any number of groups.
//!
//! x `[N, H, W, I]`, weights in one of [`layout`], bias `[O]`, y `[N, OH, OW, O]`. Every variant adds in an order of its
//! own (and may fuse the multiplication into the addition): an output of `n` products differs from the exact sum by at
//! most `(n + 2) * 2^-24 * (|bias| + Σ |x * w|)`; with weights in [`layout::WINOGRAD`] by at most `(n + 8) * 2^-24 *
//! (|bias| + 36 * max |x| * Σ |w|)`, in [`layout::WINOGRAD_4X4`] `(n + 16) * 2^-24 * (|bias| + 160 * max |x| * Σ |w|)`.
//! Weights that are stored in 16 bits are widened, which is exact: the bound is the same, with the weights as they are stored.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod copies;
mod pack;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) mod vector;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector_groups;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector_winograd;
mod winograd;

pub use pack::{pack, packed_len};
pub(crate) use portable::Row;

use core::ops::Range;

use crate::geometry::Geometry;
use crate::half::Storage;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use crate::half::Weight;
pub use crate::half::Weights;
use crate::pixels;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::simd;
use crate::{Isa, Level};

/// Layouts of the weights, by number.
pub mod layout {
    /// `[O][KH][KW][I / groups]`, one row per output channel.
    pub const ROWS: u32 = 0;
    /// `[O / 16][KH][KW][I][16]`, zero-filled to a multiple of 16; one group only.
    pub const O16: u32 = 1;
    /// `[O / 16][16][I][16]`, transformed for Winograd's F(2x2, 3x3); 3x3 steps of one, of one group of at most 256 channels.
    pub const WINOGRAD: u32 = 3;
    /// [`ROWS`] of IEEE's 16 bits.
    pub const ROWS_F16: u32 = 4;
    /// [`O16`] of IEEE's 16 bits.
    pub const O16_F16: u32 = 5;
    /// [`ROWS`] of the upper 16 bits of f32.
    pub const ROWS_BF16: u32 = 6;
    /// [`O16`] of the upper 16 bits of f32.
    pub const O16_BF16: u32 = 7;
    /// `[O / 16][36][I][16]`, transformed for Winograd's F(4x4, 3x3), of the same convolutions as [`WINOGRAD`].
    pub const WINOGRAD_4X4: u32 = 10;
}

/// What the weights of a layout are stored in.
pub const fn storage(layout: u32) -> Storage {
    match layout {
        layout::ROWS_F16 | layout::O16_F16 => Storage::F16,
        layout::ROWS_BF16 | layout::O16_BF16 => Storage::Bf16,
        _ => Storage::F32,
    }
}

/// Whether the weights of a layout are transformed.
pub(crate) const fn transformed(layout: u32) -> bool {
    matches!(layout, layout::WINOGRAD | layout::WINOGRAD_4X4)
}

/// Rows of outputs that are best computed together.
pub(crate) const fn tile_rows(layout: u32) -> u32 {
    if layout == layout::WINOGRAD_4X4 { 4 } else { 2 }
}

/// The layout in 32 bits whose order a layout has.
pub(crate) const fn order(layout: u32) -> u32 {
    match layout {
        layout::ROWS_F16 | layout::ROWS_BF16 => layout::ROWS,
        layout::O16_F16 | layout::O16_BF16 => layout::O16,
        other => other,
    }
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

    /// Output pixels that are best computed together: others can be, with a part of the work done twice.
    pub fn together(&self) -> u32 {
        if transformed(self.layout) { self.geometry.out_width.saturating_mul(tile_rows(self.layout)) } else { 1 }
    }

    /// Elements of the weights in their layout, filling included; `None` for a layout that does not exist or does not
    /// hold the geometry.
    pub fn weights(&self) -> Option<u32> {
        packed_len(&self.geometry, self.layout)
    }

    pub(crate) fn fits(&self, operands: &Operands<'_>, pixels: &Range<u32>, y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let g = &self.geometry;
        self.check()
            && is(operands.x.len(), g.inputs())
            && is(operands.weights.len(), self.weights())
            && operands.weights.storage() == storage(self.layout)
            && operands.bias.len() == g.out_channels as usize
            && pixels::fit(pixels, g.pixels(), g.out_channels, y.len())
    }
}

/// What a convolution reads.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Input `[N, H, W, I]`.
    pub x: &'a [f32],
    /// Weights in the layout of the parameters.
    pub weights: Weights<'a>,
    /// Bias `[O]`.
    pub bias: &'a [f32],
}

/// The layouts that the variants of this instruction set read, best first. The portable one reads all.
pub fn layouts(level: Level) -> &'static [u32] {
    match level {
        Level::Portable => &[
            layout::ROWS,
            layout::O16,
            layout::WINOGRAD,
            layout::WINOGRAD_4X4,
            layout::ROWS_F16,
            layout::O16_F16,
            layout::ROWS_BF16,
            layout::O16_BF16,
        ],
        Level::Sse41
        | Level::Avx2
        | Level::AvxVnni
        | Level::Avx512Vnni
        | Level::Amx
        | Level::Neon
        | Level::Dotprod
        | Level::I8mm => &[
            layout::WINOGRAD_4X4,
            layout::WINOGRAD,
            layout::O16,
            layout::ROWS,
            layout::O16_F16,
            layout::ROWS_F16,
            layout::O16_BF16,
            layout::ROWS_BF16,
        ],
        Level::Dsp | Level::Helium => &[layout::ROWS, layout::ROWS_F16, layout::ROWS_BF16],
    }
}

/// Output channels that a vector of this instruction set holds: groups of fewer are better together, with weights of zero
/// between them. `None` without vectors.
pub fn lanes(level: Level) -> Option<u32> {
    match level {
        Level::Avx512Vnni | Level::Amx => Some(16),
        Level::Avx2 | Level::AvxVnni | Level::Neon | Level::Dotprod | Level::I8mm => Some(8),
        Level::Sse41 => Some(4),
        Level::Portable | Level::Dsp | Level::Helium => None,
    }
}

/// The layout for a geometry on an instruction set: the best of its layouts with this storage that holds it and pays.
pub fn best_layout(level: Level, geometry: &Geometry, wanted: Storage) -> Option<u32> {
    let pays = |layout: u32| storage(layout) == wanted && winograd::pays(geometry, layout);
    let mut suitable = layouts(level).iter().copied().filter(|&layout| pays(layout));
    suitable.find(|&layout| packed_len(geometry, layout).is_some())
}

/// As [`best_layout`], of the layouts that keep every weight as it is.
pub fn compact_layout(level: Level, geometry: &Geometry, wanted: Storage) -> Option<u32> {
    let plain = |layout: u32| storage(layout) == wanted && !transformed(layout);
    let mut suitable = layouts(level).iter().copied().filter(|&layout| plain(layout));
    suitable.find(|&layout| packed_len(geometry, layout).is_some())
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
        Weights::F32(weights) if run_winograd(isa, params, operands, weights, &pixels, y) => {}
        Weights::F32(weights) => run_as(isa, params, operands, weights, pixels, y),
        Weights::F16(weights) => run_as(isa, params, operands, weights, pixels, y),
        Weights::Bf16(weights) => run_as(isa, params, operands, weights, pixels, y),
    }
}

/// Convolves with a vector variant for transformed weights; false where there is none, or they are not transformed.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn run_winograd(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    weights: &[f32],
    pixels: &Range<u32>,
    y: &mut [f32],
) -> bool {
    let job = |y| vector_winograd::Convolution { params, operands, weights, pixels: pixels.clone(), y };
    transformed(params.layout) && simd::run(isa, job(y))
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_winograd(_: Isa, _: &Params, _: &Operands<'_>, _: &[f32], _: &Range<u32>, _: &mut [f32]) -> bool {
    false
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
    if order(params.layout) == layout::O16
        && let Some(job) = vector::Job::new(params, operands.x, weights, operands.bias)
        && simd::run(isa, vector::Convolution { job, pixels: pixels.clone(), y })
    {
        return;
    }
    portable::run(params, operands, weights, pixels, y);
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
    use crate::samples::{Samples, Stored, convolutions, cuts_agree, each_tap, grouped_convolutions, pixels};
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
        let want = [Storage::F32, Storage::F16, Storage::Bf16]
            .map(|storage| exact(g, &x, &Stored::new(storage, &rows).values(), &bias));
        // The bounds of transformed weights: |x| is at most 1.
        let row = rows.len() / bias.len();
        let transformed = |o: usize, (more, times): (usize, f32)| {
            let size: f32 = rows[o * row..][..row].iter().map(|w| w.abs()).sum();
            f64::from(bias[o].abs() + times * size) * (row + more) as f64 / f64::from(1 << 24)
        };
        for isa in Isa::available() {
            for &layout in layouts(isa.level()) {
                let params = Params { geometry: *g, low, high, layout };
                let Some(len) = params.weights() else { continue };
                let mut packed = std::vec![f32::NAN; len as usize];
                assert!(pack(g, layout, &rows, &mut packed));
                let mut y = std::vec![f32::NAN; g.outputs().unwrap() as usize];
                let stored = Stored::new(storage(layout), &packed);
                let operands = Operands { x: &x, weights: stored.weights(), bias: &bias };
                run(isa, &params, &operands, &mut y);
                let run_part = |pixels, y: &mut [f32]| run_pixels(isa, &params, &operands, pixels, y);
                cuts_agree(g.pixels().unwrap(), bias.len(), &y, run_part);
                for (k, (&y, &(sum, error))) in y.iter().zip(&want[storage(layout) as usize]).enumerate() {
                    let sum = sum.max(f64::from(low)).min(f64::from(high));
                    let error = match layout {
                        layout::WINOGRAD => transformed(k % bias.len(), (8, 36.0)),
                        layout::WINOGRAD_4X4 => transformed(k % bias.len(), (16, 160.0)),
                        _ => error,
                    };
                    assert!(
                        (f64::from(y) - sum).abs() <= error,
                        "{:?} layout {layout} output {k}: {y} for {sum} +- {error}, {g:?}",
                        isa.level()
                    );
                }
            }
        }
    }

    /// More channels than two passes of transformed tiles have room for together.
    fn deep() -> Geometry {
        Geometry { in_channels: 256, out_channels: 17, ..convolutions()[24] }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for (k, g) in convolutions().iter().chain(&grouped_convolutions()).enumerate() {
            battery(g, k as u64, f32::NEG_INFINITY, f32::INFINITY);
            battery(g, k as u64, -0.25, 0.5);
        }
        battery(&deep(), 99, f32::NEG_INFINITY, f32::INFINITY);
        // Weights whose kernel rows pass over the pixels one after the other.
        let wide = Geometry { kernel_height: 5, kernel_width: 5, pad_top: 2, pad_left: 2, ..deep() };
        let wide = Geometry { in_channels: 200, out_channels: 70, in_height: 6, in_width: 5, ..wide };
        battery(&Geometry { out_height: 6, out_width: 5, ..wide }, 101, -20.0, 20.0);
        // Weights whose taps do.
        let size = Geometry { in_height: 5, in_width: 6, out_height: 5, out_width: 6, ..deep() };
        for d in [1, 2] {
            let apart = Geometry { dilation_height: d, dilation_width: d, pad_top: d, pad_left: d, ..size };
            battery(&Geometry { in_channels: 1400, out_channels: 64, ..apart }, 102, -20.0, 20.0);
        }
        // More taps than a tile lists, of several rows and of one.
        for (height, width, inputs) in [(16, 16, 3), (13, 12, 1), (1, 140, 2), (12, 11, 20)] {
            let g = Geometry { kernel_height: height, kernel_width: width, in_channels: inputs, ..size };
            let g = Geometry { in_height: 20, in_width: 150, pad_top: 2, pad_left: 3, ..g };
            let g = Geometry { stride_height: 3, stride_width: 7, ..g };
            let out = |input: u32, pad: u32, kernel: u32, stride: u32| (input + 2 * pad - kernel) / stride + 1;
            let g = Geometry { out_height: out(20, 2, height, 3), out_width: out(150, 3, width, 7), ..g };
            battery(&g, 103, -20.0, 20.0);
            battery(&Geometry { in_channels: 2 * inputs, out_channels: 34, groups: 2, ..g }, 104, -20.0, 20.0);
        }
        // One pass of transformed tiles, two, and more.
        for (height, width) in [(5, 9), (14, 13), (29, 30)] {
            let g = Geometry { in_channels: 3, out_channels: 33, ..deep() };
            let g = Geometry { in_height: height, in_width: width, out_height: height, out_width: width, ..g };
            battery(&g, 100, -0.5, f32::INFINITY);
        }
    }

    #[test]
    fn few_channels_of_a_group_stay_within_the_bound() {
        let g = grouped_convolutions()[0];
        // In and out, groups, height and width, kernel, stride, padding.
        let rows = [
            (16, 16, 3, 7, 7, 3, 1, 1),
            (16, 16, 2, 9, 14, 3, 1, 1),
            (12, 9, 2, 6, 15, 3, 1, 1),
            (8, 16, 2, 11, 25, 3, 2, 1),
            (16, 5, 2, 5, 230, 3, 2, 1),
            (4, 16, 3, 9, 33, 5, 1, 2),
            (16, 16, 2, 30, 40, 2, 2, 0),
            (16, 16, 2, 6, 5, 5, 3, 4),
        ];
        for (k, &(inputs, outputs, groups, height, width, kernel, stride, pad)) in rows.iter().enumerate() {
            let size = |n: u32| (n + 2 * pad - kernel) / stride + 1;
            let g = Geometry { groups, in_channels: inputs * groups, out_channels: outputs * groups, ..g };
            let g = Geometry { kernel_height: kernel, kernel_width: kernel, pad_top: pad, pad_left: pad, ..g };
            let g = Geometry { stride_height: stride, stride_width: stride, in_height: height, in_width: width, ..g };
            let g = Geometry { out_height: size(height), out_width: size(width), ..g };
            battery(&g, 200 + k as u64, -1.0, 2.0);
        }
    }

    #[test]
    fn transformed_weights_are_about_as_exact_in_the_mean() {
        let g = deep();
        let mut samples = Samples::new(7);
        let x = samples.floats(g.inputs().unwrap() as usize, -1.0, 1.0);
        let rows = samples.floats(g.weights().unwrap() as usize, -1.0, 1.0);
        let bias = std::vec![0.0; g.out_channels as usize];
        let want = exact(&g, &x, &rows, &bias);
        let size = want.iter().map(|(sum, _)| sum * sum).sum::<f64>();
        for isa in Isa::available() {
            for (layout, most) in [(layout::WINOGRAD, 1e-6), (layout::WINOGRAD_4X4, 3e-6)] {
                let params = Params { geometry: g, low: f32::NEG_INFINITY, high: f32::INFINITY, layout };
                let mut packed = std::vec![0.0; params.weights().unwrap() as usize];
                assert!(pack(&g, layout, &rows, &mut packed));
                let mut y = std::vec![f32::NAN; want.len()];
                run(isa, &params, &Operands { x: &x, weights: Weights::F32(&packed), bias: &bias }, &mut y);
                let apart = y.iter().zip(&want).map(|(&y, (sum, _))| (f64::from(y) - sum).powi(2)).sum::<f64>();
                let relative = (apart / size).sqrt();
                assert!(relative < most, "{:?} layout {layout}: {relative}", isa.level());
            }
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let g = convolutions()[4];
        let params = Params { geometry: g, low: 0.0, high: 6.0, layout: layout::ROWS };
        let (x, w, b) = (std::vec![1.0; 27], std::vec![1.0; 81], [1.0; 3]);
        let good = Operands { x: &x, weights: Weights::F32(&w), bias: &b };
        for isa in Isa::available() {
            let mut y = [7.0; 27];
            run(isa, &params, &Operands { x: &x[1..], ..good }, &mut y);
            run(isa, &params, &Operands { weights: Weights::F32(&w[1..]), ..good }, &mut y);
            run(isa, &params, &Operands { bias: &b[1..], ..good }, &mut y);
            run(isa, &params, &good, &mut y[1..]);
            run(isa, &Params { layout: 9, ..params }, &good, &mut y);
            run(isa, &Params { layout: layout::ROWS_F16, ..params }, &good, &mut y);
            run_pixels(isa, &params, &good, 1..10, &mut y);
            run_pixels(isa, &params, &good, Range { start: 2, end: 1 }, &mut y);
            run_pixels(isa, &params, &good, 1..3, &mut y);
            assert_eq!(y, [7.0; 27]);
            run(isa, &params, &good, &mut y);
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
                let stored = Stored::new(storage(layout), &packed);
                let operands = Operands { x: &[f32::NAN; 27], weights: stored.weights(), bias: &[0.0; 3] };
                run(isa, &params, &operands, &mut y);
                assert!(y.iter().all(|y| y.is_nan()), "{:?}", isa.level());
            }
        }
    }

    #[test]
    fn groups_have_blocks_of_their_own() {
        let g = grouped_convolutions()[0];
        let inputs = g.kernel_height * g.kernel_width * g.group_inputs();
        assert_eq!(packed_len(&g, layout::ROWS), Some(108));
        assert_eq!(packed_len(&g, layout::O16), Some(g.groups * 16 * inputs));
        assert_eq!(packed_len(&g, layout::WINOGRAD), None);
        assert_eq!(packed_len(&convolutions()[7], layout::O16), Some(32 * 25 * 3));
    }
}
