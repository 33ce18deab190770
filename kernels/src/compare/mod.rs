//! Comparisons and logic of two operands, with broadcasting: `y = f(a, b)`, a byte 0 or 1.
//!
//! A NaN equals nothing and has no order. Logic takes any element but zero for true. Every variant gives the same bits.

mod portable;

use crate::broadcast::Broadcast;
use crate::{Isa, Pod};

/// The functions; the numbers are those of plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Function {
    /// `a == b`.
    Equal = 0,
    /// `a != b`.
    NotEqual = 1,
    /// `a < b`.
    Less = 2,
    /// `a <= b`.
    LessOrEqual = 3,
    /// Both are true.
    And = 4,
    /// At least one is true.
    Or = 5,
    /// Just one is true.
    Xor = 6,
}

impl Function {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 7] =
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::And, Self::Or, Self::Xor];

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
}

/// An element type of comparisons.
pub trait Element: Pod + PartialOrd {
    /// What counts as false.
    const ZERO: Self;
}

macro_rules! elements {
    ($($type:ty = $zero:literal),*) => { $(impl Element for $type { const ZERO: Self = $zero; })* };
}

elements!(f32 = 0.0, i8 = 0, u8 = 0, i32 = 0, i64 = 0);

/// Computes every element. Operands of other lengths than the parameters give leave `y` as it is.
pub fn run<T: Element>(_isa: Isa, params: &Params, a: &[T], b: &[T], y: &mut [u8]) {
    let is = |len: usize, n: Option<u32>| n.is_some_and(|n| n as usize == len);
    let shapes = &params.broadcast;
    if is(y.len(), shapes.outputs()) && is(a.len(), shapes.a_len()) && is(b.len(), shapes.b_len()) {
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

    fn exact<T: Element>(function: Function, a: T, b: T) -> bool {
        let (p, q) = (a != T::ZERO, b != T::ZERO);
        match function {
            Function::Equal => a == b,
            Function::NotEqual => a != b,
            Function::Less => a < b,
            Function::LessOrEqual => a <= b,
            Function::And => p && q,
            Function::Or => p || q,
            Function::Xor => p != q,
        }
    }

    fn battery<T: Element + core::fmt::Debug>(broadcast: Broadcast, mut draw: impl FnMut() -> T) {
        let a: Vec<T> = (0..broadcast.a_len().unwrap()).map(|_| draw()).collect();
        let b: Vec<T> = (0..broadcast.b_len().unwrap()).map(|_| draw()).collect();
        for function in Function::ALL {
            for isa in Isa::available() {
                let mut y = std::vec![9; broadcast.outputs().unwrap() as usize];
                run(isa, &Params { function, broadcast }, &a, &b, &mut y);
                let walk = Walk::new(broadcast.sizes, [broadcast.a_strides, broadcast.b_strides]);
                for (&y, [i, j]) in y.iter().zip(walk) {
                    let (a, b) = (a[i as usize], b[j as usize]);
                    assert_eq!(y, u8::from(exact(function, a, b)), "{:?} {function:?}({a:?}, {b:?})", isa.level());
                }
            }
        }
    }

    #[test]
    fn every_variant_follows_the_definition() {
        for (k, shapes) in cases().into_iter().enumerate() {
            let mut samples = Samples::new(k as u64);
            let floats = [f32::NAN, f32::INFINITY, 0.0, -0.0, 1.0, -1.5];
            battery(shapes, || floats[samples.below(6) as usize]);
            battery(shapes, || samples.below(3) as i8 - 1);
            battery(shapes, || samples.below(3) as u8);
            battery(shapes, || samples.below(3) as i32 - 1);
            battery(shapes, || i64::MIN + i64::from(samples.below(2)));
        }
    }

    #[test]
    fn bad_operands_leave_the_output() {
        let p = Params { function: Function::Equal, broadcast: cases()[4] };
        for isa in Isa::available() {
            let mut y = [7; 210];
            run(isa, &p, &[1; 209], &[1; 7], &mut y);
            run(isa, &p, &[1; 210], &[1; 6], &mut y);
            run(isa, &p, &[1; 210], &[1; 7], &mut y[..209]);
            assert_eq!(y, [7; 210]);
        }
        for (number, &function) in Function::ALL.iter().enumerate() {
            assert_eq!(Function::from_number(number as u32), Some(function));
        }
        assert_eq!(Function::from_number(7), None);
    }
}
