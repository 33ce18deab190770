//! int8 transposed convolution: input pixel `i` reaches the outputs `i * stride - pad + tap * dilation`, any number of
//! groups.
//!
//! `sum = bias[o] + Σ (x - input_zero_point) * w` over the taps that reach a pixel, int32 and wrapping, then [`Output`].
//!
//! x `[N, H, W, I]`, weights in one of [`layouts`], bias and multipliers `[O]`, y `[N, OH, OW, O]`. Every variant gives
//! the same bits.

#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512vnni;
#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "helium")))]
mod dsp;
#[cfg(all(target_arch = "arm", feature = "helium"))]
mod helium;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(target_arch = "aarch64", all(target_arch = "arm", feature = "dsp")))]
mod phases;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse41;
#[cfg(target_arch = "x86_64")]
mod transposed;

use core::ops::Range;

use crate::conv_i8;
pub use crate::conv_i8::{Operands, layout};
use crate::geometry::Geometry;
use crate::pixels::{Pixels, fit};
use crate::round::{Output, is_i8};
use crate::{Isa, Level};

/// What a transposed convolution is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry.
    pub geometry: Geometry,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// The way to int8.
    pub output: Output,
    /// Layout of the weights: rows, pairs or fours of [`layout`].
    pub layout: u32,
}

/// The layouts that the variants of this instruction set read, best first. The portable one reads all.
pub fn layouts(level: Level) -> &'static [u32] {
    match level {
        Level::Portable => &[layout::ROWS, layout::O16K2, layout::O16K4, layout::O16A4],
        Level::Sse41 | Level::Avx2 | Level::AvxVnni => &[layout::O16K2, layout::ROWS],
        Level::Amx => &[layout::O16A4, layout::O16K4, layout::O16K2, layout::ROWS],
        Level::Avx512Vnni => &[layout::O16K4, layout::O16K2, layout::ROWS],
        Level::Neon | Level::Dotprod | Level::I8mm | Level::Dsp | Level::Helium => &[layout::ROWS],
    }
}

/// Most bytes of a row of input whose weights can be fours.
const LINE: u32 = 48 << 10;

/// Whether windows stand side by side in the output and cover it, every one made of one input pixel: the geometries of weights
/// in fours, with whole fours of channels.
fn side_by_side(g: &Geometry) -> bool {
    let covers = |input: u32, kernel: u32, stride: u32, output: u32| {
        kernel == stride && input.checked_mul(stride).is_some_and(|end| output <= end)
    };
    let alike = covers(g.in_height, g.kernel_height, g.stride_height, g.out_height)
        && covers(g.in_width, g.kernel_width, g.stride_width, g.out_width);
    let dense = (g.dilation_height, g.dilation_width, g.pad_top, g.pad_left) == (1, 1, 0, 0);
    let line = g.in_width.checked_mul(g.in_channels).is_some_and(|line| line <= LINE);
    alike && dense && line && g.groups == 1 && g.in_channels.is_multiple_of(4)
}

/// Whether a convolution with as many times the channels as the transposed one has phases, most of whose weights may be zero,
/// is faster on this instruction set, with the copy that spreads its outputs.
pub fn slow(level: Level, g: &Geometry) -> bool {
    match level {
        Level::AvxVnni | Level::Avx512Vnni | Level::Amx => !side_by_side(g),
        // Pairs are as fast by themselves.
        Level::Sse41 | Level::Avx2 => packed_len(g, layout::O16K2).is_none(),
        _ => false,
    }
}

/// Whether rows of taps are whole tiles of weights, and taps too.
fn whole_tiles(g: &Geometry) -> bool {
    [g.in_channels, g.in_channels.saturating_mul(g.kernel_width)].into_iter().all(|weights| {
        let (tiles, fours) = conv_i8::tiles(weights);
        tiles.saturating_mul(fours).saturating_mul(4) == weights
    })
}

/// Bytes of the weights in a layout, filling included; `None` for a layout that does not exist or does not hold these: pairs
/// hold one group of an even number of channels, fours and tiles whole ones of channels whose windows stand side by side.
pub fn packed_len(geometry: &Geometry, layout: u32) -> Option<u32> {
    let even = geometry.in_channels.is_multiple_of(2) && geometry.groups == 1;
    match layout {
        layout::ROWS => geometry.weights(),
        layout::O16A4 if cfg!(feature = "std") && side_by_side(geometry) && whole_tiles(geometry) => {
            conv_i8::packed_len(geometry, layout)
        }
        layout::O16K4 if cfg!(feature = "std") && side_by_side(geometry) => conv_i8::packed_len(geometry, layout),
        layout::O16K2 if even => conv_i8::packed_len(geometry, layout),
        _ => None,
    }
}

