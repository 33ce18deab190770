//! The transforms of inputs and sums along one axis, of tiles of two and of four.
//!
//! Those of four have the points 0, ±√½, ±√2 and infinity: odd parts are multiplied with the root of a point, even ones with
//! its square.

use core::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use crate::simd::Simd;

/// The transform of four or six inputs.
#[inline(always)]
pub(super) fn forward<S: Simd>(simd: S, inputs: &mut [S::F32]) {
    let add = |a, b| simd.add(a, b);
    let plus = |a, times: f32, b| simd.fma(b, simd.splat(times), a);
    match *inputs {
        [a, b, c, d] => inputs.copy_from_slice(&[simd.sub(a, c), add(b, c), simd.sub(c, b), simd.sub(b, d)]),
        [a, b, c, d, e, f] => {
            let (even, odd) = (plus(e, -2.0, c), plus(d, -2.0, b));
            let (outer_even, outer_odd) = (plus(e, -0.5, c), plus(d, -0.5, b));
            inputs.copy_from_slice(&[
                plus(add(a, e), -2.5, c),
                plus(even, FRAC_1_SQRT_2, odd),
                plus(even, -FRAC_1_SQRT_2, odd),
                plus(outer_even, SQRT_2, outer_odd),
                plus(outer_even, -SQRT_2, outer_odd),
                plus(add(b, f), -2.5, d),
            ]);
        }
        _ => {}
    }
}

/// The outputs of four or six sums, two or four, which come first.
#[inline(always)]
pub(super) fn backward<S: Simd>(simd: S, sums: &mut [S::F32]) {
    let (add, sub) = (|a, b| simd.add(a, b), |a, b| simd.sub(a, b));
    let times = |a, times: f32| simd.mul(a, simd.splat(times));
    let plus = |a, times: f32, b| simd.fma(b, simd.splat(times), a);
    match sums {
        [a, b, c, d] => (*a, *b) = (add(*a, add(*b, *c)), sub(sub(*b, *c), *d)),
        [a, b, c, d, e, f] => {
            let (even, odd) = (add(*b, *c), sub(*b, *c));
            let (outer_even, outer_odd) = (add(*d, *e), sub(*d, *e));
            *a = add(*a, add(even, outer_even));
            *b = plus(times(odd, FRAC_1_SQRT_2), SQRT_2, outer_odd);
            *c = plus(times(even, 0.5), 2.0, outer_even);
            *d = plus(plus(*f, FRAC_1_SQRT_2 / 2.0, odd), SQRT_2 * 2.0, outer_odd);
        }
        _ => {}
    }
}
