//! Reductions: output element `i` combines `x[Σ i[k] * kept_strides[k] + Σ j[k] * reduced_strides[k]]` over all `j`.
//!
//! Sums of `n` terms differ from the exact ones by at most `(n + 2) * 2^-24 * Σ |term|`, products by `n * 2^-24` of
//! themselves; the greatest and the least are exact, and a NaN wins.

mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use crate::Isa;
use crate::walk::{product, reach};

/// What a reduction computes; the numbers are those of plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Function {
    /// `Σ x`.
    Sum = 0,
    /// `Σ x / n`.
    Mean = 1,
    /// The greatest.
    Max = 2,
    /// The least.
    Min = 3,
    /// `√Σ x²`.
    L2 = 4,
    /// `Σ |x|`.
    L1 = 5,
    /// `Π x`.
    Prod = 6,
    /// `Σ x²`.
    SumSquare = 7,
}

impl Function {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 8] =
        [Self::Sum, Self::Mean, Self::Max, Self::Min, Self::L2, Self::L1, Self::Prod, Self::SumSquare];

    /// The function of this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// What a reduction is told.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The function.
    pub function: Function,
    /// Sizes that stay, outermost first, the unused ones 1.
    pub kept: [u32; 6],
    /// Their strides in x.
    pub kept_strides: [u32; 6],
    /// Sizes that are reduced, the unused ones 1.
    pub reduced: [u32; 6],
    /// Their strides in x.
    pub reduced_strides: [u32; 6],
}

impl Params {
    /// Elements of x: one past the farthest that is read. `None` where a size is zero or something leaves `i32`.
    pub fn inputs(&self) -> Option<u32> {
        product(&self.reduced)?;
        let kept = reach(&self.kept, &self.kept_strides)?;
        let reduced = reach(&self.reduced, &self.reduced_strides)?;
        kept.checked_add(reduced)?.checked_sub(1).filter(|&n| n <= i32::MAX as u32)
    }

    /// Elements of y.
    pub fn outputs(&self) -> Option<u32> {
        product(&self.kept).filter(|&n| n > 0)
    }

    fn fits(&self, x: &[f32], y: &[f32]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        is(x.len(), self.inputs()) && is(y.len(), self.outputs())
    }
}

/// Reduces. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[f32], y: &mut [f32]) {
    if params.fits(x, y) && !run_fast(isa, params, x, y) {
        portable::run(params, x, y);
    }
}

