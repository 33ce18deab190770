//! AVX2: 16 outputs of a row at a time. The bytes of x are taken apart into `2 * high + low` with `high` below 128, so that
//! no sum of two products leaves 16 bits.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{BLOCK, Matrix, Row, Sink, blocks};
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
            for (k, to) in sums.as_chunks_mut::<16>().0.iter_mut().enumerate().take(outputs / 16) {
                sixteen(weights, outputs, 16 * k, row.levels, to);
            }
        }
        sink.take(first, &sums);
    }
}

/// The outputs from `at` on of a block of `outputs`.
#[target_feature(enable = "avx2")]
#[inline]
fn sixteen(weights: &[i8], outputs: usize, at: usize, levels: &[u8], to: &mut [i32; 16]) {
    let (ones, twos) = (_mm256_set1_epi16(1), _mm256_set1_epi16(2));
    let mut sums = [_mm256_setzero_si256(); 2];
    let groups = weights.len() / (4 * outputs);
    for (k, x) in levels.as_chunks::<4>().0.iter().enumerate().take(groups) {
        let x = _mm256_set1_epi32(i32::from_le_bytes(*x));
        let high = _mm256_and_si256(_mm256_srli_epi16::<1>(x), _mm256_set1_epi8(0x7F));
        let low = _mm256_and_si256(x, _mm256_set1_epi8(1));
        for (half, sum) in sums.iter_mut().enumerate() {
            // SAFETY: group k holds `outputs` fours, of which these 8 lie within the 16 from `at` on.
            let w = unsafe { _mm256_loadu_si256(weights.as_ptr().add(4 * (k * outputs + at + 8 * half)).cast()) };
            let (high, low) = (_mm256_maddubs_epi16(high, w), _mm256_maddubs_epi16(low, w));
            let both = _mm256_add_epi32(_mm256_madd_epi16(high, twos), _mm256_madd_epi16(low, ones));
            *sum = _mm256_add_epi32(*sum, both);
        }
    }
    for (to, sum) in to.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
        // SAFETY: the array holds 8 elements.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), sum) };
    }
}
