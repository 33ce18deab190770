//! The vector variant of sums, differences, products and quotients of f32.
#![allow(unsafe_code)] // Loads and stores of vectors.

use super::operands::{Operand, each_row};
use super::{Element, Function, Params};
use crate::simd::{Body, Kernel, Simd};

/// A function of every two elements.
pub(super) struct Elements<'a, 'y> {
    pub(super) params: &'a Params,
    pub(super) a: Option<&'a [f32]>,
    pub(super) b: Option<&'a [f32]>,
    pub(super) y: &'y mut [f32],
}

/// Whether this variant knows the function, and rows are long enough for it.
pub(super) fn knows(params: &Params) -> bool {
    let function = matches!(params.function, Function::Add | Function::Sub | Function::Mul | Function::Div);
    function && params.broadcast.rows().len >= 4
}

impl Kernel for Elements<'_, '_> {
    fn run<S: Simd>(self, simd: S) {
        simd.enter(self);
    }
}

impl Body for Elements<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.params.function {
            Function::Add => self.each(
                s,
                #[inline(always)]
                |a, b| s.add(a, b),
            ),
            Function::Sub => self.each(
                s,
                #[inline(always)]
                |a, b| s.sub(a, b),
            ),
            Function::Mul => self.each(
                s,
                #[inline(always)]
                |a, b| s.mul(a, b),
            ),
            _ => self.each(
                s,
                #[inline(always)]
                |a, b| s.div(a, b),
            ),
        }
    }
}

impl Elements<'_, '_> {
    #[inline(always)]
    fn each<S: Simd>(self, s: S, f: impl Fn(S::F32, S::F32) -> S::F32) {
        let Self { params, a, b, y } = self;
        let (low, high) = (s.splat(params.low), s.splat(params.high));
        each_row(
            params,
            a,
            b,
            y,
            #[inline(always)]
            |a, b, y| {
                let mut k = 0;
                while k + S::LANES <= y.len() {
                    // SAFETY: so many elements of the row are left, and dense operands are as long.
                    let (a, b) = unsafe { (load(s, a, y, k), load(s, b, y, k)) };
                    let v = s.min(high, s.max(low, f(a, b)));
                    // SAFETY: as above.
                    unsafe { s.store(y.as_mut_ptr().add(k), v) };
                    k += S::LANES;
                }
                for (k, y) in y.iter_mut().enumerate().skip(k) {
                    *y = f32::compute(params, a.at(k, *y), b.at(k, *y));
                }
            },
        );
    }
}

/// A vector of an operand.
///
/// # Safety
/// A vector is left of `y` at `k`, and a dense operand is as long as `y`.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, operand: Operand<'_>, y: &[f32], k: usize) -> S::F32 {
    match operand {
        // SAFETY: the caller's promise.
        Operand::InPlace => unsafe { s.load(y.as_ptr().add(k)) },
        // SAFETY: the caller's promise.
        Operand::Dense(all) => unsafe { s.load(all.as_ptr().add(k)) },
        Operand::One(v) => s.splat(v),
    }
}
