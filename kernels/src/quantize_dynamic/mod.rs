//! Float to unsigned bytes with the scale and zero point of their own range (ONNX DynamicQuantizeLinear-11).
//!
//! The range always holds 0: `scale = (high - low) / 255`, 1 where all is zero; `zero_point = clamp(rne(-low / scale))`;
//! `y = clamp(rne(x / scale) + zero_point)`. A NaN does not widen the range and becomes the zero point. Every variant
//! gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse41;

use crate::round::{clamp, round_even};
use crate::{Isa, quantize, view_mut};

/// Scale and zero point of unsigned bytes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quantization {
    /// Real value of one step.
    pub scale: f32,
    /// The byte that stands for zero.
    pub zero_point: u8,
}

impl Quantization {
    /// That of the range of `x`.
    pub fn of(isa: Isa, x: &[f32]) -> Self {
        let (low, high) = range(isa, x);
        let scale = if high > low { (high - low) / 255.0 } else { 1.0 };
        Self { scale, zero_point: round_even(clamp(-low / scale, 0.0, 255.0)) as u8 }
    }

    /// Quantizes `x` into `y`, of one length. Other lengths leave `y` as it is.
    pub fn apply(&self, isa: Isa, x: &[f32], y: &mut [u8]) {
        // As int8 with everything 128 lower, which is the top bit flipped.
        let zero_point = i32::from(self.zero_point).wrapping_sub(128);
        if x.len() != y.len() {
            return;
        }
        if let Some(y) = view_mut::<i8>(y) {
            quantize::run(isa, &quantize::Params { scale: self.scale, zero_point }, x, y);
        }
        for y in y {
            *y ^= 0x80;
        }
    }
}

/// Quantizes `x` into `y`. Other lengths leave `y` as it is.
pub fn run(isa: Isa, x: &[f32], y: &mut [u8]) -> Quantization {
    let quantization = Quantization::of(isa, x);
    quantization.apply(isa, x, y);
    quantization
}

/// The least and the greatest of `x` and 0.
#[cfg(target_arch = "x86_64")]
fn range(isa: Isa, x: &[f32]) -> (f32, f32) {
    avx2::range(isa, x).or_else(|| sse41::range(isa, x)).unwrap_or_else(|| portable::range(x))
}

/// No vector variant for this architecture.
#[cfg(not(target_arch = "x86_64"))]
fn range(_: Isa, x: &[f32]) -> (f32, f32) {
    portable::range(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;
    use std::vec::Vec;

    fn exact(x: &[f32]) -> (f32, u8, Vec<u8>) {
        let (low, high) = x.iter().fold((0f32, 0f32), |(low, high), &v| (low.min(v), high.max(v)));
        let scale = if high > low { (high - low) / 255.0 } else { 1.0 };
        let zero = (-low / scale).clamp(0.0, 255.0).round_ties_even() as u8;
        let level = |&v: &f32| {
            let v = v / scale;
            let v = if v.is_nan() { 0.0 } else { v };
            (v.round_ties_even() + f32::from(zero)).clamp(0.0, 255.0) as u8
        };
        (scale, zero, x.iter().map(level).collect())
    }

    #[test]
    fn every_variant_follows_the_definition() {
        for n in [0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 100, 513] {
            for (low, high) in [(-1.0, 1.0), (0.0, 3.0), (-5.0, 0.0), (2.0, 2.5), (-4.0, -3.0), (0.0, 0.0)] {
                let mut x = Samples::new(n as u64).floats(n, low, high);
                if n > 20 {
                    x[3] = f32::NAN;
                }
                let (scale, zero_point, want) = exact(&x);
                for isa in Isa::available() {
                    let mut y = std::vec![9; n];
                    assert_eq!(run(isa, &x, &mut y), Quantization { scale, zero_point }, "{:?} {n}", isa.level());
                    assert_eq!(y, want, "{:?} {n} {low} {high}", isa.level());
                }
            }
        }
    }

    #[test]
    fn another_length_leaves_the_output() {
        for isa in Isa::available() {
            let mut y = [7; 3];
            run(isa, &[1.0, 2.0], &mut y);
            assert_eq!(y, [7; 3]);
            let found = run(isa, &[f32::INFINITY, f32::NEG_INFINITY, 1.0], &mut y);
            assert_eq!(found, run(Isa::PORTABLE, &[f32::INFINITY, f32::NEG_INFINITY, 1.0], &mut y));
        }
    }
}
