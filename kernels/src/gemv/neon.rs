//! NEON: 4 rows at a time, two sums of 4 lanes for each.
#![allow(unsafe_code)] // Loads of vectors, and the entry into code that needs the instruction set.

use core::arch::aarch64::*;

use crate::rows::rows;
use crate::{Isa, Level};

/// Adds the products; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, matrix: &[f32], x: &[f32], y: &mut [f32]) -> bool {
    if isa.level() < Level::Neon {
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
#[target_feature(enable = "neon")]
fn add<const R: usize>(rows: &[f32], x: &[f32], y: &mut [f32; R]) {
    let n = x.len();
    if rows.len() != n.wrapping_mul(R) {
        return;
    }
    let mut sums = [[vdupq_n_f32(0.0); 2]; R];
    let mut k = 0;
    while k + 8 <= n {
        // SAFETY: k + 7 is an index of x.
        let x = unsafe { [vld1q_f32(x.as_ptr().add(k)), vld1q_f32(x.as_ptr().add(k + 4))] };
        for (r, [even, odd]) in sums.iter_mut().enumerate() {
            // SAFETY: row r holds n elements from r * n on.
            let row = unsafe { rows.as_ptr().add(r * n + k) };
            // SAFETY: as above.
            *even = vfmaq_f32(*even, x[0], unsafe { vld1q_f32(row) });
            // SAFETY: as above.
            *odd = vfmaq_f32(*odd, x[1], unsafe { vld1q_f32(row.add(4)) });
        }
        k += 8;
    }
    for (r, (y, [even, odd])) in y.iter_mut().zip(sums).enumerate() {
        let mut sum = vaddvq_f32(vaddq_f32(even, odd));
        let row = rows.get(r.wrapping_mul(n).wrapping_add(k)..).unwrap_or_default();
        for (&w, &x) in row.iter().zip(x.get(k..).unwrap_or_default()) {
            sum += w * x;
        }
        *y += sum;
    }
}
