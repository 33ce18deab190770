//! The vector variant of sums: where the innermost reduced axis is dense, vectors of its terms; where the innermost kept one is,
//! vectors of outputs.
#![allow(unsafe_code)] // Loads and stores of vectors.

use super::{Function, Params};
use crate::rows::rows_mut;
use crate::simd::{Body, Kernel, Simd, math};
use crate::walk::{Walk, product};

/// Vectors that are added side by side.
const WIDE: usize = 4;
/// Elements of a dense axis that are worth vectors.
const SOME: u32 = 8;

/// Whether this variant computes a reduction.
pub(super) fn suits(params: &Params) -> bool {
    use Function::{L1, L2, Mean, Sum, SumSquare};
    let dense = |sizes: &[u32; 6], strides: &[u32; 6]| {
        sizes.last().is_some_and(|&size| size >= SOME) && strides.last() == Some(&1)
    };
    let known = matches!(params.function, Sum | Mean | L1 | L2 | SumSquare);
    known && (dense(&params.reduced, &params.reduced_strides) || dense(&params.kept, &params.kept_strides))
}

/// A reduction that [`suits`], whose operands fit.
pub(super) struct Sums<'a> {
    pub(super) params: &'a Params,
    pub(super) x: &'a [f32],
    pub(super) y: &'a mut [f32],
}

impl Kernel for Sums<'_> {
    fn run<S: Simd>(self, simd: S) {
        simd.enter(self);
    }
}

impl Body for Sums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.params.function {
            Function::L1 => self.all(
                s,
                #[inline(always)]
                |sum, v| s.add(sum, math::magnitude(s, v)),
            ),
            Function::L2 | Function::SumSquare => self.all(
                s,
                #[inline(always)]
                |sum, v| s.fma(v, v, sum),
            ),
            _ => self.all(
                s,
                #[inline(always)]
                |sum, v| s.add(sum, v),
            ),
        }
    }
}

/// The same sizes with 1 for the innermost, and that.
fn split(sizes: [u32; 6]) -> ([u32; 6], usize) {
    let [a, b, c, d, e, last] = sizes;
    ([a, b, c, d, e, 1], last as usize)
}

impl Sums<'_> {
    /// All outputs; `add` adds what becomes of terms to sums.
    #[inline(always)]
    fn all<S: Simd>(self, s: S, add: impl Fn(S::F32, S::F32) -> S::F32) {
        let Self { params, x, y } = self;
        let terms = product(&params.reduced).unwrap_or(1) as f32;
        let function = params.function;
        let whole = |sum: f32| match function {
            Function::Mean => sum / terms,
            Function::L2 => libm::sqrtf(sum),
            _ => sum,
        };
        let ((reduced, run), (kept, row)) = (split(params.reduced), split(params.kept));
        let dense = run >= SOME as usize && params.reduced_strides.last() == Some(&1);
        if dense {
            let firsts = Walk::new(params.kept, [params.kept_strides]);
            for (y, [first]) in y.iter_mut().zip(firsts) {
                let mut sums = [s.splat(0.0); WIDE];
                for [start] in Walk::new(reduced, [params.reduced_strides]) {
                    let start = first.wrapping_add(start) as usize;
                    add_run(s, x.get(start..start.wrapping_add(run)).unwrap_or_default(), &mut sums, &add);
                }
                let [a, b, c, d] = sums;
                *y = whole(s.sum(s.add(s.add(a, b), s.add(c, d))));
            }
            return;
        }
        let firsts = Walk::new(kept, [params.kept_strides]);
        for (y, [first]) in rows_mut(y, row).zip(firsts) {
            for (part, y) in y.chunks_mut(WIDE.wrapping_mul(S::LANES)).enumerate() {
                let first = (first as usize).wrapping_add(part.wrapping_mul(WIDE.wrapping_mul(S::LANES)));
                let mut sums = [s.splat(0.0); WIDE];
                for [start] in Walk::new(params.reduced, [params.reduced_strides]) {
                    let start = first.wrapping_add(start as usize);
                    let terms = x.get(start..start.wrapping_add(y.len())).unwrap_or_default();
                    add_run(s, terms, &mut sums, &add);
                }
                for (y, sum) in y.chunks_mut(S::LANES).zip(sums) {
                    // SAFETY: as many lanes are stored as there are outputs.
                    unsafe { s.store_first(y.as_mut_ptr(), y.len(), sum) };
                    y.iter_mut().for_each(|y| *y = whole(*y));
                }
            }
        }
    }
}

/// Adds the terms of a run, each vector to the next of the sums.
#[inline(always)]
fn add_run<S: Simd, const N: usize>(
    s: S,
    terms: &[f32],
    sums: &mut [S::F32; N],
    add: &impl Fn(S::F32, S::F32) -> S::F32,
) {
    let mut wide = terms.chunks_exact(N.wrapping_mul(S::LANES));
    for terms in &mut wide {
        for (terms, sum) in terms.chunks_exact(S::LANES).zip(sums.iter_mut()) {
            // SAFETY: a chunk is a vector.
            *sum = add(*sum, unsafe { s.load(terms.as_ptr()) });
        }
    }
    for (terms, sum) in wide.remainder().chunks(S::LANES).zip(sums) {
        // SAFETY: as many are loaded as there are; zeros add nothing.
        *sum = add(*sum, unsafe { s.load_first(terms.as_ptr(), terms.len()) });
    }
}
