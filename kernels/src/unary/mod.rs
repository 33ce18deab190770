//! Elementwise functions of one float: `y = f(x)`.
//!
//! Every variant stays within 2 units in the last place of the function computed in f64 (the exact functions are exact);
//! those of the exponential and of the normal distribution, which are computed in f32 where there are vectors, within 6, `Gelu`
//! and `GeluTanh` within 8: they round their exponent too, so that for negative x it is 3 more for each unit of that.
//! A NaN gives a NaN.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use crate::Isa;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::simd;

/// The functions; the numbers are those of plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Function {
    /// `max(x, 0)`.
    Relu = 0,
    /// `x < 0 ? alpha * x : x`.
    LeakyRelu = 1,
    /// `min(max(x, alpha), beta)`.
    Clip = 2,
    /// `1 / (1 + exp(-x))`.
    Sigmoid = 3,
    /// `tanh(x)`.
    Tanh = 4,
    /// `x * clamp(x / 6 + 0.5, 0, 1)`.
    HardSwish = 5,
    /// `clamp(alpha * x + beta, 0, 1)`.
    HardSigmoid = 6,
    /// `sqrt(x)`.
    Sqrt = 7,
    /// `exp(x)`.
    Exp = 8,
    /// `ln(x)`.
    Log = 9,
    /// `|x|`.
    Abs = 10,
    /// `-x`.
    Neg = 11,
    /// -1, 0 or 1.
    Sign = 12,
    /// `1 / x`.
    Reciprocal = 13,
    /// `x < 0 ? alpha * (exp(x) - 1) : x`.
    Elu = 14,
    /// `ln(1 + exp(x))`.
    Softplus = 15,
    /// `erf(x)`.
    Erf = 16,
    /// Largest integer not above `x`.
    Floor = 17,
    /// Smallest integer not below `x`.
    Ceil = 18,
    /// Nearest integer, half to even.
    Round = 19,
    /// `x * sigmoid(x)`.
    Silu = 20,
    /// Sine of radians.
    Sin = 21,
    /// Cosine of radians.
    Cos = 22,
    /// `x * Φ(x)` with the normal distribution's `Φ`.
    Gelu = 23,
    /// `x * sigmoid(2u)` with `u = √(2/π) * (x + 0.044715 x³)`, which is `x * (1 + tanh(u)) / 2`.
    GeluTanh = 24,
    /// `x * tanh(ln(1 + exp(x)))`.
    Mish = 25,
    /// `x < 0 ? beta * alpha * (exp(x) - 1) : beta * x`.
    Selu = 26,
    /// `x / (1 + |x|)`.
    Softsign = 27,
    /// `alpha * x + beta`.
    Affine = 28,
    /// `x >= alpha ? x : 0`.
    ThresholdedRelu = 29,
    /// `alpha * tanh(beta * x)`.
    ScaledTanh = 30,
}

impl Function {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 31] = [
        Self::Relu,
        Self::LeakyRelu,
        Self::Clip,
        Self::Sigmoid,
        Self::Tanh,
        Self::HardSwish,
        Self::HardSigmoid,
        Self::Sqrt,
        Self::Exp,
        Self::Log,
        Self::Abs,
        Self::Neg,
        Self::Sign,
        Self::Reciprocal,
        Self::Elu,
        Self::Softplus,
        Self::Erf,
        Self::Floor,
        Self::Ceil,
        Self::Round,
        Self::Silu,
        Self::Sin,
        Self::Cos,
        Self::Gelu,
        Self::GeluTanh,
        Self::Mish,
        Self::Selu,
        Self::Softsign,
        Self::Affine,
        Self::ThresholdedRelu,
        Self::ScaledTanh,
    ];

    /// The function of this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// What to compute.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The function.
    pub function: Function,
    /// First parameter.
    pub alpha: f32,
    /// Second parameter.
    pub beta: f32,
}

impl Params {
    /// A function without parameters.
    pub const fn of(function: Function) -> Self {
        Self { function, alpha: 0.0, beta: 0.0 }
    }
}

/// Computes every element. `x` and `y` have the same length; a shorter one ends the work.
pub fn run(isa: Isa, params: &Params, x: &[f32], y: &mut [f32]) {
    let len = x.len().min(y.len());
    if let (Some(x), Some(y)) = (x.get(..len), y.get_mut(..len))
        && !run_fast(isa, params, Some(x), y)
    {
        portable::run(params, x, y);
    }
}

/// Computes every element in place.
pub fn run_in_place(isa: Isa, params: &Params, y: &mut [f32]) {
    if !run_fast(isa, params, None, y) {
        portable::run_in_place(params, y);
    }
}

/// Computes with a vector variant, `x` being `y` itself where it is `None`; false where there is none.
#[cfg(target_arch = "x86_64")]
fn run_fast(isa: Isa, params: &Params, x: Option<&[f32]>, y: &mut [f32]) -> bool {
    if vector::knows(params.function) {
        return simd::run(isa, vector::Elements { params, x, y });
    }
    avx2::run(isa, params, x, y)
}

/// Computes some functions with NEON; false for others.
#[cfg(target_arch = "aarch64")]
fn run_fast(isa: Isa, params: &Params, x: Option<&[f32]>, y: &mut [f32]) -> bool {
    vector::knows(params.function) && simd::run(isa, vector::Elements { params, x, y })
}

