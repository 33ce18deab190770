//! int8 average pooling: `Σ (x - input_zero_point)` over the taps inside the input, times the multiplier of the number of
//! taps that count, then [`Output`].
//!
//! x `[N, H, W, C]`, multipliers `[KH * KW]` (element `n - 1` for `n` taps, scale of x over `n` times the scale of y), y `[N,
//! OH, OW, C]`. A window without any tap that counts gives the zero point. Every variant gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512vnni;
#[cfg(all(target_arch = "arm", feature = "dsp"))]
mod dsp;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse41;

use core::ops::Range;

use crate::geometry::PoolGeometry;
use crate::pixels::{Pixels, fit};
use crate::round::{Output, is_i8};
use crate::{Isa, Level};

/// What an average pooling is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry.
    pub geometry: PoolGeometry,
    /// Whether taps in the padding count.
    pub count_include_pad: bool,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the output.
    pub output_zero_point: i32,
}

impl Params {
    /// Whether everything can be computed; with operands of the lengths that the geometry gives, nothing outside them is
    /// reached.
    pub fn check(&self) -> bool {
        self.geometry.check() && is_i8(self.input_zero_point) && is_i8(self.output_zero_point)
    }

    fn fits(&self, x: &[i8], multipliers: &[f32], pixels: &Pixels, y: &[i8]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        self.check()
            && is(x.len(), self.geometry.inputs())
            && is(multipliers.len(), self.geometry.taps())
            && fit(pixels, self.geometry.pixels(), self.geometry.channels, y.len())
    }

    /// The way to int8.
    fn output(&self) -> Output {
        Output { zero_point: self.output_zero_point, low: -128, high: 127 }
    }

    /// The multiplier of the window at `row`, `column` of the output; zero where no tap counts.
    fn multiplier(&self, multipliers: &[f32], row: u32, column: u32) -> f32 {
        let n = self.geometry.counted(row, column, self.count_include_pad);
        multipliers.get((n as usize).wrapping_sub(1)).copied().unwrap_or(0.0)
    }
}

/// Pools. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[i8], multipliers: &[f32], y: &mut [i8]) {
    run_pixels(isa, params, x, multipliers, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Pools only these output pixels, numbered over `[N, OH, OW]`; `y` is their part of the output. The outputs do not depend
/// on how the pixels are cut. Operands of other lengths leave `y` as it is.
pub fn run_pixels(isa: Isa, params: &Params, x: &[i8], multipliers: &[f32], pixels: Range<u32>, y: &mut [i8]) {
    if params.fits(x, multipliers, &pixels, y) {
        let job = Job { params, x, multipliers, channels: params.geometry.channels as usize };
        pool(isa, &job, &pixels, y);
    }
}

/// Pools only these channels of the output's only pixel; `y` is their part of the output. The outputs do not depend on how the
/// channels are cut. Where there are more pixels, or operands of other lengths, `y` is left as it is.
pub fn run_channels(isa: Isa, params: &Params, x: &[i8], multipliers: &[f32], channels: Range<u32>, y: &mut [i8]) {
    let g = &params.geometry;
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    let inside = channels.end <= g.channels && channels.len() == y.len();
    let fits = inside && is(x.len(), g.inputs()) && is(multipliers.len(), g.taps());
    if !fits || !params.check() || g.pixels() != Some(1) {
        return;
    }
    // Fewer are left to slower variants: those before them are computed again.
    let first = channels.start.min(channels.end.saturating_sub(VECTOR as u32));
    let Some(x) = x.get(first as usize..) else { return };
    let job = |channels: usize| Job { params, x, multipliers, channels };
    if first == channels.start {
        return pool(isa, &job(y.len()), &(0..1), y);
    }
    let mut all = [0; VECTOR];
    let count = channels.end.wrapping_sub(first) as usize;
    let all = all.get_mut(..count).unwrap_or_default();
    pool(isa, &job(count), &(0..1), all);
    let skipped = channels.start.wrapping_sub(first) as usize;
    y.iter_mut().zip(all.iter().skip(skipped)).for_each(|(to, &from)| *to = from);
}

/// The most channels of [`Sums`].
pub const SUMS: usize = 2048;

/// Sums of all channels over some rows, in an order that only their makers know.
pub type Sums = [i32; SUMS];

/// Whether [`add_rows`] and [`finish`] do anything: the output is one pixel that sees all of one image, with no more than
/// [`SUMS`] channels, and a variant of this architecture adds rows by themselves.
pub fn has_sums(isa: Isa, params: &Params) -> bool {
    let g = &params.geometry;
    let pads = (g.pad_top, g.pad_left, g.pad_bottom, g.pad_right);
    let whole = (g.kernel_height, g.kernel_width, pads) == (g.in_height, g.in_width, (0, 0, 0, 0));
    let one = (g.pixels(), g.dilation_height, g.dilation_width) == (Some(1), 1, 1);
    cfg!(target_arch = "x86_64") && isa.level() >= Level::Avx512Vnni && whole && one && g.channels as usize <= SUMS
}

/// Sums over these rows of the input, where there are such ([`has_sums`]).
#[cfg(target_arch = "x86_64")]
pub fn add_rows(isa: Isa, params: &Params, x: &[i8], rows: Range<u32>, sums: &mut Sums) {
    let g = &params.geometry;
    let place = |row: u32| (row as usize).wrapping_mul(g.in_width as usize).wrapping_mul(g.channels as usize);
    if let Some(x) = x.get(place(rows.start)..place(rows.end)).filter(|_| params.check() && has_sums(isa, params)) {
        avx512vnni::add(isa, g.channels as usize, x, sums);
    }
}

/// How many of [`Sums`] so many channels have.
pub fn used(channels: u32) -> usize {
    (channels as usize).next_multiple_of(64)
}

/// The outputs of the sums over all rows, where there are such ([`has_sums`]).
#[cfg(target_arch = "x86_64")]
pub fn finish(isa: Isa, params: &Params, sums: &Sums, multipliers: &[f32], y: &mut [i8]) {
    let g = &params.geometry;
    let fits = y.len() == g.channels as usize && g.taps().is_some_and(|taps| taps as usize == multipliers.len());
    if fits && params.check() && has_sums(isa, params) {
        avx512vnni::finish(isa, params, sums, (multipliers.len() as i32, params.multiplier(multipliers, 0, 0)), y);
    }
}

/// No variant of this architecture.
#[cfg(not(target_arch = "x86_64"))]
pub fn add_rows(_: Isa, _: &Params, _: &[i8], _: Range<u32>, _: &mut Sums) {}

/// No variant of this architecture.
#[cfg(not(target_arch = "x86_64"))]
pub fn finish(_: Isa, _: &Params, _: &Sums, _: &[f32], _: &mut [i8]) {}

/// Channels that a variant computes at a time at least.
const VECTOR: usize = 16;

/// A pooling whose operands fit.
struct Job<'a> {
    params: &'a Params,
    x: &'a [i8],
    multipliers: &'a [f32],
    /// So many channels, the first of which is the first of x. Only of one pixel may they be fewer than there are.
    channels: usize,
}

