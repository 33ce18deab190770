//! AVX-512 VNNI: 64 outputs of up to 4 rows at a time. A single row has two sums for every output, so that none waits for
//! the one before it.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{BLOCK, Matrix, Row, Sink, Sums, blocks};
use crate::{Isa, Level};

/// Computes every block; false where the CPU has not the instruction set.
pub(super) fn run<const R: usize>(
    isa: Isa,
    m: &Matrix<'_>,
    rows: &[Row<'_>; R],
    backwards: bool,
    sink: &mut impl Sink<R>,
) -> bool {
    if isa.level() != Level::Avx512Vnni || rows.iter().any(|row| row.levels.len() != m.shape.row_bytes()) {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(m, rows, backwards, sink) };
    true
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn all<const R: usize>(m: &Matrix<'_>, rows: &[Row<'_>; R], backwards: bool, sink: &mut impl Sink<R>) {
    for (first, weights) in blocks(m, backwards) {
        let mut sums = [[0; BLOCK]; R];
        match (m.shape.columns() - first) / 16 {
            1 => block::<R, 1>(weights, rows, &mut sums),
            2 => block::<R, 2>(weights, rows, &mut sums),
            3 => block::<R, 3>(weights, rows, &mut sums),
            _ => block::<R, 4>(weights, rows, &mut sums),
        }
        sink.take(first, &sums);
    }
}

/// `B` vectors of 16 outputs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn block<const R: usize, const B: usize>(weights: &[i8], rows: &[Row<'_>; R], sums: &mut [Sums; R]) {
    let fours = weights.len() / (64 * B);
    let mut even = [[_mm512_setzero_si512(); B]; R];
    let mut odd = [[_mm512_setzero_si512(); B]; R];
    let add = |to: &mut [[__m512i; B]; R], k: usize| {
        for b in 0..B {
            // SAFETY: group k is one of the `fours` groups of B * 64 bytes.
            let w = unsafe { _mm512_loadu_si512(weights.as_ptr().add((k * B + b) * 64).cast()) };
            for (to, row) in to.iter_mut().zip(rows) {
                // SAFETY: every row holds as many fours as the weights (the caller has seen to it).
                let x = unsafe { row.levels.as_ptr().add(4 * k).cast::<i32>().read_unaligned() };
                if let Some(to) = to.get_mut(b) {
                    *to = _mm512_dpbusd_epi32(*to, _mm512_set1_epi32(x), w);
                }
            }
        }
    };
    let mut k = 0;
    while R == 1 && k + 2 <= fours {
        add(&mut even, k);
        add(&mut odd, k + 1);
        k += 2;
    }
    while k < fours {
        add(&mut even, k);
        k += 1;
    }
    for ((sums, even), odd) in sums.iter_mut().zip(even).zip(odd) {
        for ((to, even), odd) in sums.as_chunks_mut::<16>().0.iter_mut().zip(even).zip(odd) {
            // SAFETY: the array holds 16 elements.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_add_epi32(even, odd)) };
        }
    }
}
