//! Functions of the normal distribution in f32. The coefficients are fits of our own, by least squares whose weights follow the
//! greatest relative error.

use super::Simd;
use super::math::{magnitude, parts, polynomial, zero_times};

/// `Φ(-a) exp(a² / 2)` for an `a` of 0 to 14.5, within 2^-23.9 of its value: a polynomial in `1 / (1 + 0.3 a)`.
#[inline(always)]
fn tail<S: Simd>(s: S, a: S::F32) -> S::F32 {
    const COEFFICIENTS: [f32; 9] = [
        0.038_407_613,
        -0.169_308_45,
        0.228_953_69,
        -0.076_841_65,
        0.142_766_5,
        0.094_585_4,
        0.121_945_37,
        0.119_484_19,
        7.372_979e-6,
    ];
    let one = s.splat(1.0);
    polynomial(s, s.div(one, s.fma(a, s.splat(0.3), one)), COEFFICIENTS)
}

/// `x Φ(x)`. The exponent `x² / 2` is rounded, and for negative x the result by as much more.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(s: S, x: S::F32) -> S::F32 {
    // Below -20 the result is zero already.
    let x_near = s.max(s.splat(-20.0), x);
    let a = magnitude(s, x_near);
    let (power, n) = parts(s, s.mul(s.mul(a, a), s.splat(-0.5)));
    let power = s.mul(power, tail(s, a));
    let rest = s.sub(s.splat(1.0), s.scale(power, n));
    let factor = s.where_negative(x, power, rest);
    zero_times(s, x, s.scale(s.mul(x_near, factor), s.where_negative(x, n, s.splat(0.0))))
}

/// `erf(x)`: a polynomial up to 1, `1 - 2 Φ(-√2 |x|)` with the sign of x from there on.
#[inline(always)]
pub(crate) fn erf<S: Simd>(s: S, x: S::F32) -> S::F32 {
    const COEFFICIENTS: [f32; 7] = [
        7.853_858e-5,
        -8.010_192_5e-4,
        5.188_327_8e-3,
        -0.026_853_81,
        0.112_835_85,
        -0.376_126_26,
        core::f32::consts::FRAC_2_SQRT_PI,
    ];
    let one = s.splat(1.0);
    let a = magnitude(s, x);
    let square = s.mul(a, a);
    let near = s.mul(a, polynomial(s, s.min(one, square), COEFFICIENTS));
    let (power, n) = parts(s, s.mul(square, s.splat(-1.0)));
    let twice = s.mul(s.mul(power, s.splat(2.0)), tail(s, s.mul(a, s.splat(core::f32::consts::SQRT_2))));
    let far = s.sub(one, s.scale(twice, n));
    let y = s.where_negative(s.sub(a, one), near, far);
    s.where_negative(x, s.mul(y, s.splat(-1.0)), y)
}
