//! AVX2: eight vectors of sums at a time. The instruction multiplies unsigned by signed bytes and adds two products in 16
//! bits, with saturation. So x is moved to -128..127, and where it is negative all bits of a weight are turned:
//! `x * w = |x| * !w + |x|` there, and the second term is the same for every output. Two products with `|x|` are within 16
//! bits: at least `2 * 128 * -128`, at most `2 * 128 * 127`.
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
    let levels = rows.each_ref().map(|row| row.levels);
    let turned = levels.map(|levels| {
        levels.iter().fold(0i32, |sum, &x| sum.wrapping_add(i32::from(x).wrapping_sub(128).min(0).wrapping_neg()))
    });
    for (first, weights) in blocks(m, backwards) {
        let outputs = (m.shape.columns() - first).min(BLOCK);
        let mut sums = [[0; BLOCK]; R];
        let mut at = 0;
        while at + 64 / R <= outputs {
            match R {
                1 => some::<8, R>(weights, outputs, at, levels, &mut sums),
                2 => some::<4, R>(weights, outputs, at, levels, &mut sums),
                _ => some::<2, R>(weights, outputs, at, levels, &mut sums),
            }
            at += 64 / R;
        }
        while at < outputs {
            some::<2, R>(weights, outputs, at, levels, &mut sums);
            at += 16;
        }
        for (sums, turned) in sums.iter_mut().zip(turned) {
            for (sum, &w_sum) in sums.iter_mut().zip(m.sums.get(first..).unwrap_or_default()) {
                *sum = sum.wrapping_add(turned).wrapping_add(w_sum.wrapping_mul(128));
            }
        }
        sink.take(first, &sums);
    }
}

/// `Σ |x - 128| * w` with all bits of a weight turned where x is below 128, for the `8 * V` outputs from `at` on of a block
/// of `outputs`.
#[target_feature(enable = "avx2")]
#[inline]
fn some<const V: usize, const R: usize>(
    weights: &[i8],
    outputs: usize,
    at: usize,
    rows: [&[u8]; R],
    to: &mut [Sums; R],
) {
    let (ones, middle) = (_mm256_set1_epi16(1), _mm256_set1_epi8(-128));
    let mut sums = [[_mm256_setzero_si256(); V]; R];
    let groups = rows.iter().map(|row| row.len() / 4).min().unwrap_or(0);
    for group in 0..groups {
        // SAFETY: there are as many groups of `outputs` fours as fours of x (the caller has seen to it), and these
        // `8 * V` lie within the group.
        let w: [__m256i; V] = core::array::from_fn(|v| unsafe {
            _mm256_loadu_si256(weights.as_ptr().wrapping_add(4 * (group * outputs + at + 8 * v)).cast())
        });
        for (row, sums) in rows.iter().zip(&mut sums) {
            // SAFETY: every row has this group.
            let x = unsafe { row.as_ptr().wrapping_add(4 * group).cast::<i32>().read_unaligned() };
            let x = _mm256_xor_si256(_mm256_set1_epi32(x), middle);
            let (size, below) = (_mm256_abs_epi8(x), _mm256_cmpgt_epi8(_mm256_setzero_si256(), x));
            for (sum, &w) in sums.iter_mut().zip(&w) {
                let pairs = _mm256_maddubs_epi16(size, _mm256_xor_si256(w, below));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
    }
    for (to, sums) in to.iter_mut().zip(sums) {
        for (to, sum) in to.as_chunks_mut::<8>().0.iter_mut().skip(at / 8).zip(sums) {
            // SAFETY: the array holds 8 elements.
            unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), sum) };
        }
    }
}
