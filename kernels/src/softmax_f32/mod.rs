//! Softmax over the middle axis of `[outer, axis, inner]`: `exp(x - max) / Σ exp(x - max)`, or its logarithm.
//!
//! An output of an axis of `n` differs from the exact one by at most `(n + 6) * 2^-24` of itself, a logarithm by
//! `(n + 6) * 2^-24 + 2^-22 * |x - max|`.

mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use crate::Isa;
use crate::walk::product;

/// What a softmax is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Product of the sizes before the axis.
    pub outer: u32,
    /// Size of the axis.
    pub axis: u32,
    /// Product of the sizes after the axis.
    pub inner: u32,
    /// Whether the logarithm is wanted.
    pub logarithm: bool,
}

impl Params {
    /// Elements of input and output; `None` where a size is zero or the product leaves `i32`.
    pub fn elements(&self) -> Option<u32> {
        product(&[self.outer, self.axis, self.inner]).filter(|&n| n > 0)
    }
}

/// Computes `y` from `x`. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[f32], y: &mut [f32]) {
    if x.len() != y.len() || params.elements().is_none_or(|n| n as usize != y.len()) {
        return;
    }
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x;
    }
    run_in_place(isa, params, y);
}

/// Computes in place.
pub fn run_in_place(isa: Isa, params: &Params, y: &mut [f32]) {
    if params.elements().is_none_or(|n| n as usize != y.len()) {
        return;
    }
    if !run_fast(isa, params, y) {
        portable::run(params, y);
    }
}

/// Computes with the vector variant; false where there are no vectors.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn run_fast(isa: Isa, params: &Params, y: &mut [f32]) -> bool {
    crate::simd::run(isa, vector::Softmax { params, y })
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_fast(_: Isa, _: &Params, _: &mut [f32]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

    const SIZES: [[u32; 3]; 11] = [
        [1, 1, 1],
        [3, 10, 1],
        [1, 1000, 1],
        [2, 7, 5],
        [1, 3, 3],
        [4, 16, 16],
        [5, 17, 1],
        [2, 33, 9],
        [1, 2, 40],
        [2, 64, 1],
        [2, 131, 1],
    ];

    fn battery([outer, axis, inner]: [u32; 3], size: f32, logarithm: bool) {
        let params = Params { outer, axis, inner, logarithm };
        let x = Samples::new(5).floats(params.elements().unwrap() as usize, -size, size);
        for isa in Isa::available() {
            let mut y = std::vec![f32::NAN; x.len()];
            run(isa, &params, &x, &mut y);
            let mut z = x.clone();
            run_in_place(isa, &params, &mut z);
            assert_eq!(y, z);
            for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
                let at = |k: u32| ((o * axis + k) * inner + i) as usize;
                let max = (0..axis).map(|k| x[at(k)]).fold(f32::NEG_INFINITY, f32::max);
                let shifted = |k| f64::from(x[at(k)]) - f64::from(max);
                let sum: f64 = (0..axis).map(|k| shifted(k).exp()).sum();
                for k in 0..axis {
                    let unit = f64::from(axis + 6) / f64::from(1 << 24);
                    let (want, error) = if logarithm {
                        (shifted(k) - sum.ln(), unit + shifted(k).abs() / f64::from(1 << 22))
                    } else {
                        // Below the smallest normal number an error is one of absolute size; the difference x - max
                        // is itself rounded.
                        let want = shifted(k).exp() / sum;
                        (want, want * (unit + shifted(k).abs() / f64::from(1 << 24)) + 1e-37)
                    };
                    let y = f64::from(y[at(k)]);
                    assert!((y - want).abs() <= error, "{:?} {params:?} {k}: {y} for {want}", isa.level());
                }
            }
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for sizes in SIZES {
            for size in [1.0, 30.0, 1e4] {
                battery(sizes, size, false);
                battery(sizes, size, true);
            }
        }
    }

    #[test]
    fn large_numbers_do_not_overflow() {
        for isa in Isa::available() {
            let mut y = [3e38, -3e38, 3e38, f32::NEG_INFINITY];
            run_in_place(isa, &Params { outer: 1, axis: 4, inner: 1, logarithm: false }, &mut y);
            assert_eq!(y, [0.5, 0.0, 0.5, 0.0]);
        }
    }

    #[test]
    fn wrong_lengths_leave_the_output() {
        for isa in Isa::available() {
            let mut y = [7.0; 6];
            run(isa, &Params { outer: 1, axis: 4, inner: 1, logarithm: false }, &[0.0; 6], &mut y);
            run(isa, &Params { outer: 1, axis: 0, inner: 6, logarithm: false }, &[0.0; 6], &mut y);
            run(isa, &Params { outer: 1, axis: 6, inner: 1, logarithm: false }, &[0.0; 5], &mut y);
            assert_eq!(y, [7.0; 6]);
        }
    }
}
