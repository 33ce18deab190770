//! AVX2: rows of f32 along which every operand is dense or one number, 8 elements at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{Element, Function, Params};
use crate::rows::rows_mut;
use crate::walk::Walk;
use crate::{Isa, Level};

/// An operand along a row.
#[derive(Clone, Copy)]
enum Operand<'a> {
    /// The output itself.
    InPlace,
    /// As long as the row.
    Dense(&'a [f32]),
    /// The same number everywhere.
    One(f32),
}

/// Computes everything; false where the CPU has not the instruction set, or rows or function do not suit.
pub(super) fn run(isa: Isa, params: &Params, a: Option<&[f32]>, b: Option<&[f32]>, y: &mut [f32]) -> bool {
    let rows = params.broadcast.rows();
    let len = rows.len as usize;
    if isa.level() < Level::Avx2 || len < 8 || params.function == Function::Pow {
        return false;
    }
    let outer = &rows.outer;
    let starts = Walk::new(outer.sizes, [outer.a_strides, outer.b_strides]);
    for (y, [i, j]) in rows_mut(y, len).zip(starts) {
        let (Some(a), Some(b)) = (operand(a, i, rows.a_step, len), operand(b, j, rows.b_step, len)) else { break };
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { row(params, a, b, y) };
    }
    true
}

fn operand(all: Option<&[f32]>, start: u32, step: u32, len: usize) -> Option<Operand<'_>> {
    let (Some(all), start) = (all, start as usize) else { return Some(Operand::InPlace) };
    if step == 0 {
        return Some(Operand::One(*all.get(start)?));
    }
    Some(Operand::Dense(all.get(start..start.wrapping_add(len))?))
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
        let at = |operand| match operand {
            Operand::InPlace => *y,
            Operand::Dense(all) => all.get(k).copied().unwrap_or(0.0),
            Operand::One(v) => v,
        };
        *y = f32::compute(p, at(a), at(b));
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
