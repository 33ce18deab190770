//! f32 maximum pooling: the greatest of the taps inside the input.
//!
//! x `[N, H, W, C]`, y `[N, OH, OW, C]`. A window without any tap inside gives minus infinity; a NaN is passed over.
//! Every variant gives the same numbers (a zero may have either sign).

mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use core::ops::Range;

use crate::Isa;
use crate::geometry::PoolGeometry;
use crate::pixels;

/// What a maximum pooling is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry.
    pub geometry: PoolGeometry,
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

    #[test]
    fn every_variant_finds_the_greatest() {
        for (k, g) in pools().iter().enumerate() {
            let (mut samples, channels) = (Samples::new(k as u64), g.channels as usize);
            let mut x = samples.floats(g.inputs().unwrap() as usize, -4.0, 4.0);
            x[0] = f32::NAN;
            for isa in Isa::available() {
                let mut y = std::vec![f32::NAN; g.outputs().unwrap() as usize];
                let params = Params { geometry: *g };
                run(isa, &params, &x, &mut y);
                let run_part = |pixels, y: &mut [f32]| run_pixels(isa, &params, &x, pixels, y);
                cuts_agree(g.pixels().unwrap(), channels, &y, run_part);
                let mut outputs = y.iter();
                for place in pixels(g.batch, g.out_height, g.out_width) {
                    for c in 0..channels {
                        let mut want = f32::NEG_INFINITY;
                        each_pool_tap(g, place, |_, pixel| want = want.max(x[pixel * channels + c]));
                        assert_eq!(*outputs.next().unwrap(), want, "{:?} {place:?} {c} {g:?}", isa.level());
                    }
                }
            }
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        let params = Params { geometry: pools()[4] };
        for isa in Isa::available() {
            let mut y = [7.0; 24];
            run(isa, &params, &[1.0; 23], &mut y);
            run(isa, &params, &[1.0; 24], &mut y[1..]);
            assert_eq!(y, [7.0; 24]);
            run(isa, &params, &[1.0; 24], &mut y);
            assert_eq!(y, [1.0; 24]);
        }
    }
}
