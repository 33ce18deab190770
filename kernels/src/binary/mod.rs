//! Elementwise functions of two operands, with broadcasting: `y = clamp(f(a, b))`.
//!
//! f32, i32 and i64. Float results are those of the correctly rounded operation, powers stay within 1 unit in the last
//! place; a NaN operand gives a NaN. Integers wrap; every variant gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod element;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod operands;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

pub use element::Element;

use crate::Isa;
use crate::broadcast::Broadcast;

/// The functions; the numbers are those of plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Function {
    /// `a + b`.
    Add = 0,
    /// `a - b`.
    Sub = 1,
    /// `a * b`.
    Mul = 2,
    /// `a / b`; integers truncate, and x / 0 is 0.
    Div = 3,
    /// `a ^ b`; an integer to a negative power is the truncated quotient, 0 to one is 0.
    Pow = 4,
    /// The smaller; NaN wins.
    Min = 5,
    /// The greater; NaN wins.
    Max = 6,
    /// `a < 0 ? a * b : a`.
    PRelu = 7,
}

impl Function {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 8] =
        [Self::Add, Self::Sub, Self::Mul, Self::Div, Self::Pow, Self::Min, Self::Max, Self::PRelu];

    /// The function of this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// What to compute, and how the operands meet.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The function.
    pub function: Function,
    /// How the operands meet.
    pub broadcast: Broadcast,
    /// Least output (f32 only).
    pub low: f32,
    /// Greatest output (f32 only).
    pub high: f32,
}

