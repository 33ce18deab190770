//! Elementwise functions of two operands, with broadcasting: `y = clamp(f(a, b))`.
//!
//! f32, i32 and i64. Float results are those of the correctly rounded operation, powers stay within 1 unit in the last
//! place; a NaN operand gives a NaN. Integers wrap; every variant gives the same bits.

mod element;
mod portable;

pub use element::Element;

use crate::Isa;
use crate::walk::{is_dense, product, reach};

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
    /// Sizes of the output, outermost first, the unused ones 1.
    pub sizes: [u32; 6],
    /// Distance in elements of the first operand between neighbours along every axis, 0 where it is broadcast.
    pub a_strides: [u32; 6],
    /// The same of the second operand.
    pub b_strides: [u32; 6],
    /// Least output (f32 only).
    pub low: f32,
    /// Greatest output (f32 only).
    pub high: f32,
}

impl Params {
    /// Elements of the output; `None` where a size is zero or the product leaves `i32`.
    pub fn outputs(&self) -> Option<u32> {
        product(&self.sizes).filter(|&n| n > 0)
    }

    /// Elements of the first operand: one past the farthest that is read.
    pub fn a_len(&self) -> Option<u32> {
        reach(&self.sizes, &self.a_strides)
    }

    /// Elements of the second operand.
    pub fn b_len(&self) -> Option<u32> {
        reach(&self.sizes, &self.b_strides)
    }

    /// Whether the first operand may be the output itself: it has the output's own strides.
    pub fn a_in_place(&self) -> bool {
        is_dense(&self.sizes, &self.a_strides)
    }

    /// Whether the second operand may be the output itself.
    pub fn b_in_place(&self) -> bool {
        is_dense(&self.sizes, &self.b_strides)
    }

    fn fits<T>(&self, a: Option<&[T]>, b: Option<&[T]>, y: &[T]) -> bool {
        let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
        is(y.len(), self.outputs())
            && a.map_or(self.a_in_place(), |a| is(a.len(), self.a_len()))
            && b.map_or(self.b_in_place(), |b| is(b.len(), self.b_len()))
    }
}

/// Computes every element; an operand that is `None` is `y` itself. Operands of other lengths than the parameters give
/// leave `y` as it is.
pub fn run<T: Element>(isa: Isa, params: &Params, a: Option<&[T]>, b: Option<&[T]>, y: &mut [T]) {
    if params.fits(a, b, y) && !T::run_fast(isa, params, a, b, y) {
        portable::run(params, a, b, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;
    use crate::walk::Walk;
    use std::vec::Vec;

    /// Shapes of a and b that broadcast to each other.
    const SHAPES: [([u32; 4], [u32; 4]); 12] = [
        ([1, 1, 1, 1], [1, 1, 1, 1]),
        ([1, 1, 1, 37], [1, 1, 1, 37]),
        ([2, 3, 5, 8], [2, 3, 5, 8]),
        ([2, 3, 5, 7], [1, 1, 1, 7]),
        ([1, 1, 1, 33], [2, 3, 1, 33]),
        ([2, 3, 5, 7], [1, 1, 1, 1]),
        ([1, 1, 1, 1], [4, 1, 1, 19]),
        ([2, 1, 5, 1], [1, 3, 1, 9]),
        ([2, 3, 1, 1], [2, 3, 4, 16]),
        ([3, 4, 17, 1], [3, 4, 17, 6]),
        ([3, 3, 3, 3], [3, 1, 3, 1]),
        ([1, 9, 1, 40], [1, 9, 1, 1]),
    ];

    fn strides(shape: [u32; 4], sizes: [u32; 6]) -> [u32; 6] {
        let (mut strides, mut distance) = ([0; 6], 1);
        for axis in (0..4).rev() {
            if shape[axis] == sizes[axis + 2] {
                strides[axis + 2] = distance;
            }
            distance *= shape[axis];
        }
        strides
    }

    fn params(function: Function, (a, b): ([u32; 4], [u32; 4])) -> Params {
        let mut sizes = [1; 6];
        (0..4).for_each(|axis| sizes[axis + 2] = a[axis].max(b[axis]));
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        Params { function, sizes, a_strides: strides(a, sizes), b_strides: strides(b, sizes), low, high }
    }

    /// Runs the operands apart and, where they can be, in place, and compares with the definition.
    fn battery<T: Element + PartialEq + core::fmt::Debug + Default>(
        p: &Params,
        a: &[T],
        b: &[T],
        close: impl Fn(T, T, T) -> bool,
    ) {
        let n = p.outputs().unwrap() as usize;
        for isa in Isa::available() {
            let mut y = std::vec![T::default(); n];
            run(isa, p, Some(a), Some(b), &mut y);
            for (&y, [i, j]) in y.iter().zip(Walk::new(p.sizes, [p.a_strides, p.b_strides])) {
                let (a, b) = (a[i as usize], b[j as usize]);
                assert!(close(a, b, y), "{:?} {:?}({a:?}, {b:?}) = {y:?}", isa.level(), p.function);
            }
            if p.a_in_place() {
                let mut z = a.to_vec();
                run(isa, p, None, Some(b), &mut z);
                assert!(std::format!("{y:?}") == std::format!("{z:?}"), "{:?} {p:?}", isa.level());
            }
            if p.b_in_place() {
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
        for (k, shapes) in SHAPES.into_iter().enumerate() {
            for function in Function::ALL {
                for (low, high) in [(f32::NEG_INFINITY, f32::INFINITY), (0.0, 2.5)] {
                    let p = Params { low, high, ..params(function, shapes) };
                    let mut samples = Samples::new(k as u64);
                    let mut a = samples.floats(p.a_len().unwrap() as usize, -4.0, 4.0);
                    let b = samples.floats(p.b_len().unwrap() as usize, -4.0, 4.0);
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
        for (k, shapes) in SHAPES.into_iter().enumerate() {
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
                let (a, b) = (draw(p.a_len(), pow), draw(p.b_len(), pow));
                battery(&p, &a, &b, |a, b, y| integer(function, a.into(), b.into()) as i64 == y);
                let narrow = |v: &[i64]| v.iter().map(|&v| v as i32).collect::<Vec<_>>();
                battery(&p, &narrow(&a), &narrow(&b), |a, b, y| integer(function, a.into(), b.into()) as i32 == y);
            }
        }
    }

    #[test]
    fn bad_operands_leave_the_output() {
        let p = params(Function::Add, ([2, 3, 5, 7], [1, 1, 1, 7]));
        for isa in Isa::available() {
            let mut y = [7.0; 210];
            run(isa, &p, Some(&[1.0; 209]), Some(&[1.0; 7]), &mut y);
            run(isa, &p, Some(&[1.0; 210]), Some(&[1.0; 6]), &mut y);
            run(isa, &p, Some(&[1.0; 210]), None, &mut y);
            run(isa, &Params { sizes: [0; 6], ..p }, None, Some(&[1.0; 7]), &mut y);
            assert_eq!(y, [7.0; 210]);
        }
        for (number, &function) in Function::ALL.iter().enumerate() {
            assert_eq!(Function::from_number(number as u32), Some(function));
        }
        assert_eq!(Function::from_number(8), None);
    }
}
