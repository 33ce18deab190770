//! int8 depthwise convolution: every channel by itself.
//!
//! `sum = bias[c] + Σ x * w` over all taps, int32 and wrapping, then [`Output`]. A padded tap reads `input_zero_point`; the
//! bias holds `-input_zero_point * Σ w`.
//!
//! x `[N, H, W, C]`, weights `[KH][KW][C]`, bias and multipliers `[C]`, y `[N, OH, OW, C]`. Every variant gives the same
//! bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_runs;
#[cfg(target_arch = "x86_64")]
mod avx512vnni;
#[cfg(target_arch = "x86_64")]
mod avx512vnni_runs;
#[cfg(all(target_arch = "arm", feature = "dsp"))]
mod dsp;
#[cfg(target_arch = "x86_64")]
mod few;
#[cfg(all(target_arch = "arm", feature = "helium"))]
mod helium;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pack;
mod portable;
#[cfg(all(target_arch = "arm", feature = "dsp"))]
mod rows_dsp;
#[cfg(target_arch = "x86_64")]
mod sse41;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tiles;

use core::ops::Range;

pub use pack::pack;

use crate::Isa;
use crate::columns::Columns;
pub use crate::conv_i8::Operands;
use crate::conv_i8::TABLES;
use crate::geometry::Geometry;
use crate::pixels::{Pixels, fit, looked_up};
use crate::round::{Output, is_i8};
#[cfg(target_arch = "x86_64")]
use crate::table_i8;

/// What a depthwise convolution is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry, with groups = input channels = output channels.
    pub geometry: Geometry,
    /// What a padded tap reads.
    pub input_zero_point: i32,
    /// The way to int8.
    pub output: Output,
}

impl Params {
    /// Whether everything can be computed; with operands of the lengths that the geometry gives, nothing outside them is
    /// reached.
    pub fn check(&self) -> bool {
        let g = &self.geometry;
        g.check() && g.is_depthwise() && is_i8(self.input_zero_point) && self.output.check()
    }

    fn fits(&self, o: &Operands<'_>) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        let channels = Some(self.geometry.out_channels);
        self.check()
            && is(o.x.len(), self.geometry.inputs())
            && is(o.weights.len(), self.geometry.weights())
            && is(o.bias.len(), channels)
            && is(o.multipliers.len(), channels)
            && (TABLES || o.table.is_none())
    }
}

/// Convolves. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, operands: &Operands<'_>, y: &mut [i8]) {
    run_pixels(isa, params, operands, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Convolves only these output pixels, numbered over `[N, OH, OW]`; `y` is their part of the output. The outputs do not
/// depend on how the pixels are cut. Operands of other lengths leave `y` as it is.
pub fn run_pixels(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: Range<u32>, y: &mut [i8]) {
    let g = &params.geometry;
    if !params.fits(operands) || !fit(&pixels, g.pixels(), g.out_channels, y.len()) {
        return;
    }
    let Some(table) = operands.table.filter(|_| TABLES) else {
        return convolve(isa, params, operands, &pixels, y);
    };
    let (channels, line) = (params.geometry.out_channels, params.geometry.out_width);
    looked_up((isa, table), pixels, (channels, line), y, |pixels, y| convolve(isa, params, operands, pixels, y));
}

/// Whether a variant for these parameters computes some channels by themselves: whether [`run_channels`] does anything.
#[cfg(target_arch = "x86_64")]
pub fn has_channels(isa: Isa, params: &Params) -> bool {
    let taps = params.geometry.kernel_height.saturating_mul(params.geometry.kernel_width);
    isa.has_avx512() && taps as usize <= tiles::TAPS
}

/// No variant of this architecture does.
#[cfg(not(target_arch = "x86_64"))]
pub fn has_channels(_: Isa, _: &Params) -> bool {
    false
}

/// Convolves only the channels from `first` on whose outputs `y` has, of all pixels. The outputs do not depend on how the
/// channels are cut. Operands of other lengths, and parameters without a variant for this, leave `y` as it is.
#[cfg(target_arch = "x86_64")]
pub fn run_channels(isa: Isa, params: &Params, operands: &Operands<'_>, first: u32, y: &mut Columns<'_>) {
    let (g, width) = (&params.geometry, y.width() as u32);
    let (Some(pixels), Some(end)) = (g.pixels(), first.checked_add(width)) else { return };
    if !params.fits(operands) || y.rows() != pixels as usize || end > g.out_channels {
        return;
    }
    let (all, first) = (0..pixels, first as usize);
    let plain = Operands { table: None, ..*operands };
    let done = run_columns(isa, params, &plain, &all, first, y);
    if let Some(table) = operands.table.filter(|_| done) {
        (0..y.rows()).for_each(|row| table_i8::run_in_place(isa, table, y.numbers(row).unwrap_or_default()));
    }
}

/// No variant of this architecture.
#[cfg(not(target_arch = "x86_64"))]
pub fn run_channels(_: Isa, _: &Params, _: &Operands<'_>, _: u32, _: &mut Columns<'_>) {}

/// Convolves with the best variant.
fn convolve(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
    if !run_fast(isa, params, operands, pixels, y) {
        portable::run(params, operands, pixels, y);
    }
}

/// Convolves with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let columns = Columns::of_numbers(y, params.geometry.out_channels as usize);
    columns.is_some_and(|mut y| run_columns(isa, params, operands, pixels, 0, &mut y))
        || few::run(isa, params, operands, pixels, y)
        || avx2_runs::run(isa, params, operands, pixels, y)
        || avx2::run(isa, params, operands, pixels, y)
        || sse41::run(isa, params, operands, pixels, y)
}