/// Computes every element; an operand that is `None` is `y` itself. Operands of other lengths than the parameters give
/// leave `y` as it is.
pub fn run<T: Element>(isa: Isa, params: &Params, a: Option<&[T]>, b: Option<&[T]>, y: &mut [T]) {
    if params.broadcast.fits(a, b, y) && !T::run_fast(isa, params, a, b, y) {
        portable::run(params, a, b, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::tests::cases;
    use crate::samples::Samples;
    use crate::walk::Walk;
    use std::vec::Vec;

    fn params(function: Function, broadcast: Broadcast) -> Params {
        Params { function, broadcast, low: f32::NEG_INFINITY, high: f32::INFINITY }
    }

    /// Runs the operands apart and, where they can be, in place, and compares with the definition.
    fn battery<T: Element + PartialEq + core::fmt::Debug + Default>(
        p: &Params,
        a: &[T],
        b: &[T],
        close: impl Fn(T, T, T) -> bool,
    ) {
        let n = p.broadcast.outputs().unwrap() as usize;
        for isa in Isa::available() {
            let mut y = std::vec![T::default(); n];
            run(isa, p, Some(a), Some(b), &mut y);
            for (&y, [i, j]) in
                y.iter().zip(Walk::new(p.broadcast.sizes, [p.broadcast.a_strides, p.broadcast.b_strides]))
            {
                let (a, b) = (a[i as usize], b[j as usize]);
                assert!(close(a, b, y), "{:?} {:?}({a:?}, {b:?}) = {y:?}", isa.level(), p.function);
            }
            if p.broadcast.a_in_place() {
                let mut z = a.to_vec();
                run(isa, p, None, Some(b), &mut z);
                assert!(std::format!("{y:?}") == std::format!("{z:?}"), "{:?} {p:?}", isa.level());
            }
            if p.broadcast.b_in_place() {
                let mut z = b.to_vec();
                run(isa, p, Some(a), None, &mut z);
                assert!(std::format!("{y:?}") == std::format!("{z:?}"), "{:?} {p:?}", isa.level());
            }
        }
    }

    fn exact(function: Function, a: f64, b: f64) -> f64 {
        match function {
            Function::Add => a + b,
            Function::Sub => a - b,
            Function::Mul => a * b,
            Function::Div => a / b,
            Function::Pow => a.powf(b),
            Function::Min => {
                if a.is_nan() || b.is_nan() {
                    f64::NAN
                } else {
                    a.min(b)
                }
            }
            Function::Max => {
                if a.is_nan() || b.is_nan() {
                    f64::NAN
                } else {
                    a.max(b)
                }
            }
            Function::PRelu => {
                if a < 0.0 {
                    a * b
                } else {
                    a
                }
            }
        }
    }

    #[test]
    fn floats_follow_the_definition() {
        for (k, shapes) in cases().into_iter().enumerate() {
            for function in Function::ALL {
                for (low, high) in [(f32::NEG_INFINITY, f32::INFINITY), (0.0, 2.5)] {
                    let p = Params { low, high, ..params(function, shapes) };
                    let mut samples = Samples::new(k as u64);
                    let mut a = samples.floats(p.broadcast.a_len().unwrap() as usize, -4.0, 4.0);
                    let b = samples.floats(p.broadcast.b_len().unwrap() as usize, -4.0, 4.0);
                    if a.len() > 3 {
                        a[2] = f32::NAN;
                    }
                    battery(&p, &a, &b, |a, b, y| {
                        let want = exact(function, f64::from(a), f64::from(b));
                        let want = if want < f64::from(low) { f64::from(low) } else { want };
                        let want = if want > f64::from(high) { f64::from(high) } else { want };
                        let powers = if function == Function::Pow { 2.0 } else { 1.0 };
                        let error = powers * want.abs() / f64::from(1 << 24);
                        (y.is_nan() && want.is_nan()) || (f64::from(y) - want).abs() <= error
                    });
                }
            }
        }
    }

    fn integer(function: Function, a: i128, b: i128) -> i128 {
        match function {
            Function::Add => a + b,
            Function::Sub => a - b,
            Function::Mul => a * b,
            Function::Div => a.checked_div(b).unwrap_or(0),
            Function::Pow if b < 0 => {
                a.checked_pow(b.unsigned_abs() as u32).and_then(|n| 1i128.checked_div(n)).unwrap_or(0)
            }
            Function::Pow => (0..b).fold(1i128, |n, _| (n * a) as i64 as i128),
            Function::Min => a.min(b),
            Function::Max => a.max(b),
            Function::PRelu => {
                if a < 0 {
                    a * b
                } else {
                    a
                }
            }
        }
    }

    #[test]
    fn integers_follow_the_definition_and_wrap() {
        for (k, shapes) in cases().into_iter().enumerate() {
            for function in Function::ALL {
                let (p, mut samples) = (params(function, shapes), Samples::new(k as u64));
                let mut draw = |n: Option<u32>, pow: bool| -> Vec<i64> {
                    let extremes = [i64::MIN, i64::MAX, i64::from(i32::MIN), i64::from(i32::MAX), -1, 0, 1, 1 << 31];
                    let mut one = || match samples.below(3) {
                        0 if !pow => extremes[samples.below(8) as usize],
                        _ => i64::from(samples.below(21)) - 10,
                    };
                    (0..n.unwrap()).map(|_| one()).collect()
                };
                let pow = function == Function::Pow;
                let (a, b) = (draw(p.broadcast.a_len(), pow), draw(p.broadcast.b_len(), pow));
                battery(&p, &a, &b, |a, b, y| integer(function, a.into(), b.into()) as i64 == y);
                let narrow = |v: &[i64]| v.iter().map(|&v| v as i32).collect::<Vec<_>>();
                battery(&p, &narrow(&a), &narrow(&b), |a, b, y| integer(function, a.into(), b.into()) as i32 == y);
            }
        }
    }

    #[test]
    fn bad_operands_leave_the_output() {
        let p = params(Function::Add, cases()[4]);
        for isa in Isa::available() {
            let mut y = [7.0; 210];
            run(isa, &p, Some(&[1.0; 209]), Some(&[1.0; 7]), &mut y);
            run(isa, &p, Some(&[1.0; 210]), Some(&[1.0; 6]), &mut y);
            run(isa, &p, Some(&[1.0; 210]), None, &mut y);
            let empty = Broadcast { sizes: [0; 6], ..p.broadcast };
            run(isa, &Params { broadcast: empty, ..p }, None, Some(&[1.0; 7]), &mut y);
            assert_eq!(y, [7.0; 210]);
        }
        for (number, &function) in Function::ALL.iter().enumerate() {
            assert_eq!(Function::from_number(number as u32), Some(function));
        }
        assert_eq!(Function::from_number(8), None);
    }
}
