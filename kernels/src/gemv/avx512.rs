//! AVX-512: 4 rows at a time, two sums of 16 lanes for each.
#![allow(unsafe_code)] // Loads of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::intrinsics::*;

use crate::rows::rows;
use crate::{Isa, Level};

/// Adds the products; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, matrix: &[f32], x: &[f32], y: &mut [f32]) -> bool {
    if isa.level() < Level::Avx512Vnni {
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
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f"))]
fn add<const R: usize>(rows: &[f32], x: &[f32], y: &mut [f32; R]) {
    let n = x.len();
    if rows.len() != n.wrapping_mul(R) {
        return;
    }
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    let mut k = 0;
    while k + 32 <= n {
        // SAFETY: k + 31 is an index of x.
        let x = unsafe { [_mm512_loadu_ps(x.as_ptr().add(k)), _mm512_loadu_ps(x.as_ptr().add(k + 16))] };
        for (r, [even, odd]) in sums.iter_mut().enumerate() {
            // SAFETY: row r holds n elements from r * n on.
            let row = unsafe { rows.as_ptr().add(r * n + k) };
            // SAFETY: as above.
            *even = _mm512_fmadd_ps(x[0], unsafe { _mm512_loadu_ps(row) }, *even);
            // SAFETY: as above.
            *odd = _mm512_fmadd_ps(x[1], unsafe { _mm512_loadu_ps(row.add(16)) }, *odd);
        }
        k += 32;
    }
    while k < n {
        let mask = if n - k < 16 { (1 << (n - k)) - 1 } else { u16::MAX };
        // SAFETY: the mask ends at the last element.
        let x = unsafe { _mm512_maskz_loadu_ps(mask, x.as_ptr().add(k)) };
        for (r, [even, _]) in sums.iter_mut().enumerate() {
            // SAFETY: the mask ends at the last element of row r.
            let row = unsafe { _mm512_maskz_loadu_ps(mask, rows.as_ptr().add(r * n + k)) };
            *even = _mm512_fmadd_ps(x, row, *even);
        }
        k += 16;
    }
    for (y, [even, odd]) in y.iter_mut().zip(sums) {
        *y += _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
    }
}
