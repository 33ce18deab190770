//! Lp pooling: `(Σ |x|^p)^(1/p)` over the taps inside the input; a window without any gives zero.
//!
//! x `[N, H, W, C]`, y `[N, OH, OW, C]`, f32. An output of `n` taps differs from the exact one by at most
//! `(n + 2) * 2^-24` of itself. For p of 1 and 2 the sums are f32, above they are f64.

mod portable;

use crate::Isa;
use crate::geometry::PoolGeometry;

/// What an Lp pooling is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The geometry.
    pub geometry: PoolGeometry,
    /// p, at least 1.
    pub p: u32,
}

impl Params {
    /// Whether geometry and p can be computed; with operands of the lengths that the geometry gives, nothing outside is
    /// reached.
    pub fn check(&self) -> bool {
        self.geometry.check() && self.p >= 1
    }

    fn fits(&self, x: &[f32], y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        self.check() && is(x.len(), self.geometry.inputs()) && is(y.len(), self.geometry.outputs())
    }
}

/// Pools. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(_isa: Isa, params: &Params, x: &[f32], y: &mut [f32]) {
    if params.fits(x, y) {
        portable::run(params, x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Samples, each_pool_tap, pixels, pools};

    fn battery(g: &PoolGeometry, seed: u64, p: u32) {
        let channels = g.channels as usize;
        let x = Samples::new(seed).floats(g.inputs().unwrap() as usize, -4.0, 4.0);
        for isa in Isa::available() {
            let mut y = std::vec![f32::NAN; g.outputs().unwrap() as usize];
            run(isa, &Params { geometry: *g, p }, &x, &mut y);
            let mut outputs = y.iter();
            for place in pixels(g.batch, g.out_height, g.out_width) {
                for c in 0..channels {
                    let (mut sum, mut n) = (0.0, 2.0);
                    each_pool_tap(g, place, |_, pixel| {
                        sum += f64::from(x[pixel * channels + c].abs()).powi(p as i32);
                        n += 1.0;
                    });
                    let want = f64::powf(sum, 1.0 / f64::from(p));
                    let (y, error) = (f64::from(*outputs.next().unwrap()), n * want / f64::from(1 << 24));
                    assert!((y - want).abs() <= error, "{:?} {place:?} {c}: {y} for {want}, {g:?}", isa.level());
                }
            }
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for (k, g) in pools().iter().enumerate() {
            (1..5).for_each(|p| battery(g, k as u64, p));
        }
    }

    #[test]
    fn bad_parameters_leave_the_output() {
        let params = Params { geometry: pools()[4], p: 2 };
        for isa in Isa::available() {
            let mut y = [7.0; 24];
            run(isa, &params, &[1.0; 23], &mut y);
            run(isa, &Params { p: 0, ..params }, &[1.0; 24], &mut y);
            assert_eq!(y, [7.0; 24]);
        }
    }
}