/// Convolves the channels from `first` on whose outputs `y` has; false where no variant does that.
#[cfg(target_arch = "x86_64")]
fn run_columns(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    pixels: &Pixels,
    first: usize,
    y: &mut Columns<'_>,
) -> bool {
    avx512vnni_runs::run(isa, params, operands, pixels, first, y)
        || avx512vnni::run(isa, params, operands, pixels, first, y)
}

/// Convolves with a NEON variant; false where there is none.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    neon::run(isa, params, operands, pixels, y)
}

/// Convolves with a variant for Cortex-M; false where the core has not its instructions.
#[cfg(all(target_arch = "arm", feature = "dsp"))]
fn run_fast(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    #[cfg(feature = "helium")]
    if helium::run(isa, params, operands, pixels, y) {
        return true;
    }
    // A core of this kind is alone, so that nobody asks for a part.
    (pixels.start, Some(pixels.end)) == (0, params.geometry.pixels()) && dsp::run(isa, params, operands, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp"))))]
fn run_fast(_: Isa, _: &Params, _: &Operands<'_>, _: &Pixels, _: &mut [i8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, convolutions, cuts, depthwise_convolutions, each_tap, pixels, requantized};
    use std::vec::Vec;

    fn exact(p: &Params, o: &Operands<'_>) -> Vec<i8> {
        let (g, channels) = (&p.geometry, p.geometry.out_channels as usize);
        let taps = (g.kernel_height * g.kernel_width) as usize;
        let mut all = Vec::new();
        for place in pixels(g.batch, g.out_height, g.out_width) {
            let mut pixel_of = std::vec![None; taps];
            each_tap(g, place, |tap, pixel| pixel_of[tap] = Some(pixel));
            for c in 0..channels {
                let mut sum = i64::from(o.bias[c]);
                for (tap, pixel) in pixel_of.iter().enumerate() {
                    let v = pixel.map_or(p.input_zero_point, |pixel: usize| i32::from(o.x[pixel * channels + c]));
                    sum += i64::from(o.weights[tap * channels + c]) * i64::from(v);
                }
                all.push(requantized(sum as i32, o.multipliers[c], &p.output));
            }
        }
        all
    }

    fn battery(p: &Params, o: &Operands<'_>) {
        let want = exact(p, o);
        for isa in Isa::available() {
            let mut y = std::vec![99; want.len()];
            run(isa, p, o, &mut y);
            assert_eq!(y, want, "{:?} {p:?}", isa.level());
            let mut parts = std::vec![98; want.len()];
            for pixels in cuts(p.geometry.pixels().unwrap()) {
                let place = |pixel: u32| pixel as usize * p.geometry.out_channels as usize;
                run_pixels(isa, p, o, pixels.clone(), &mut parts[place(pixels.start)..place(pixels.end)]);
            }
            assert_eq!(parts, want, "in parts, {:?} {p:?}", isa.level());
            let table = core::array::from_fn(|k| (k as i32 * 7 % 251 - 128) as i8);
            let with_table = Operands { table: Some(&table), ..*o };
            run(isa, p, &with_table, &mut y);
            crate::table_i8::run_in_place(isa, &table, &mut parts);
            assert_eq!(y, parts, "looked up, {:?} {p:?}", isa.level());
            if has_channels(isa, p) {
                assert_eq!(in_columns(isa, p, o), want, "in columns, {:?} {p:?}", isa.level());
                assert_eq!(in_columns(isa, p, &with_table), y, "looked up in columns, {:?} {p:?}", isa.level());
            }
        }
    }

    /// Some channels at a time.
    fn in_columns(isa: Isa, p: &Params, o: &Operands<'_>) -> Vec<i8> {
        let (g, mut first) = (&p.geometry, 0);
        let mut y = std::vec![98; g.outputs().unwrap() as usize];
        let mut rest = Columns::of_numbers(&mut y, g.out_channels as usize).unwrap();
        for width in [1, 32, 5, 64, 96, 33, 1000] {
            let width = width.min(rest.width());
            let (mut here, others) = rest.split_at(width).unwrap();
            run_channels(isa, p, o, first, &mut here);
            (rest, first) = (others, first + width as u32);
        }
        y
    }

    fn params(geometry: Geometry) -> Params {
        Params { geometry, input_zero_point: -3, output: Output { zero_point: -11, low: -128, high: 127 } }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        let large = Geometry { in_channels: 301, out_channels: 301, groups: 301, ..depthwise_convolutions()[1] };
        let tall = Geometry { kernel_height: 70, pad_top: 66, ..depthwise_convolutions()[7] };
        let more = [large, Geometry { in_channels: 264, out_channels: 264, groups: 264, ..large }, tall];
        for (k, g) in depthwise_convolutions().iter().chain(&more).enumerate() {
            let (mut samples, channels) = (Samples::new(k as u64), g.out_channels as usize);
            let (x, w) = (samples.bytes(g.inputs().unwrap()), samples.bytes(g.weights().unwrap()));
            let bias: Vec<i32> = (0..channels).map(|_| samples.below(20_000) as i32 - 10_000).collect();
            let multipliers = samples.floats(channels, 1e-4, 1e-2);
            let o = Operands { x: &x, weights: &w, bias: &bias, multipliers: &multipliers, table: None };
            battery(&params(*g), &o);
            let output = Output { zero_point: 127, low: -20, high: 99 };
            battery(&Params { input_zero_point: -128, output, ..params(*g) }, &o);
        }
    }

    #[test]
    fn extremes_are_exact_and_sums_wrap() {
        for g in depthwise_convolutions() {
            let channels = g.out_channels as usize;
            for (x, w, bias, multiplier) in [
                (-128, -128, 0, 1e-3),
                (-128, 127, 0, 1e-4),
                (127, -128, i32::MIN, 1e-8),
                (-128, -128, i32::MAX, 1e-8),
                (127, 127, 5, f32::NAN),
            ] {
                let (x, w) = (std::vec![x; g.inputs().unwrap() as usize], std::vec![w; g.weights().unwrap() as usize]);
                let (bias, multipliers) = (std::vec![bias; channels], std::vec![multiplier; channels]);
                let o = Operands { x: &x, weights: &w, bias: &bias, multipliers: &multipliers, table: None };
                battery(&Params { input_zero_point: -128, ..params(g) }, &o);
            }
        }
    }

    #[test]
    fn rows_become_taps() {
        let g = depthwise_convolutions()[8];
        let channels = g.out_channels as usize;
        let rows: Vec<i8> = (0..g.weights().unwrap()).map(|k| k as i8).collect();
        let mut taps = std::vec![0; rows.len()];
        assert!(pack(&g, &rows, &mut taps));
        for (k, &w) in taps.iter().enumerate() {
            assert_eq!(w, rows[k % channels * (rows.len() / channels) + k / channels]);
        }
        assert!(!pack(&g, &rows[1..], &mut taps));
        assert!(!pack(&convolutions()[4], &rows, &mut taps));
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let p = params(depthwise_convolutions()[7]);
        let (inputs, weights, channels) = (2 * 5 * 7 * 3, 27, 3);
        assert_eq!((p.geometry.inputs(), p.geometry.out_channels), (Some(inputs), channels));
        let x = std::vec![1; inputs as usize];
        let o = Operands { x: &x, weights: &[1; 27], bias: &[0; 3], multipliers: &[1.0; 3], table: None };
        for isa in Isa::available() {
            let mut y = std::vec![7; p.geometry.outputs().unwrap() as usize];
            run(isa, &p, &Operands { x: &x[1..], ..o }, &mut y);
            run(isa, &p, &Operands { weights: &o.weights[1..weights], ..o }, &mut y);
            run(isa, &p, &Operands { bias: &o.bias[1..], ..o }, &mut y);
            run(isa, &p, &Operands { multipliers: &o.multipliers[1..], ..o }, &mut y);
            run(isa, &Params { geometry: convolutions()[4], ..p }, &o, &mut y);
            assert!(y.iter().all(|&y| y == 7));
        }
    }
}
