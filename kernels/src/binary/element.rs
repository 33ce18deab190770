//! What each element type computes.

use super::{Function, Params};
use crate::round::bound;
use crate::{Isa, Pod};

/// An element type of binary functions.
pub trait Element: Pod {
    /// `clamp(f(a, b))`.
    fn compute(params: &Params, a: Self, b: Self) -> Self;

    /// Computes everything with a fast variant for this instruction set; false where there is none for these parameters,
    /// and nothing was written. The lengths have been checked.
    fn run_fast(_isa: Isa, _params: &Params, _a: Option<&[Self]>, _b: Option<&[Self]>, _y: &mut [Self]) -> bool {
        false
    }
}

/// The smaller of two, a NaN before both.
fn min(a: f32, b: f32) -> f32 {
    if a < b || a.is_nan() { a } else { b }
}

/// The greater of two, a NaN before both.
fn max(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

impl Element for f32 {
    #[inline(always)]
    fn compute(params: &Params, a: f32, b: f32) -> f32 {
        let y = match params.function {
            Function::Add => a + b,
            Function::Sub => a - b,
            Function::Mul => a * b,
            Function::Div => a / b,
            Function::Pow => libm::powf(a, b),
            Function::Min => min(a, b),
            Function::Max => max(a, b),
            Function::PRelu if a < 0.0 => a * b,
            Function::PRelu => a,
        };
        bound(y, params.low, params.high)
    }

    #[cfg(target_arch = "x86_64")]
    fn run_fast(isa: Isa, params: &Params, a: Option<&[f32]>, b: Option<&[f32]>, y: &mut [f32]) -> bool {
        super::avx2::run(isa, params, a, b, y)
            || super::vector::knows(params) && crate::simd::run(isa, super::vector::Elements { params, a, b, y })
    }

    #[cfg(target_arch = "aarch64")]
    fn run_fast(isa: Isa, params: &Params, a: Option<&[f32]>, b: Option<&[f32]>, y: &mut [f32]) -> bool {
        super::vector::knows(params) && crate::simd::run(isa, super::vector::Elements { params, a, b, y })
    }
}

macro_rules! integer {
    ($type:ty) => {
        impl Element for $type {
            #[inline(always)]
            fn compute(params: &Params, a: $type, b: $type) -> $type {
                match params.function {
                    Function::Add => a.wrapping_add(b),
                    Function::Sub => a.wrapping_sub(b),
                    Function::Mul => a.wrapping_mul(b),
                    // The only quotient that overflows is that of the least number by -1, which wraps to itself.
                    Function::Div => a.checked_div(b).unwrap_or(if b == 0 { 0 } else { a }),
                    Function::Pow => power(i64::from(a), i64::from(b)) as $type,
                    Function::Min => {
                        if a < b {
                            a
                        } else {
                            b
                        }
                    }
                    Function::Max => {
                        if a > b {
                            a
                        } else {
                            b
                        }
                    }
                    Function::PRelu if a < 0 => a.wrapping_mul(b),
                    Function::PRelu => a,
                }
            }
        }
    };
}

integer!(i32);
integer!(i64);

/// `base ^ exponent`, wrapping; by a negative exponent the truncated quotient.
fn power(base: i64, exponent: i64) -> i64 {
    match (base, exponent) {
        (1, _) => 1,
        (-1, odd) if odd & 1 == 1 => -1,
        (-1, _) => 1,
        (_, ..=-1) => 0,
        _ => {
            let (mut result, mut square, mut rest) = (1i64, base, exponent);
            while rest > 0 {
                if rest & 1 == 1 {
                    result = result.wrapping_mul(square);
                }
                square = square.wrapping_mul(square);
                rest >>= 1;
            }
            result
        }
    }
}
