//! AVX2: blocks of 32 rows of 16 bytes.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use crate::columns::Columns;
use crate::{Isa, Level};

/// Rows and columns of a block.
pub(super) const BLOCK: (usize, usize) = (32, 16);

/// Bytes between what is written of a row and the line that is asked for.
const AHEAD: usize = 64;

/// Whether a transpose of elements of so many bytes, with these rows and columns, has such blocks.
pub(super) fn can(isa: Isa, bytes: usize, all: [usize; 2]) -> bool {
    isa.level() >= Level::Avx2 && bytes == 1 && all[0] >= BLOCK.0 && all[1] >= BLOCK.1
}

/// Copies byte `j` of row `i` of `x` to byte `i` of row `j` of `y`, from row and byte `to` on, for a whole block; false where
/// it does not lie inside, or the CPU has not the instruction set.
#[inline(always)]
pub(super) fn whole<const N: usize>(
    isa: Isa,
    x: &[[u8; N]],
    x_step: usize,
    y: &mut Columns<'_>,
    to: (usize, usize),
) -> bool {
    let (rows, columns) = BLOCK;
    let reach = x_step.saturating_mul(rows.wrapping_sub(1)).saturating_add(columns);
    let fits = N == 1 && reach <= x.len() && isa.level() >= Level::Avx2;
    let (pitch, lines) = (y.pitch(), to.0..to.0.wrapping_add(columns));
    let ahead = to.1.saturating_add(rows).saturating_add(AHEAD) <= y.width();
    let Some(y) = y.part(lines, to.1, rows).filter(|_| fits) else { return false };
    // SAFETY: as many rows of as many bytes, so far apart, lie inside both; an `Isa` of these levels can only be made on a CPU
    // that has them.
    unsafe {
        if isa.has_avx512() {
            if ahead {
                (0..columns).for_each(|j| {
                    super::vector::ask(y.cast::<u8>().wrapping_add(j.wrapping_mul(pitch)).wrapping_add(AHEAD))
                });
            }
            more_registers(x.as_ptr().cast(), x_step, y.cast(), pitch);
        } else {
            bytes(x.as_ptr().cast(), x_step, y.cast(), pitch);
        }
    }
    true
}

/// As [`bytes`], with twice as many registers.
///
/// # Safety
/// As there.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
#[cfg_attr(feature = "emulated", target_feature(enable = "avx2"))]
unsafe fn more_registers(x: *const u8, x_step: usize, y: *mut u8, pitch: usize) {
    // SAFETY: the caller's promise.
    unsafe { bytes(x, x_step, y, pitch) };
}

/// # Safety
/// 32 rows of 16 bytes can be read, and 16 of 32 written.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn bytes(x: *const u8, x_step: usize, y: *mut u8, pitch: usize) {
    let mut rows = [_mm256_setzero_si256(); 16];
    for (i, row) in rows.iter_mut().enumerate() {
        let at = |row: usize| x.wrapping_add(row.wrapping_mul(x_step)).cast();
        // SAFETY: the caller's promise.
        let (low, high) = unsafe { (_mm_loadu_si128(at(i)), _mm_loadu_si128(at(i.wrapping_add(16)))) };
        *row = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high);
    }
    // In both halves, every row and the one eight rows below become two neighbours, byte by byte: after four times, row `j`
    // holds element `j` of all.
    for _ in 0..4 {
        let mut next = rows;
        let ((above, below), pairs) = (rows.split_at(8), next.as_chunks_mut::<2>().0);
        for ((to, &a), &b) in pairs.iter_mut().zip(above).zip(below) {
            *to = [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)];
        }
        rows = next;
    }
    for (j, row) in rows.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(y.wrapping_add(j.wrapping_mul(pitch)).cast(), *row) };
    }
}
