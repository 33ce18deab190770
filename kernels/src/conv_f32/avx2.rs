//! AVX2: tiles of 6 pixels times 16 channels, 12 sums in registers; single pixels take 64 channels.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::tiles::{Job, Multiply, Sum};
use crate::{Isa, Level};

/// Proof of a CPU with AVX2 and FMA.
#[derive(Clone, Copy)]
struct Avx2(());

/// Convolves with weights in O16; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, job: &Job<'_>, y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx2 {
        return false;
    }
    let (v, mut block) = (Avx2(()), 0usize);
    // One pixel has no other to share weights with: it takes several blocks at once instead.
    let one = job.pixel_count() == 1;
    while let Some(left @ 1..) = job.blocks().checked_sub(block) {
        let done = match (left, one) {
            (4.., true) => job.strip::<1, 4>(v, block, y),
            (_, true) => job.strip::<1, 1>(v, block, y),
            (_, false) => job.strip::<6, 1>(v, block, y),
        };
        block = block.wrapping_add(done);
    }
    true
}

impl Multiply for Avx2 {
    fn multiply<const P: usize, const B: usize>(
        self,
        sums: &mut [[Sum; B]; P],
        x: &[&[f32]; P],
        weights: &[&[f32]; B],
        len: usize,
    ) {
        // SAFETY: a value of this type is only made in `run`, after the CPU has been asked.
        unsafe { multiply(sums, x, weights, len) }
    }
}

#[target_feature(enable = "avx2,fma")]
#[inline(never)] // On its own, every sum gets a register.
fn multiply<const P: usize, const B: usize>(
    sums: &mut [[Sum; B]; P],
    x: &[&[f32]; P],
    weights: &[&[f32]; B],
    len: usize,
) {
    if x.iter().any(|x| x.len() < len) || weights.iter().any(|w| w.len() < len.wrapping_mul(16)) {
        return;
    }
    let mut local = [[[_mm256_setzero_ps(); 2]; B]; P];
    // Nested loops, which are unrolled: an array that is indexed at run time would stay in memory.
    for (local, sums) in local.iter_mut().zip(&*sums) {
        for ([s0, s1], sum) in local.iter_mut().zip(sums) {
            // SAFETY: a sum holds 16 elements and is aligned.
            *s0 = unsafe { _mm256_load_ps(sum.0.as_ptr()) };
            // SAFETY: as above.
            *s1 = unsafe { _mm256_load_ps(sum.0.as_ptr().add(8)) };
        }
    }
    for k in 0..len {
        let mut w = [[_mm256_setzero_ps(); 2]; B];
        for ([w0, w1], weights) in w.iter_mut().zip(weights) {
            // SAFETY: the slice holds 16 * len elements, and k < len.
            *w0 = unsafe { _mm256_loadu_ps(weights.as_ptr().add(k * 16)) };
            // SAFETY: as above.
            *w1 = unsafe { _mm256_loadu_ps(weights.as_ptr().add(k * 16 + 8)) };
        }
        for (sums, x) in local.iter_mut().zip(x) {
            // SAFETY: the slice holds len elements, and k < len.
            let x = _mm256_set1_ps(unsafe { *x.get_unchecked(k) });
            for ([s0, s1], &[w0, w1]) in sums.iter_mut().zip(&w) {
                *s0 = _mm256_fmadd_ps(x, w0, *s0);
                *s1 = _mm256_fmadd_ps(x, w1, *s1);
            }
        }
    }
    for (local, sums) in local.iter().zip(sums) {
        for ([s0, s1], sum) in local.iter().zip(sums) {
            // SAFETY: a sum holds 16 elements and is aligned.
            unsafe { _mm256_store_ps(sum.0.as_mut_ptr(), *s0) };
            // SAFETY: as above.
            unsafe { _mm256_store_ps(sum.0.as_mut_ptr().add(8), *s1) };
        }
    }
}
