//! AVX2: 6 rows times 16 columns, 12 sums in registers; single rows take 32 columns.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::Params;
use crate::{Isa, Level};

/// Multiplies one matrix by one that is stored `[inner, columns]`; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, a: &[f32], b: &[f32], y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx2 {
        return false;
    }
    super::strips(params, a, y, [6, 2], |rows, a, y| match rows {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        6 => unsafe { strip::<6, 2>(params, a, b, y) },
        // SAFETY: as above.
        2 => unsafe { strip::<2, 4>(params, a, b, y) },
        // SAFETY: as above.
        _ => unsafe { strip::<1, 4>(params, a, b, y) },
    });
    true
}

/// `R` rows of a and y, all columns.
#[target_feature(enable = "avx2,fma")]
fn strip<const R: usize, const V: usize>(p: &Params, a: &[f32], b: &[f32], y: &mut [f32]) {
    let (inner, columns) = (p.inner as usize, p.columns as usize);
    let fits = a.len() == inner.wrapping_mul(R) && y.len() == columns.wrapping_mul(R);
    if !fits || b.len() != inner.wrapping_mul(columns) {
        return;
    }
    let mut c = 0;
    while c + 8 * V <= columns {
        // SAFETY: the matrices have the sizes given, and c + 8 * V columns.
        unsafe { tile::<R, V, true>(inner, columns, a, b, y, c, _mm256_set1_epi32(-1)) };
        c += 8 * V;
    }
    while c < columns {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((columns - c).min(8) as i32), lanes);
        // SAFETY: as above, for the columns in the mask.
        unsafe { tile::<R, 1, false>(inner, columns, a, b, y, c, mask) };
        c += 8;
    }
}

/// `R` rows, `V` vectors of columns from `c` on; unless `FULL`, those of the mask.
///
/// # Safety
/// `a` holds `R * inner` elements, `b` `inner * columns`, `y` `R * columns`; the columns that are asked for exist.
#[target_feature(enable = "avx2,fma")]
#[inline(never)] // On its own, every sum gets a register.
unsafe fn tile<const R: usize, const V: usize, const FULL: bool>(
    inner: usize,
    columns: usize,
    a: &[f32],
    b: &[f32],
    y: &mut [f32],
    c: usize,
    mask: __m256i,
) {
    let mut sums = [[_mm256_setzero_ps(); V]; R];
    for k in 0..inner {
        let mut row = [_mm256_setzero_ps(); V];
        for (v, row) in row.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let from = unsafe { b.as_ptr().add(k * columns + c + v * 8) };
            // SAFETY: as above.
            *row = unsafe { if FULL { _mm256_loadu_ps(from) } else { _mm256_maskload_ps(from, mask) } };
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: as above.
            let a = _mm256_set1_ps(unsafe { *a.get_unchecked(r * inner + k) });
            for (sum, &row) in sums.iter_mut().zip(&row) {
                *sum = _mm256_fmadd_ps(a, row, *sum);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: as above.
            let to = unsafe { y.as_mut_ptr().add(r * columns + c + v * 8) };
            // SAFETY: as above.
            unsafe { if FULL { _mm256_storeu_ps(to, sum) } else { _mm256_maskstore_ps(to, mask, sum) } };
        }
    }
}
