//! f32 average pooling: `Σ x / n` over the taps inside the input.
//!
//! x `[N, H, W, C]`, y `[N, OH, OW, C]`. `n` counts the taps inside the input or, with `count_include_pad`, also those in
//! the padding; a window that counts none gives zero. The sum of `n` taps differs from the exact one by at most
//! `n * 2^-24 * Σ |x|` before the division.

mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use core::ops::Range;

use crate::Isa;
use crate::geometry::PoolGeometry;
use crate::pixels;

/// What an average pooling is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry.
    pub geometry: PoolGeometry,
    /// Whether padding counts.
    pub count_include_pad: bool,
}

impl Params {
    /// Whether the geometry can be computed; with operands of the lengths that it gives, nothing outside is reached.
    pub fn check(&self) -> bool {
        self.geometry.check()
    }

    fn fits(&self, x: &[f32], pixels: &Range<u32>, y: &[f32]) -> bool {
        let g = &self.geometry;
        let inputs = g.inputs().is_some_and(|n| n as usize == x.len());
        self.check() && inputs && pixels::fit(pixels, g.pixels(), g.channels, y.len())
    }
}

/// Pools. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[f32], y: &mut [f32]) {
    run_pixels(isa, params, x, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Computes the output pixels of a range only, counted over batch, rows and columns; `y` is that part of the output.
/// A pixel does not depend on the range that it is computed in.
pub fn run_pixels(isa: Isa, params: &Params, x: &[f32], pixels: Range<u32>, y: &mut [f32]) {
    if params.fits(x, &pixels, y) && !run_fast(isa, params, x, &pixels, y) {
        portable::run(params, x, pixels, y);
    }
}

/// Pools with a vector variant; false where there is none.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn run_fast(isa: Isa, params: &Params, x: &[f32], pixels: &Range<u32>, y: &mut [f32]) -> bool {
    crate::simd::run(isa, vector::Pool { params, x, pixels: pixels.clone(), y })
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_fast(_: Isa, _: &Params, _: &[f32], _: &Range<u32>, _: &mut [f32]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, cuts_agree, each_pool_tap, pixels, pools};

    /// Taps along one axis that lie before the end of input and padding.
    fn with_padding(input: u32, pad: [u32; 2], start: u32, kernel: u32, dilation: u32) -> u32 {
        (0..kernel).filter(|tap| start + tap * dilation < pad[0] + input + pad[1]).count() as u32
    }

    fn battery(g: &PoolGeometry, seed: u64, count_include_pad: bool) {
        let channels = g.channels as usize;
        let x = Samples::new(seed).floats(g.inputs().unwrap() as usize, -4.0, 4.0);
        for isa in Isa::available() {
            let mut y = std::vec![f32::NAN; g.outputs().unwrap() as usize];
            let params = Params { geometry: *g, count_include_pad };
            run(isa, &params, &x, &mut y);
            let run_part = |pixels, y: &mut [f32]| run_pixels(isa, &params, &x, pixels, y);
            cuts_agree(g.pixels().unwrap(), channels, &y, run_part);
            let mut outputs = y.iter();
            for place @ [_, row, column] in pixels(g.batch, g.out_height, g.out_width) {
                let pads = ([g.pad_top, g.pad_bottom], [g.pad_left, g.pad_right]);
                let padded =
                    with_padding(g.in_height, pads.0, row * g.stride_height, g.kernel_height, g.dilation_height)
                        * with_padding(g.in_width, pads.1, column * g.stride_width, g.kernel_width, g.dilation_width);
                for c in 0..channels {
                    let (mut sum, mut size, mut n) = (0.0, 0.0, 0);
                    each_pool_tap(g, place, |_, pixel| {
                        sum += f64::from(x[pixel * channels + c]);
                        size += f64::from(x[pixel * channels + c].abs());
                        n += 1;
                    });
                    let n = f64::from(if count_include_pad { padded } else { n }.max(1));
                    let (want, error) = (sum / n, (n + 1.0) * size / n / f64::from(1 << 24));
                    let y = f64::from(*outputs.next().unwrap());
                    assert!((y - want).abs() <= error, "{:?} {place:?} {c}: {y} for {want}, {g:?}", isa.level());
                }
            }
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for (k, g) in pools().iter().enumerate() {
            battery(g, k as u64, false);
            battery(g, k as u64, true);
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let params = Params { geometry: pools()[4], count_include_pad: false };
        for isa in Isa::available() {
            let mut y = [7.0; 24];
            run(isa, &params, &[1.0; 23], &mut y);
            run(isa, &params, &[1.0; 24], &mut y[1..]);
            assert_eq!(y, [7.0; 24]);
        }
    }
}
