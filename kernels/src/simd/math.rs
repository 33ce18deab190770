//! Functions of the exponential in f32: `exp(x) = 2^n (1 + rest)`, `|rest| < 0.42`. A result of normal size is within 4
//! units in the last place; a subnormal one loses no more than its one rounding.

use super::Simd;

/// `n` and `exp(x) / 2^n - 1` for x of -120 to 120. The remainder of the series of degree 7 is below 2^-27 of its value.
#[inline(always)]
fn split<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    let n = s.round(s.mul(x, s.splat(core::f32::consts::LOG2_E)));
    // ln 2 in two parts, the first of which is exact times any n.
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut series = s.splat(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5] {
        series = s.fma(series, r, s.splat(coefficient));
    }
    (n, s.fma(s.mul(r, r), series, r))
}

/// `x` between `low` and `high`; a NaN stays.
#[inline(always)]
fn limit<S: Simd>(s: S, x: S::F32, low: f32, high: f32) -> S::F32 {
    s.min(s.splat(high), s.max(s.splat(low), x))
}

/// `1 + rest` and `n` of `exp(x) = 2^n (1 + rest)`, for an x of at most 120; less than -120 is -120.
#[inline(always)]
pub(super) fn parts<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    let (n, rest) = split(s, limit(s, x, -120.0, 120.0));
    (s.add(rest, s.splat(1.0)), n)
}

/// `y`, which is finite, or NaN where `x` is minus infinity, as a product of that with zero.
#[inline(always)]
pub(super) fn zero_times<S: Simd>(s: S, x: S::F32, y: S::F32) -> S::F32 {
    s.fma(s.where_negative(x, x, s.splat(0.0)), s.splat(0.0), y)
}

/// `|x|`.
#[inline(always)]
pub(crate) fn magnitude<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.where_negative(x, s.mul(x, s.splat(-1.0)), x)
}

/// The polynomial of these coefficients, the first of which belongs to the highest power.
#[inline(always)]
pub(super) fn polynomial<S: Simd, const N: usize>(s: S, x: S::F32, coefficients: [f32; N]) -> S::F32 {
    let mut sum = s.splat(0.0);
    for coefficient in coefficients {
        sum = s.fma(sum, x, s.splat(coefficient));
    }
    sum
}

/// `exp(x)`.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (n, rest) = split(s, limit(s, x, -120.0, 120.0));
    s.scale(s.add(rest, s.splat(1.0)), n)
}

/// `y / (1 + exp(-x))`, written with `e = exp(-|x|)` as `y e / (1 + e)` for negative x, where `e` is scaled last.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F32, y: S::F32) -> S::F32 {
    let one = s.splat(1.0);
    let magnitude = s.where_negative(x, x, s.mul(x, s.splat(-1.0)));
    let (n, rest) = split(s, limit(s, magnitude, -120.0, 0.0));
    let power = s.add(rest, one);
    if S::SCALES {
        let divisor = s.add(s.scale(power, n), one);
        let v = s.quotient(s.mul(s.where_negative(x, power, one), y), divisor);
        return s.scale(v, s.where_negative(x, n, s.splat(0.0)));
    }
    // `2^n` in two factors, the nearer of which is all that a sum with 1 sees.
    let near = s.max(s.splat(-126.0), n);
    let (near, far) = (s.power(near), s.power(s.sub(n, near)));
    let divisor = s.fma(power, near, one);
    let v = s.quotient(s.mul(s.where_negative(x, power, one), y), divisor);
    s.mul(s.mul(v, s.where_negative(x, far, one)), s.where_negative(x, near, one))
}

/// `x / (1 + exp(-x))`; as in f64, a NaN for minus infinity.
#[inline(always)]
pub(crate) fn silu<S: Simd>(s: S, x: S::F32) -> S::F32 {
    // Below -120 the result is zero already.
    zero_times(s, x, sigmoid(s, x, s.max(s.splat(-120.0), x)))
}

/// `x / (1 + exp(-2u))` with `u = √(2/π) (x + 0.044715 x³)`. The exponent is rounded, and the result by as much more.
#[inline(always)]
pub(crate) fn gelu_tanh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    const LINEAR: f32 = 1.595_769;
    const CUBIC: f32 = LINEAR * 0.044_715;
    let twice = s.mul(x, s.fma(s.mul(x, x), s.splat(CUBIC), s.splat(LINEAR)));
    // Below -20 the result is zero already.
    zero_times(s, x, sigmoid(s, twice, s.max(s.splat(-20.0), x)))
}

/// `x tanh(ln(1 + e))` with `e = exp(x)`: `x e (e + 2) / (e (e + 2) + 2)`, where the first `e` is scaled last.
#[inline(always)]
pub(crate) fn mish<S: Simd>(s: S, x: S::F32) -> S::F32 {
    // Above 20 the quotient is 1 already, below -120 it is zero.
    let (power, n) = parts(s, s.min(s.splat(20.0), x));
    let e = s.scale(power, n);
    let more = s.add(e, s.splat(2.0));
    let quotient = s.div(s.mul(power, more), s.fma(e, more, s.splat(2.0)));
    zero_times(s, x, s.scale(s.mul(s.max(s.splat(-120.0), x), quotient), n))
}

/// `alpha (exp(x) - 1)` for negative x, `beta x` for others.
#[inline(always)]
pub(crate) fn elu<S: Simd>(s: S, x: S::F32, alpha: S::F32, beta: S::F32) -> S::F32 {
    let (n, rest) = split(s, limit(s, x, -40.0, 0.0));
    let power = s.power(n);
    let e = s.fma(power, rest, s.add(power, s.splat(-1.0)));
    s.where_negative(x, s.mul(alpha, e), s.mul(beta, x))
}

/// `ln(1 + exp(x))`: the logarithm of `1 + e` for an `e` of 0 to 1 is an odd function of `e / (e + 2)`.
#[inline(always)]
pub(crate) fn softplus<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (power, n) = parts(s, s.mul(magnitude(s, x), s.splat(-1.0)));
    let e = s.scale(power, n);
    let z = s.div(e, s.add(e, s.splat(2.0)));
    // Within 2^-27 of its value up to z = 1/3.
    let series = polynomial(s, s.mul(z, z), [0.281_783_25, 0.279_606_04, 0.400_249_1, 0.666_663_2, 2.0]);
    s.fma(z, series, s.max(s.splat(0.0), x))
}

/// `x / (1 + |x|)`.
#[inline(always)]
pub(crate) fn softsign<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.div(x, s.add(magnitude(s, x), s.splat(1.0)))
}

/// `tanh(x) = e / (e + 2)` with `e = exp(2x) - 1`, which does not cancel near zero.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (n, rest) = split(s, limit(s, s.add(x, x), -40.0, 40.0));
    let power = s.power(n);
    let e = s.fma(power, rest, s.add(power, s.splat(-1.0)));
    s.quotient(e, s.add(e, s.splat(2.0)))
}
