//! Local response normalization: `y = x / (bias + alpha / size * Σ x²)^beta` over the `size` channels around each one,
//! `(size - 1) / 2` before it (rounded down) and the rest after it; channels last.
//!
//! An output differs from the exact one by at most `(size * beta + 8) * 2^-24` of itself where `bias`, `alpha` and `beta`
//! are not negative.

mod portable;

use crate::Isa;
use crate::walk::product;

/// What a normalization is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Pixels.
    pub pixels: u32,
    /// Channels.
    pub channels: u32,
    /// Channels in a window, at least 1.
    pub size: u32,
    /// alpha.
    pub alpha: f32,
    /// beta.
    pub beta: f32,
    /// bias.
    pub bias: f32,
}

impl Params {
    /// Elements of x and y; `None` where a size is zero or the product leaves `i32`.
    pub fn elements(&self) -> Option<u32> {
        product(&[self.pixels, self.channels]).filter(|&n| n > 0 && self.size >= 1)
    }
}

/// Normalizes. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(_isa: Isa, params: &Params, x: &[f32], y: &mut [f32]) {
    if params.elements().is_some_and(|n| n as usize == x.len() && n as usize == y.len()) {
        portable::run(params, x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

    fn battery(channels: u32, size: u32, beta: f32) {
        let params = Params { pixels: 5, channels, size, alpha: 0.3, beta, bias: 1.25 };
        let x = Samples::new(1).floats(params.elements().unwrap() as usize, -4.0, 4.0);
        for isa in Isa::available() {
            let mut y = std::vec![f32::NAN; x.len()];
            run(isa, &params, &x, &mut y);
            for (k, &y) in y.iter().enumerate() {
                let (pixel, c) = (k as i64 / i64::from(channels), k as i64 % i64::from(channels));
                let window = c - i64::from((size - 1) / 2)..=c + i64::from(size / 2);
                let inside = window.filter(|c| (0..i64::from(channels)).contains(c));
                let sum: f64 = inside.map(|c| f64::from(x[(pixel * i64::from(channels) + c) as usize]).powi(2)).sum();
                let base = f64::from(1.25f32) + f64::from(0.3f32) / f64::from(size) * sum;
                let want = f64::from(x[k]) / base.powf(f64::from(beta));
                let error = (f64::from(size) * f64::from(beta) + 8.0) * want.abs() / f64::from(1 << 24);
                assert!((f64::from(y) - want).abs() <= error, "{:?} {params:?} {k}: {y} for {want}", isa.level());
            }
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for channels in [1, 2, 5, 16, 33] {
            for size in [1, 2, 3, 5, 8, 40] {
                for beta in [0.75, 0.5, 1.0, 0.6] {
                    battery(channels, size, beta);
                }
            }
        }
    }

    #[test]
    fn bad_parameters_leave_the_output() {
        let params = Params { pixels: 2, channels: 3, size: 5, alpha: 1.0, beta: 0.75, bias: 1.0 };
        for isa in Isa::available() {
            let mut y = [7.0; 6];
            run(isa, &params, &[1.0; 5], &mut y);
            run(isa, &Params { size: 0, ..params }, &[1.0; 6], &mut y);
            run(isa, &Params { size: u32::MAX, channels: 0, ..params }, &[], &mut y);
            assert_eq!(y, [7.0; 6]);
            run(isa, &Params { size: u32::MAX, ..params }, &[1.0; 6], &mut y);
            assert!(y[0] > 0.9);
        }
    }
}