/// Packs `rows` (`[O][KH][KW][I / groups]`) into `layout`. Returns whether the lengths fitted, and the layout the geometry.
pub fn pack(geometry: &Geometry, layout: u32, rows: &[i8], packed: &mut [i8]) -> bool {
    packed_len(geometry, layout).is_some() && conv_i8::pack(geometry, layout, rows, packed)
}

impl Params {
    /// Whether everything can be computed; with operands of the lengths that the geometry and [`Params::weights`] give,
    /// nothing outside them is reached.
    pub fn check(&self) -> bool {
        let numbers = is_i8(self.input_zero_point) && self.output.check();
        self.geometry.check_transposed() && numbers && self.weights().is_some()
    }

    /// Bytes of the weights in their layout; `None` for one that does not hold them.
    pub fn weights(&self) -> Option<u32> {
        packed_len(&self.geometry, self.layout)
    }

    fn fits(&self, o: &Operands<'_>, pixels: &Pixels, y: &[i8]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let channels = Some(self.geometry.out_channels);
        self.check()
            && is(o.x.len(), self.geometry.inputs())
            && is(o.weights.len(), self.weights())
            && is(o.bias.len(), channels)
            && is(o.multipliers.len(), channels)
            && o.table.is_none()
            && fit(pixels, self.geometry.pixels(), self.geometry.out_channels, y.len())
    }
}

/// Convolves. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, operands: &Operands<'_>, y: &mut [i8]) {
    run_pixels(isa, params, operands, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Convolves only these output pixels, numbered over `[N, OH, OW]`; `y` is their part of the output. The outputs do not
/// depend on how the pixels are cut. Operands of other lengths leave `y` as it is.
pub fn run_pixels(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: Range<u32>, y: &mut [i8]) {
    if params.fits(operands, &pixels, y) && !run_fast(isa, params, operands, &pixels, y) {
        portable::run(params, operands, &pixels, y);
    }
}

/// Convolves with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    #[cfg(feature = "std")]
    if amx::run(isa, params, operands, pixels, y) {
        return true;
    }
    avx512vnni::run(isa, params, operands, pixels, y)
        || avx2::run(isa, params, operands, pixels, y)
        || sse41::run(isa, params, operands, pixels, y)
}

/// Convolves with Helium; false where there is none.
#[cfg(all(target_arch = "arm", feature = "helium"))]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    helium::run(isa, params, operands, pixels, y)
}

/// Convolves with the DSP variant; false where there is none.
#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "helium")))]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    dsp::run(isa, params, operands, pixels, y)
}