fn pool(isa: Isa, job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) {
    if !run_fast(isa, job, pixels, y) {
        portable::run(job, pixels, y);
    }
}

/// Pools with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    avx512vnni::run(isa, job, pixels, y) || avx2::run(isa, job, pixels, y) || sse41::run(isa, job, pixels, y)
}

/// Pools with NEON; false where there is none.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    neon::run(isa, job, pixels, y)
}

/// Pools with a variant for Cortex-M; false where there is none.
#[cfg(all(target_arch = "arm", feature = "dsp"))]
fn run_fast(isa: Isa, job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    dsp::run(isa, job, pixels, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp"))))]
fn run_fast(_: Isa, _: &Job<'_>, _: &Pixels, _: &mut [i8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, cuts, each_pool_tap, pixels, pools, requantized};
    use std::vec::Vec;

    /// From the definition; a tap in the padding counts up to `pad_bottom` and `pad_right`.
    fn exact(p: &Params, x: &[i8], multipliers: &[f32]) -> Vec<i8> {
        let (g, channels) = (&p.geometry, p.geometry.channels as usize);
        let mut all = Vec::new();
        for [n, row, column] in pixels(g.batch, g.out_height, g.out_width) {
            let along = |out: u32, stride: u32, kernel: u32, dilation: u32, pad: u32, input: u32, end: u32| {
                let at = |tap: u32| i64::from(out * stride + tap * dilation) - i64::from(pad);
                (0..kernel).filter(|&tap| at(tap) < i64::from(input + end)).count()
            };
            let rows =
                along(row, g.stride_height, g.kernel_height, g.dilation_height, g.pad_top, g.in_height, g.pad_bottom);
            let columns =
                along(column, g.stride_width, g.kernel_width, g.dilation_width, g.pad_left, g.in_width, g.pad_right);
            for c in 0..channels {
                let (mut sum, mut count) = (0, 0);
                each_pool_tap(g, [n, row, column], |_, pixel| {
                    sum += i32::from(x[pixel * channels + c]) - p.input_zero_point;
                    count += 1;
                });
                let count = if p.count_include_pad { rows * columns } else { count };
                let multiplier = if count == 0 { 0.0 } else { multipliers[count - 1] };
                all.push(requantized(sum, multiplier, &p.output()));
            }
        }
        all
    }

    /// The channels of one pixel, cut in several ways.
    fn in_channels(isa: Isa, p: &Params, x: &[i8], multipliers: &[f32], want: &[i8]) {
        for step in [1, 7, 16, 32, 64, 150] {
            let mut y = std::vec![98; want.len()];
            for (k, y) in y.chunks_mut(step).enumerate() {
                let first = (k * step) as u32;
                run_channels(isa, p, x, multipliers, first..first + y.len() as u32, y);
            }
            assert_eq!(y, want, "{step} channels at a time, {:?} {p:?}", isa.level());
        }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        for (k, &geometry) in pools().iter().enumerate() {
            let mut samples = Samples::new(k as u64);
            let x = samples.bytes(geometry.inputs().unwrap());
            let multipliers: Vec<f32> = (1..=geometry.taps().unwrap()).map(|n| 0.07 / (0.05 * n as f32)).collect();
            for (count_include_pad, input_zero_point, output_zero_point) in
                [(false, -3, 5), (true, 7, -128), (false, 127, 127), (true, -128, 0)]
            {
                let p = Params { geometry, count_include_pad, input_zero_point, output_zero_point };
                let want = exact(&p, &x, &multipliers);
                for isa in Isa::available() {
                    let mut y = std::vec![99; want.len()];
                    run(isa, &p, &x, &multipliers, &mut y);
                    assert_eq!(y, want, "{:?} {p:?}", isa.level());
                    let mut parts = std::vec![98; want.len()];
                    for pixels in cuts(geometry.pixels().unwrap()) {
                        let place = |pixel: u32| pixel as usize * geometry.channels as usize;
                        run_pixels(
                            isa,
                            &p,
                            &x,
                            &multipliers,
                            pixels.clone(),
                            &mut parts[place(pixels.start)..place(pixels.end)],
                        );
                    }
                    assert_eq!(parts, want, "in parts, {:?} {p:?}", isa.level());
                    if geometry.pixels() == Some(1) {
                        in_channels(isa, &p, &x, &multipliers, &want);
                    }
                }
            }
        }
    }

    #[test]
    fn rows_are_added_by_themselves() {
        let small = PoolGeometry { kernel_height: 7, kernel_width: 7, stride_height: 7, stride_width: 7, ..pools()[6] };
        for channels in [1, 20, 64, 65, 200, SUMS as u32] {
            let geometry = PoolGeometry { batch: 1, channels, ..small };
            let p = Params { geometry, count_include_pad: false, input_zero_point: 3, output_zero_point: -7 };
            let x = Samples::new(u64::from(channels)).bytes(geometry.inputs().unwrap());
            let multipliers: Vec<f32> = (1..=49).map(|n| 0.3 / n as f32).collect();
            let mut want = std::vec![99; channels as usize];
            for isa in Isa::available() {
                run(isa, &p, &x, &multipliers, &mut want);
                if !has_sums(isa, &p) {
                    continue;
                }
                for cut in [1, 3, 7] {
                    let (mut sums, mut y) = ([[0; SUMS]; 2], std::vec![98; want.len()]);
                    add_rows(isa, &p, &x, 0..cut, &mut sums[0]);
                    add_rows(isa, &p, &x, cut..7, &mut sums[1]);
                    let [mut all, others] = sums;
                    all.iter_mut().zip(others).take(used(channels)).for_each(|(sum, part)| *sum += part);
                    finish(isa, &p, &all, &multipliers, &mut y);
                    assert_eq!(y, want, "{channels} channels, cut at {cut}, {:?}", isa.level());
                }
            }
        }
        let p = Params { geometry: small, count_include_pad: false, input_zero_point: 3, output_zero_point: -7 };
        let padded = Params { geometry: PoolGeometry { pad_top: 1, in_height: 6, ..small }, ..p };
        assert!(Isa::available().all(|isa| !has_sums(isa, &padded)));
    }

    #[test]
    fn large_windows_do_not_overflow() {
        for (size, channels) in [(16, 33), (17, 16), (40, 70)] {
            let geometry = PoolGeometry {
                batch: 1,
                in_height: size,
                in_width: size,
                out_height: 1,
                out_width: 1,
                channels,
                kernel_height: size,
                kernel_width: size,
                stride_height: 1,
                stride_width: 1,
                dilation_height: 1,
                dilation_width: 1,
                pad_top: 0,
                pad_left: 0,
                pad_bottom: 0,
                pad_right: 0,
            };
            for value in [-128, 127] {
                let p = Params { geometry, count_include_pad: false, input_zero_point: 0, output_zero_point: 0 };
                let n = (size * size) as usize;
                let multipliers: Vec<f32> = (1..=n).map(|n| 1.0 / n as f32).collect();
                for isa in Isa::available() {
                    let mut y = std::vec![0; channels as usize];
                    run(isa, &p, &std::vec![value; n * channels as usize], &multipliers, &mut y);
                    assert!(y.iter().all(|&y| y == value), "{:?} {y:?}", isa.level());
                }
            }
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let p = Params { geometry: pools()[0], count_include_pad: false, input_zero_point: 0, output_zero_point: 0 };
        for isa in Isa::available() {
            let mut y = [7; 6];
            run(isa, &p, &[1; 23], &[1.0; 4], &mut y);
            run(isa, &p, &[1; 24], &[1.0; 3], &mut y);
            run(isa, &p, &[1; 24], &[1.0; 4], &mut y[1..]);
            run(isa, &Params { input_zero_point: 200, ..p }, &[1; 24], &[1.0; 4], &mut y);
            assert_eq!(y, [7; 6]);
            run(isa, &p, &[1; 24], &[1.0; 4], &mut y);
            assert_eq!(y, [4; 6]);
        }
    }
}