/// No vector variant for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run_fast(_: Isa, _: &Params, _: Option<&[f32]>, _: &mut [f32]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;
    use std::vec::Vec;

    /// The function in f64; `None` where it has a branch that f64 shares with f32 to the bit.
    fn exact(p: &Params, x: f32) -> f64 {
        let (x, alpha, beta) = (f64::from(x), f64::from(p.alpha), f64::from(p.beta));
        let clamp = |v: f64, low: f64, high: f64| {
            if v < low {
                low
            } else if v > high {
                high
            } else {
                v
            }
        };
        match p.function {
            Function::Relu => clamp(x, 0.0, f64::INFINITY),
            Function::LeakyRelu => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Function::Clip => clamp(x, alpha, beta),
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Function::Tanh => x.tanh(),
            Function::HardSwish => x * clamp(x + 3.0, 0.0, 6.0) / 6.0,
            Function::HardSigmoid => clamp(alpha * x + beta, 0.0, 1.0),
            Function::Sqrt => x.sqrt(),
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
            Function::Abs => x.abs(),
            Function::Neg => -x,
            Function::Sign => {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            }
            Function::Reciprocal => 1.0 / x,
            Function::Elu => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Function::Softplus => clamp(x, 0.0, f64::INFINITY) + (-x.abs()).exp().ln_1p(),
            Function::Erf => libm::erf(x),
            Function::Floor => x.floor(),
            Function::Ceil => x.ceil(),
            Function::Round => x.round_ties_even(),
            Function::Silu => x / (1.0 + (-x).exp()),
            Function::Sin => x.sin(),
            Function::Cos => x.cos(),
            Function::Gelu => 0.5 * x * libm::erfc(-x / 2f64.sqrt()),
            Function::GeluTanh => {
                let u = (2.0 / core::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                x / (1.0 + (-2.0 * u).exp())
            }
            Function::Mish => x * (clamp(x, 0.0, f64::INFINITY) + (-x.abs()).exp().ln_1p()).tanh(),
            Function::Selu => {
                if x < 0.0 {
                    beta * alpha * x.exp_m1()
                } else {
                    beta * x
                }
            }
            Function::Softsign => x / (1.0 + x.abs()),
            Function::Affine => alpha * x + beta,
            Function::ThresholdedRelu => {
                if x >= alpha || x.is_nan() {
                    x
                } else {
                    0.0
                }
            }
            Function::ScaledTanh => alpha * (beta * x).tanh(),
        }
    }

    /// Distance in units in the last place of `want` as f32.
    fn ulps(y: f32, want: f64) -> f64 {
        let rounded = want as f32;
        if y == rounded || (y.is_nan() && want.is_nan()) {
            return 0.0;
        }
        let unit = f64::from(f32::from_bits(rounded.abs().to_bits().max(1 << 23) + 1))
            - f64::from(f32::from_bits(rounded.abs().to_bits().max(1 << 23)));
        (f64::from(y) - want).abs() / unit
    }

    /// The most units in the last place that a function of x may be off.
    fn bound(function: Function, x: f32) -> f64 {
        use Function::{Elu, Erf, Exp, Gelu, GeluTanh, Mish, Selu, Sigmoid, Silu, Softplus, Softsign, Tanh};
        let negative = if x < 0.0 { f64::from(x).max(-20.0) } else { 0.0 };
        match function {
            Sigmoid | Tanh | Silu | Exp | Elu | Selu | Erf | Mish | Softplus | Softsign => 6.0,
            Gelu => 8.0 + 1.5 * negative * negative,
            GeluTanh => 8.0 + 3.0 * (1.6 * negative + 0.0714 * negative * negative * negative).abs(),
            _ => 2.0,
        }
    }

    /// Every exponent and sign, with the values that matter to some function.
    fn inputs() -> Vec<f32> {
        let mut x: Vec<f32> = (0..=u32::MAX / 39_989).map(|k| f32::from_bits(k * 39_989)).collect();
        let special =
            [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -2.5, 3.0, -3.0, 1e-45, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        x.extend(special);
        let mut samples = Samples::new(3);
        x.extend(samples.floats(20_000, -1.0, 1.0));
        x.extend(samples.floats(20_000, -10.0, 10.0));
        x.extend(samples.floats(20_000, -110.0, 110.0));
        x
    }

    #[test]
    fn every_variant_stays_within_its_bound() {
        let x = inputs();
        for (number, &function) in Function::ALL.iter().enumerate() {
            assert_eq!(Function::from_number(number as u32), Some(function));
            assert_eq!(function as usize, number);
            let (alpha, beta) = if function == Function::Clip { (-0.75, 6.0) } else { (0.2, 0.5) };
            let params = Params { function, alpha, beta };
            for isa in Isa::available() {
                let mut y = std::vec![7.0; x.len()];
                run(isa, &params, &x, &mut y);
                let mut z = x.clone();
                run_in_place(isa, &params, &mut z);
                for ((&x, &y), &z) in x.iter().zip(&y).zip(&z) {
                    let want = exact(&params, x);
                    let error = ulps(y, want);
                    let bound = bound(function, x);
                    assert!(error <= bound, "{:?} {function:?}({x:e}) = {y:e} for {want:e}: {error} ulp", isa.level());
                    assert_eq!(y.is_nan(), want.is_nan(), "{function:?}({x:e})");
                    assert_eq!(y.to_bits(), z.to_bits(), "{function:?}({x:e})");
                }
            }
        }
        assert_eq!(Function::from_number(31), None);
    }

    #[test]
    fn every_length_is_finished_and_no_more() {
        let params = Params { function: Function::Neg, alpha: 0.0, beta: 0.0 };
        for isa in Isa::available() {
            for n in 0..70 {
                let x: Vec<f32> = (0..n).map(|k| k as f32 + 1.0).collect();
                let mut y = std::vec![7.0; n + 1];
                run(isa, &params, &x, &mut y[..n]);
                assert!(y.iter().zip(&x).all(|(&y, &x)| y == -x) && y[n] == 7.0);
            }
        }
    }
}