/// Convolves with NEON; false where there is none.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    neon::run(isa, params, operands, pixels, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp"))))]
fn run_fast(_: Isa, _: &Params, _: &Operands<'_>, _: &Pixels, _: &mut [i8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, cuts, requantized, transposed_convolutions};
    use std::vec::Vec;

    /// Scatters every input pixel to the outputs that it reaches, as the definition says.
    fn exact(p: &Params, o: &Operands<'_>) -> Vec<i8> {
        let g = &p.geometry;
        let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
        let channels = g.out_channels as usize;
        let mut sums: Vec<i64> = (0..g.outputs().unwrap() as usize).map(|k| o.bias[k % channels].into()).collect();
        let place = |pixel: u32, stride: u32, pad: u32, tap: u32, dilation: u32, size: u32| {
            let at = i64::from(pixel * stride + tap * dilation) - i64::from(pad);
            (0..i64::from(size)).contains(&at).then_some(at as u32)
        };
        for (k, &x) in o.x.iter().enumerate() {
            let (k, i) = (k as u32 / g.in_channels, k as u32 % g.in_channels);
            let (n, r, c) = (k / g.in_width / g.in_height, k / g.in_width % g.in_height, k % g.in_width);
            for (kh, kw) in (0..g.kernel_height).flat_map(|kh| (0..g.kernel_width).map(move |kw| (kh, kw))) {
                let row = place(r, g.stride_height, g.pad_top, kh, g.dilation_height, g.out_height);
                let column = place(c, g.stride_width, g.pad_left, kw, g.dilation_width, g.out_width);
                let (Some(row), Some(column)) = (row, column) else { continue };
                for c in i / inputs * outputs..(i / inputs + 1) * outputs {
                    let w = ((c * g.kernel_height + kh) * g.kernel_width + kw) * inputs + i % inputs;
                    let y = ((n * g.out_height + row) * g.out_width + column) * g.out_channels + c;
                    sums[y as usize] += i64::from(i32::from(x) - p.input_zero_point) * i64::from(o.weights[w as usize]);
                }
            }
        }
        let outputs = sums.iter().enumerate();
        outputs.map(|(k, &sum)| requantized(sum as i32, o.multipliers[k % channels], &p.output)).collect()
    }

    /// Every variant in all of its layouts, whole and in parts.
    fn battery(p: &Params, o: &Operands<'_>) {
        let (want, channels) = (exact(p, o), p.geometry.out_channels as usize);
        for isa in Isa::available() {
            for &layout in layouts(isa.level()) {
                let p = Params { layout, ..*p };
                let Some(len) = p.weights() else { continue };
                let mut packed = std::vec![77; len as usize];
                assert!(pack(&p.geometry, layout, o.weights, &mut packed));
                let o = Operands { weights: &packed, ..*o };
                let mut y = std::vec![99; want.len()];
                run(isa, &p, &o, &mut y);
                assert_eq!(y, want, "{:?} {p:?}", isa.level());
                let mut parts = std::vec![98; want.len()];
                for pixels in cuts(p.geometry.pixels().unwrap()) {
                    let place = |pixel: u32| pixel as usize * channels;
                    run_pixels(isa, &p, &o, pixels.clone(), &mut parts[place(pixels.start)..place(pixels.end)]);
                }
                assert_eq!(parts, want, "in parts, {:?} {p:?}", isa.level());
            }
        }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        for (k, &geometry) in transposed_convolutions().iter().enumerate() {
            let (mut samples, channels) = (Samples::new(k as u64), geometry.out_channels as usize);
            let (x, weights) = (samples.bytes(geometry.inputs().unwrap()), samples.bytes(geometry.weights().unwrap()));
            let bias: Vec<i32> = (0..channels).map(|_| samples.below(20_000) as i32 - 10_000).collect();
            let multipliers = samples.floats(channels, 1e-4, 3e-3);
            let o = Operands { x: &x, weights: &weights, bias: &bias, multipliers: &multipliers, table: None };
            for (input_zero_point, zero_point, low, high) in
                [(-3, 7, -128, 127), (-128, -128, -128, 50), (127, 0, 0, 0)]
            {
                let output = Output { zero_point, low, high };
                battery(&Params { geometry, input_zero_point, output, layout: layout::ROWS }, &o);
            }
        }
    }

    #[test]
    fn extremes_are_exact_and_sums_wrap() {
        for geometry in transposed_convolutions() {
            let channels = geometry.out_channels as usize;
            for (x, w, input_zero_point, bias, multiplier) in [
                (-128, -128, 127, 0, 1e-4),
                (127, -128, -128, i32::MIN, 1e-8),
                (-128, 127, 127, i32::MIN, 1e-8),
                (127, 127, -128, 5, f32::NAN),
            ] {
                let x = std::vec![x; geometry.inputs().unwrap() as usize];
                let weights = std::vec![w; geometry.weights().unwrap() as usize];
                let (bias, multipliers) = (std::vec![bias; channels], std::vec![multiplier; channels]);
                let o = Operands { x: &x, weights: &weights, bias: &bias, multipliers: &multipliers, table: None };
                let output = Output { zero_point: -11, low: -128, high: 127 };
                battery(&Params { geometry, input_zero_point, output, layout: layout::ROWS }, &o);
            }
        }
    }

    #[test]
    fn bad_parameters_leave_the_output() {
        let geometry = transposed_convolutions()[0];
        let output = Output { zero_point: 0, low: -128, high: 127 };
        let p = Params { geometry, input_zero_point: 0, output, layout: layout::ROWS };
        let o = Operands { x: &[2], weights: &[3], bias: &[1], multipliers: &[1.0], table: None };
        for isa in Isa::available() {
            let mut y = [7];
            run(isa, &p, &Operands { x: &[], ..o }, &mut y);
            run(isa, &Params { geometry: Geometry { stride_height: 0, ..geometry }, ..p }, &o, &mut y);
            run(isa, &Params { input_zero_point: -129, ..p }, &o, &mut y);
            run(isa, &Params { layout: layout::O16K4, ..p }, &o, &mut y);
            assert_eq!(y, [7]);
            run(isa, &Params { input_zero_point: -1, ..p }, &Operands { bias: &[0], ..o }, &mut y);
            assert_eq!(y, [9]);
        }
    }
}
