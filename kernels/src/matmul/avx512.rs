//! AVX-512: 8 rows times 32 columns, 16 sums in registers; single rows take 64 columns.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::intrinsics::*;

use super::Params;
use crate::{Isa, Level};

/// Multiplies one matrix by one that is stored `[inner, columns]`; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, params: &Params, a: &[f32], b: &[f32], y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx512Vnni {
        return false;
    }
    super::strips(params, a, y, [8, 2], |rows, a, y| match rows {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        8 => unsafe { strip::<8, 2>(params, a, b, y) },
        // SAFETY: as above.
        2 => unsafe { strip::<2, 4>(params, a, b, y) },
        // SAFETY: as above.
        _ => unsafe { strip::<1, 4>(params, a, b, y) },
    });
    true
}

/// `R` rows of a and y, all columns.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f"))]
fn strip<const R: usize, const V: usize>(p: &Params, a: &[f32], b: &[f32], y: &mut [f32]) {
    let (inner, columns) = (p.inner as usize, p.columns as usize);
    let fits = a.len() == inner.wrapping_mul(R) && y.len() == columns.wrapping_mul(R);
    if !fits || b.len() != inner.wrapping_mul(columns) {
        return;
    }
    let mut c = 0;
    while c + 16 * V <= columns {
        // SAFETY: the matrices have the sizes given, and c + 16 * V columns.
        unsafe { tile::<R, V>(inner, columns, a, b, y, c, u16::MAX) };
        c += 16 * V;
    }
    while c < columns {
        let mask = if columns - c < 16 { (1 << (columns - c)) - 1 } else { u16::MAX };
        // SAFETY: as above, for the columns in the mask.
        unsafe { tile::<R, 1>(inner, columns, a, b, y, c, mask) };
        c += 16;
    }
}

/// `R` rows, `V` vectors of columns from `c` on; with one vector those of the mask.
///
/// # Safety
/// `a` holds `R * inner` elements, `b` `inner * columns`, `y` `R * columns`; the columns that are asked for exist.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f"))]
#[inline(never)] // On its own, every sum gets a register.
unsafe fn tile<const R: usize, const V: usize>(
    inner: usize,
    columns: usize,
    a: &[f32],
    b: &[f32],
    y: &mut [f32],
    c: usize,
    mask: __mmask16,
) {
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    for k in 0..inner {
        let mut row = [_mm512_setzero_ps(); V];
        for (v, row) in row.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *row = unsafe { _mm512_maskz_loadu_ps(mask, b.as_ptr().add(k * columns + c + v * 16)) };
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: as above.
            let a = _mm512_set1_ps(unsafe { *a.get_unchecked(r * inner + k) });
            for (sum, &row) in sums.iter_mut().zip(&row) {
                *sum = _mm512_fmadd_ps(a, row, *sum);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: as above.
            unsafe { _mm512_mask_storeu_ps(y.as_mut_ptr().add(r * columns + c + v * 16), mask, sum) };
        }
    }
}