/// Reduces with the vector variant; false where there is none.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn run_fast(isa: Isa, params: &Params, x: &[f32], y: &mut [f32]) -> bool {
    vector::suits(params) && crate::simd::run(isa, vector::Sums { params, x, y })
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_fast(_: Isa, _: &Params, _: &[f32], _: &mut [f32]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;
    use crate::walk::Walk;
    use std::vec::Vec;

    /// Sizes of x and which axes are reduced.
    const CASES: [([u32; 4], [bool; 4]); 11] = [
        ([2, 3, 2, 77], [false, false, false, true]),
        ([1, 5, 3, 131], [false, true, true, false]),
        ([2, 3, 2, 67], [true, false, true, true]),
        ([1, 1, 1, 1], [false, false, false, true]),
        ([2, 3, 4, 5], [false, true, true, false]),
        ([2, 3, 4, 5], [true, false, false, true]),
        ([1, 7, 7, 33], [false, true, true, false]),
        ([3, 1, 1, 100], [false, false, false, true]),
        ([4, 4, 4, 4], [true, true, true, true]),
        ([2, 3, 4, 5], [false, false, false, false]),
        ([1, 3, 3, 3], [false, false, true, false]),
    ];

    fn params(function: Function, sizes: [u32; 4], axes: [bool; 4]) -> Params {
        let mut p = Params { function, kept: [1; 6], kept_strides: [0; 6], reduced: [1; 6], reduced_strides: [0; 6] };
        let mut stride = 1;
        for axis in (0..4).rev() {
            let (size, strides) = if axes[axis] {
                (&mut p.reduced[axis + 2], &mut p.reduced_strides)
            } else {
                (&mut p.kept[axis + 2], &mut p.kept_strides)
            };
            *size = sizes[axis];
            strides[axis + 2] = stride;
            stride *= sizes[axis];
        }
        p
    }

    fn exact(function: Function, line: &[f64]) -> (f64, f64) {
        let n = line.len() as f64;
        let unit = 1.0 / f64::from(1 << 24);
        let sum: f64 = line.iter().sum();
        let sizes: f64 = line.iter().map(|x| x.abs()).sum();
        let squares: f64 = line.iter().map(|x| x * x).sum();
        match function {
            Function::Sum => (sum, (n + 2.0) * unit * sizes),
            Function::Mean => (sum / n, (n + 2.0) * unit * sizes / n),
            Function::Max => (line.iter().copied().fold(f64::MIN, f64::max), 0.0),
            Function::Min => (line.iter().copied().fold(f64::MAX, f64::min), 0.0),
            Function::L2 => (squares.sqrt(), (n + 2.0) * unit * squares.sqrt()),
            Function::L1 => (sizes, (n + 2.0) * unit * sizes),
            Function::Prod => {
                let product: f64 = line.iter().product();
                (product, n * unit * product.abs() + 1e-37)
            }
            Function::SumSquare => (squares, (n + 2.0) * unit * squares),
        }
    }

    #[test]
    fn every_variant_stays_within_the_bound() {
        for (k, (sizes, axes)) in CASES.into_iter().enumerate() {
            for function in Function::ALL {
                let p = params(function, sizes, axes);
                let x = Samples::new(k as u64).floats(p.inputs().unwrap() as usize, -2.0, 2.0);
                assert_eq!(x.len() as u32, sizes.iter().product::<u32>());
                for isa in Isa::available() {
                    let mut y = std::vec![f32::NAN; p.outputs().unwrap() as usize];
                    run(isa, &p, &x, &mut y);
                    for (&y, [kept]) in y.iter().zip(Walk::new(p.kept, [p.kept_strides])) {
                        let line: Vec<f64> = Walk::new(p.reduced, [p.reduced_strides])
                            .map(|[reduced]| f64::from(x[(kept + reduced) as usize]))
                            .collect();
                        let (want, error) = exact(function, &line);
                        assert!((f64::from(y) - want).abs() <= error, "{:?} {p:?}: {y} for {want}", isa.level());
                    }
                }
            }
        }
    }

    #[test]
    fn a_nan_wins() {
        for isa in Isa::available() {
            for function in Function::ALL {
                let p = params(function, [1, 1, 1, 3], [false, false, false, true]);
                for x in [[f32::NAN, 1.0, 2.0], [1.0, f32::NAN, 2.0], [1.0, 2.0, f32::NAN]] {
                    let mut y = [0.0];
                    run(isa, &p, &x, &mut y);
                    assert!(y[0].is_nan(), "{function:?}");
                }
            }
        }
    }

    #[test]
    fn bad_parameters_leave_the_output() {
        let p = params(Function::Sum, [2, 3, 4, 5], [false, true, true, false]);
        for isa in Isa::available() {
            let mut y = [7.0; 10];
            run(isa, &p, &[0.0; 119], &mut y);
            run(isa, &Params { reduced: [0; 6], ..p }, &[0.0; 120], &mut y);
            run(isa, &Params { kept: [1 << 16; 6], ..p }, &[0.0; 120], &mut y);
            run(isa, &Params { reduced_strides: [u32::MAX; 6], ..p }, &[0.0; 120], &mut y);
            assert_eq!(y, [7.0; 10]);
        }
        for (number, &function) in Function::ALL.iter().enumerate() {
            assert_eq!(Function::from_number(number as u32), Some(function));
        }
        assert_eq!(Function::from_number(8), None);
    }
}
