//! AVX2: rows of f32 along which every operand is dense or one number, 8 elements at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::operands::{Operand, each_row};
use super::{Element, Function, Params};
use crate::{Isa, Level};

/// Computes everything; false where the CPU has not the instruction set, or rows or function do not suit.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[f32]>, b: Option<&[f32]>, y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx2 || params.broadcast.rows().len < 8 || params.function == Function::Pow {
        return false;
    }
    each_row(params, a, b, y, |a, b, y| {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { row(params, a, b, y) };
    });
    true
}

#[target_feature(enable = "avx2,fma")]
fn row(p: &Params, a: Operand<'_>, b: Operand<'_>, y: &mut [f32]) {
    match p.function {
        Function::Add => each(p, a, b, y, |a, b| _mm256_add_ps(a, b)),
        Function::Sub => each(p, a, b, y, |a, b| _mm256_sub_ps(a, b)),
        Function::Mul => each(p, a, b, y, |a, b| _mm256_mul_ps(a, b)),
        Function::Div => each(p, a, b, y, |a, b| _mm256_div_ps(a, b)),
        // The second operand is the result where one is a NaN; a NaN in the first is put back.
        Function::Min => each(p, a, b, y, |a, b| keep_nan(a, _mm256_min_ps(a, b))),
        Function::Max => each(p, a, b, y, |a, b| keep_nan(a, _mm256_max_ps(a, b))),
        Function::PRelu => each(p, a, b, y, |a, b| {
            _mm256_blendv_ps(a, _mm256_mul_ps(a, b), _mm256_cmp_ps::<_CMP_LT_OQ>(a, _mm256_setzero_ps()))
        }),
        Function::Pow => {}
    }
}

/// `a` where it is a NaN, `y` elsewhere.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn keep_nan(a: __m256, y: __m256) -> __m256 {
    _mm256_blendv_ps(y, a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a))
}

/// Computes a row: 8 elements at a time, the last ones alone.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn each(p: &Params, a: Operand<'_>, b: Operand<'_>, y: &mut [f32], f: impl Fn(__m256, __m256) -> __m256) {
    let (low, high) = (_mm256_set1_ps(p.low), _mm256_set1_ps(p.high));
    let len = y.len();
    let mut k = 0;
    while k + 8 <= len {
        // SAFETY: k + 7 is an index of the row, and dense operands are as long.
        let (a, b) = unsafe { (load(a, y, k), load(b, y, k)) };
        let v = _mm256_min_ps(high, _mm256_max_ps(low, f(a, b)));
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(y.as_mut_ptr().add(k), v) };
        k += 8;
    }
    for (k, y) in y.iter_mut().enumerate().skip(k) {
        *y = f32::compute(p, a.at(k, *y), b.at(k, *y));
    }
}

/// Eight elements of an operand.
///
/// # Safety
/// `k + 7` is an index of `y`, and a dense operand is as long as `y`.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn load(operand: Operand<'_>, y: &[f32], k: usize) -> __m256 {
    match operand {
        // SAFETY: the caller's promise.
        Operand::InPlace => unsafe { _mm256_loadu_ps(y.as_ptr().add(k)) },
        // SAFETY: the caller's promise.
        Operand::Dense(all) => unsafe { _mm256_loadu_ps(all.as_ptr().add(k)) },
        Operand::One(v) => _mm256_set1_ps(v),
    }
}
