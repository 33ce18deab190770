//! AVX2: 4 rows at a time, two sums of 8 lanes for each.
#![allow(unsafe_code)] // Loads of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use crate::rows::rows;
use crate::{Isa, Level};

/// Adds the products; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, matrix: &[f32], x: &[f32], y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx2 {
        return false;
    }
    let (fours, rest) = y.as_chunks_mut::<4>();
    let n = x.len();
    let (head, tail) = matrix.split_at_checked(fours.len().wrapping_mul(4).wrapping_mul(n)).unwrap_or_default();
    for (y, four) in fours.iter_mut().zip(rows(head, n.wrapping_mul(4))) {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { add::<4>(four, x, y) };
    }
    for (y, row) in rest.as_chunks_mut::<1>().0.iter_mut().zip(rows(tail, n)) {
        // SAFETY: as above.
        unsafe { add::<1>(row, x, y) };
    }
    true
}

/// `R` rows. A row takes the same steps for every `R`.
#[target_feature(enable = "avx2,fma")]
fn add<const R: usize>(rows: &[f32], x: &[f32], y: &mut [f32; R]) {
    let n = x.len();
    if rows.len() != n.wrapping_mul(R) {
        return;
    }
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    let mut k = 0;
    while k + 16 <= n {
        // SAFETY: k + 15 is an index of x.
        let x = unsafe { [_mm256_loadu_ps(x.as_ptr().add(k)), _mm256_loadu_ps(x.as_ptr().add(k + 8))] };
        for (r, [even, odd]) in sums.iter_mut().enumerate() {
            // SAFETY: row r holds n elements from r * n on.
            let row = unsafe { rows.as_ptr().add(r * n + k) };
            // SAFETY: as above.
            *even = _mm256_fmadd_ps(x[0], unsafe { _mm256_loadu_ps(row) }, *even);
            // SAFETY: as above.
            *odd = _mm256_fmadd_ps(x[1], unsafe { _mm256_loadu_ps(row.add(8)) }, *odd);
        }
        k += 16;
    }
    while k < n {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((n - k).min(8) as i32), lanes);
        // SAFETY: the mask ends at the last element.
        let x = unsafe { _mm256_maskload_ps(x.as_ptr().add(k), mask) };
        for (r, [even, _]) in sums.iter_mut().enumerate() {
            // SAFETY: the mask ends at the last element of row r.
            let row = unsafe { _mm256_maskload_ps(rows.as_ptr().add(r * n + k), mask) };
            *even = _mm256_fmadd_ps(x, row, *even);
        }
        k += 8;
    }
    for (y, [even, odd]) in y.iter_mut().zip(sums) {
        *y += reduce(_mm256_add_ps(even, odd));
    }
}

/// The sum of the lanes.
#[target_feature(enable = "avx2,fma")]
fn reduce(v: __m256) -> f32 {
    let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
}
