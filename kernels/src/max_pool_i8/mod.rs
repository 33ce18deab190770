//! int8 maximum pooling: the greatest of the taps inside the input.
//!
//! x `[N, H, W, C]`, y `[N, OH, OW, C]`, of one scale and zero point. A window without any tap inside gives -128. Every
//! variant gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(target_arch = "arm", feature = "dsp"))]
mod dsp;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse41;

use core::ops::Range;

use crate::Isa;
use crate::geometry::PoolGeometry;
use crate::pixels::{Pixels, fit};

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

    fn fits(&self, x: &[i8], pixels: &Pixels, y: &[i8]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        self.check()
            && is(x.len(), self.geometry.inputs())
            && fit(pixels, self.geometry.pixels(), self.geometry.channels, y.len())
    }
}

/// Pools. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[i8], y: &mut [i8]) {
    run_pixels(isa, params, x, 0..params.geometry.pixels().unwrap_or(0), y);
}

/// Pools only these output pixels, numbered over `[N, OH, OW]`; `y` is their part of the output. The outputs do not depend
/// on how the pixels are cut. Operands of other lengths leave `y` as it is.
pub fn run_pixels(isa: Isa, params: &Params, x: &[i8], pixels: Range<u32>, y: &mut [i8]) {
    if params.fits(x, &pixels, y) && !run_fast(isa, params, x, &pixels, y) {
        portable::run(params, x, &pixels, y);
    }
}

/// Pools with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, x: &[i8], pixels: &Pixels, y: &mut [i8]) -> bool {
    avx512::run(isa, params, x, pixels, y)
        || avx2::run(isa, params, x, pixels, y)
        || sse41::run(isa, params, x, pixels, y)
}

/// Pools with NEON; false where there is none.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, params: &Params, x: &[i8], pixels: &Pixels, y: &mut [i8]) -> bool {
    neon::run(isa, params, x, pixels, y)
}

/// Pools with a variant for Cortex-M; false where the core has not its instructions.
#[cfg(all(target_arch = "arm", feature = "dsp"))]
fn run_fast(isa: Isa, params: &Params, x: &[i8], pixels: &Pixels, y: &mut [i8]) -> bool {
    dsp::run(isa, params, x, pixels, y)
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp"))))]
fn run_fast(_: Isa, _: &Params, _: &[i8], _: &Pixels, _: &mut [i8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, cuts, each_pool_tap, pixels, pools};

    #[test]
    fn every_variant_finds_the_greatest() {
        for (k, g) in pools().iter().enumerate() {
            let (mut samples, channels) = (Samples::new(k as u64), g.channels as usize);
            let x = samples.bytes(g.inputs().unwrap());
            for isa in Isa::available() {
                let mut y = std::vec![99; g.outputs().unwrap() as usize];
                run(isa, &Params { geometry: *g }, &x, &mut y);
                let mut parts = std::vec![98; y.len()];
                for pixels in cuts(g.pixels().unwrap()) {
                    let place = |pixel: u32| pixel as usize * channels;
                    let y = &mut parts[place(pixels.start)..place(pixels.end)];
                    run_pixels(isa, &Params { geometry: *g }, &x, pixels, y);
                }
                assert_eq!(parts, y, "in parts, {:?} {g:?}", isa.level());
                let mut outputs = y.iter();
                for place in pixels(g.batch, g.out_height, g.out_width) {
                    for c in 0..channels {
                        let mut want = i8::MIN;
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
            let mut y = [7; 24];
            run(isa, &params, &[1; 23], &mut y);
            run(isa, &params, &[1; 24], &mut y[1..]);
            assert_eq!(y, [7; 24]);
            run(isa, &params, &[1; 24], &mut y);
            assert_eq!(y, [1; 24]);
        }
    }
}
