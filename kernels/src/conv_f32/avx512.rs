//! AVX-512: tiles of 6 pixels times 64 channels, 24 sums in registers; narrower ones for fewer channels or pixels.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::tiles::{Job, Multiply, Sum};
use crate::{Isa, Level};

/// Proof of a CPU with AVX-512.
#[derive(Clone, Copy)]
struct Avx512(());

/// Convolves with weights in O16; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, job: &Job<'_>, y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx512Vnni {
        return false;
    }
    let (v, mut block) = (Avx512(()), 0usize);
    // One pixel has no other to share weights with: it takes no more registers than it needs.
    let one = job.pixel_count() == 1;
    while let Some(left @ 1..) = job.blocks().checked_sub(block) {
        let done = match (left, one) {
            (1, true) => job.strip::<1, 1>(v, block, y),
            (1, false) => job.strip::<8, 1>(v, block, y),
            (2 | 3, true) => job.strip::<1, 2>(v, block, y),
            (2 | 3, false) => job.strip::<6, 2>(v, block, y),
            (_, true) => job.strip::<1, 4>(v, block, y),
            (_, false) => job.strip::<6, 4>(v, block, y),
        };
        block = block.wrapping_add(done);
    }
    true
}

impl Multiply for Avx512 {
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

#[target_feature(enable = "avx512f")]
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
    let mut local = [[_mm512_setzero_ps(); B]; P];
    // Nested loops, which are unrolled: an array that is indexed at run time would stay in memory.
    for (local, sums) in local.iter_mut().zip(&*sums) {
        for (local, sum) in local.iter_mut().zip(sums) {
            // SAFETY: a sum holds 16 elements and is aligned.
            *local = unsafe { _mm512_load_ps(sum.0.as_ptr()) };
        }
    }
    for k in 0..len {
        let mut w = [_mm512_setzero_ps(); B];
        for (w, weights) in w.iter_mut().zip(weights) {
            // SAFETY: the slice holds 16 * len elements, and k < len.
            *w = unsafe { _mm512_loadu_ps(weights.as_ptr().add(k * 16)) };
        }
        for (sums, x) in local.iter_mut().zip(x) {
            // SAFETY: the slice holds len elements, and k < len.
            let x = _mm512_set1_ps(unsafe { *x.get_unchecked(k) });
            for (sum, &w) in sums.iter_mut().zip(&w) {
                *sum = _mm512_fmadd_ps(x, w, *sum);
            }
        }
    }
    for (local, sums) in local.iter().zip(sums) {
        for (local, sum) in local.iter().zip(sums) {
            // SAFETY: a sum holds 16 elements and is aligned.
            unsafe { _mm512_store_ps(sum.0.as_mut_ptr(), *local) };
        }
    }
}
