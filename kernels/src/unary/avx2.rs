//! AVX2: 8 elements at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{Function, Params};
use crate::{Isa, Level};

/// Computes what it has a vector form for, `x` being `y` itself where it is `None`; false elsewhere.
pub(super) fn run(isa: Isa, params: &Params, x: Option<&[f32]>, y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx2 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, x, y) }
}

#[target_feature(enable = "avx2,fma")]
fn all(p: &Params, x: Option<&[f32]>, y: &mut [f32]) -> bool {
    let alpha = _mm256_set1_ps(p.alpha);
    let zero = _mm256_setzero_ps();
    let sign = _mm256_set1_ps(-0.0);
    match p.function {
        Function::LeakyRelu => {
            each(x, y, |v| _mm256_blendv_ps(v, _mm256_mul_ps(alpha, v), _mm256_cmp_ps::<_CMP_LT_OQ>(v, zero)))
        }
        Function::HardSigmoid => {
            let (alpha, beta) = (_mm256_set1_pd(f64::from(p.alpha)), _mm256_set1_pd(f64::from(p.beta)));
            each(x, y, |v| {
                let v = halves(v, |v| _mm256_fmadd_pd(alpha, v, beta));
                // Of maximum and minimum the second operand is the result where one is a NaN.
                _mm256_min_ps(_mm256_set1_ps(1.0), _mm256_max_ps(zero, v))
            });
        }
        Function::Abs => each(x, y, |v| _mm256_andnot_ps(sign, v)),
        Function::Neg => each(x, y, |v| _mm256_xor_ps(sign, v)),
        Function::Sqrt => each(x, y, |v| _mm256_sqrt_ps(v)),
        Function::Floor => each(x, y, |v| _mm256_round_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(v)),
        Function::Ceil => each(x, y, |v| _mm256_round_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(v)),
        _ => return false,
    }
    true
}

/// Computes every 8 elements, the last ones in a buffer.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn each(x: Option<&[f32]>, y: &mut [f32], f: impl Fn(__m256) -> __m256) {
    let (body, tail) = y.as_chunks_mut::<8>();
    let (x_body, x_tail) = x.map(|x| x.as_chunks::<8>()).unzip();
    match x_body {
        Some(x) => body.iter_mut().zip(x).for_each(|(y, x)| store(y, f(load(x)))),
        None => body.iter_mut().for_each(|y| store(y, f(load(y)))),
    }
    let mut last = [0.0; 8];
    for (to, &from) in last.iter_mut().zip(x_tail.unwrap_or(&*tail)) {
        *to = from;
    }
    let v = f(load(&last));
    store(&mut last, v);
    for (to, &from) in tail.iter_mut().zip(&last) {
        *to = from;
    }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn load(from: &[f32; 8]) -> __m256 {
    // SAFETY: the array holds 8 elements.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn store(to: &mut [f32; 8], v: __m256) {
    // SAFETY: the array holds 8 elements.
    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), v) }
}

/// A function of f64 on both halves.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn halves(v: __m256, f: impl Fn(__m256d) -> __m256d) -> __m256 {
    let low = _mm256_cvtpd_ps(f(_mm256_cvtps_pd(_mm256_castps256_ps128(v))));
    let high = _mm256_cvtpd_ps(f(_mm256_cvtps_pd(_mm256_extractf128_ps::<1>(v))));
    _mm256_set_m128(high, low)
}
