//! AVX2: 32 outputs of a row at a time. The bytes of x are taken apart into `2 * high + low` with `high` below 128, so that
//! no sum of two products leaves 16 bits; those with `low` are so small that 127 of them are added in 16 bits.
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
    if isa.level() < Level::Avx2 || rows.iter().any(|row| row.levels.len() != m.shape.row_bytes()) {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(m, rows, backwards, sink) };
    true
}

#[target_feature(enable = "avx2")]
fn all<const R: usize>(m: &Matrix<'_>, rows: &[Row<'_>; R], backwards: bool, sink: &mut impl Sink<R>) {
    for (first, weights) in blocks(m, backwards) {
        let outputs = (m.shape.columns() - first).min(BLOCK);
        let mut sums = [[0; BLOCK]; R];
        for (row, sums) in rows.iter().zip(&mut sums) {
            let mut at = 0;
            while at + 32 <= outputs {
                some::<4>(weights, outputs, at, row.levels, sums);
                at += 32;
            }
            if at < outputs {
                some::<2>(weights, outputs, at, row.levels, sums);
            }
        }
        sink.take(first, &sums);
    }
}

/// Groups of four inputs between two flushes of the 16-bit sums, each of which a group changes by 256 at most.
const GROUPS: usize = 127;

/// The `8 * V` outputs from `at` on of a block of `outputs`.
#[target_feature(enable = "avx2")]
#[inline]
fn some<const V: usize>(weights: &[i8], outputs: usize, at: usize, levels: &[u8], to: &mut Sums) {
    let (ones, twos) = (_mm256_set1_epi16(1), _mm256_set1_epi16(2));
    let mut sums = [_mm256_setzero_si256(); V];
    let mut group = weights.as_ptr().wrapping_add(4 * at);
    for levels in levels.as_chunks::<4>().0.chunks(GROUPS) {
        let mut lows = [_mm256_setzero_si256(); V];
        for x in levels {
            let x = _mm256_set1_epi32(i32::from_le_bytes(*x));
            let high = _mm256_and_si256(_mm256_srli_epi16::<1>(x), _mm256_set1_epi8(0x7F));
            let low = _mm256_and_si256(x, _mm256_set1_epi8(1));
            for (v, (sum, small)) in sums.iter_mut().zip(&mut lows).enumerate() {
                // SAFETY: there are as many groups of `outputs` fours as fours of x (the caller has seen to it), and
                // these 8 lie within the group.
                let w = unsafe { _mm256_loadu_si256(group.wrapping_add(32 * v).cast()) };
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(_mm256_maddubs_epi16(high, w), twos));
                *small = _mm256_add_epi16(*small, _mm256_maddubs_epi16(low, w));
            }
            group = group.wrapping_add(4 * outputs);
        }
        for (sum, small) in sums.iter_mut().zip(lows) {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(small, ones));
        }
    }
    for (to, sum) in to.as_chunks_mut::<8>().0.iter_mut().skip(at / 8).zip(sums) {
        // SAFETY: the array holds 8 elements.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), sum) };
    }
}
