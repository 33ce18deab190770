//! Float to int8: `y = clamp(rne(x / scale), -128 - zero_point, 127 - zero_point) + zero_point`.
//!
//! The division is a division (not a product with the reciprocal), a NaN becomes the zero point. Every variant gives the
//! same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse41;

use crate::Isa;
use crate::round::is_i8;

/// Scale and zero point of the int8 values.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Real value of one step.
    pub scale: f32,
    /// The int8 that stands for zero.
    pub zero_point: i32,
}

impl Params {
    /// Whether the zero point is an int8.
    pub fn check(&self) -> bool {
        is_i8(self.zero_point)
    }
}

/// Quantizes `x` into `y`, of one length. Other lengths leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[f32], y: &mut [i8]) {
    if params.check() && x.len() == y.len() && !run_fast(isa, params, x, y) {
        portable::run(params, x, y);
    }
}

/// Quantizes with a vector variant; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, x: &[f32], y: &mut [i8]) -> bool {
    avx2::run(isa, params, x, y) || sse41::run(isa, params, x, y)
}

/// No vector variant for this architecture.
#[cfg(not(target_arch = "x86_64"))]
fn run_fast(_: Isa, _: &Params, _: &[f32], _: &mut [i8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

    fn exact(p: &Params, x: f32) -> i8 {
        let v = f64::from(x / p.scale);
        let v = if v.is_nan() { 0.0 } else { v };
        (v.max(f64::from(-128 - p.zero_point)).min(f64::from(127 - p.zero_point)).round_ties_even() as i32
            + p.zero_point) as i8
    }

    #[test]
    fn every_variant_follows_the_definition() {
        let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e38, -1e38, f32::MIN_POSITIVE, 1e-45];
        for (k, len) in [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 64, 200, 1000].into_iter().enumerate() {
            for (scale, zero_point) in [(0.1, 0), (0.037, -128), (1.5, 127), (1e-3, 5), (0.5, -1), (0.0, 3)] {
                let p = Params { scale, zero_point };
                let mut x = Samples::new(k as u64).floats(len, -150.0 * scale, 150.0 * scale);
                for (place, v) in x.iter_mut().enumerate() {
                    match place % 3 {
                        // Exact halves.
                        0 => *v = (*v / scale).round() * scale + 0.5 * scale,
                        1 if place % 5 == 1 => *v = special[place % special.len()],
                        _ => {}
                    }
                }
                for isa in Isa::available() {
                    let mut y = std::vec![99; len];
                    run(isa, &p, &x, &mut y);
                    for (&x, &y) in x.iter().zip(&y) {
                        assert_eq!(y, exact(&p, x), "{:?} {x} {p:?}", isa.level());
                    }
                }
            }
        }
    }

    #[test]
    fn other_lengths_leave_the_output() {
        for isa in Isa::available() {
            let mut y = [7; 4];
            run(isa, &Params { scale: 1.0, zero_point: 0 }, &[1.0; 3], &mut y);
            run(isa, &Params { scale: 1.0, zero_point: 128 }, &[1.0; 4], &mut y);
            assert_eq!(y, [7; 4]);
        }
    }
}
