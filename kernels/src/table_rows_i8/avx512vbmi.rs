//! AVX-512 VBMI: 64 bytes at a time, of as many short rows as fill a vector.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::Params;
use crate::Isa;
use crate::intrinsics::*;

/// Looks all rows up; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, p: &Params, table: &[i8; 256], x: &[u8], y: &mut [u8]) -> bool {
    if !isa.has_vbmi() || !p.check(x.len(), y.len()) {
        return false;
    }
    let (x, y) = (x.as_ptr().wrapping_add(p.x_offset as usize), y.as_mut_ptr().wrapping_add(p.y_offset as usize));
    // SAFETY: the CPU has the instruction set; all rows lie inside, and x and y do not overlap.
    unsafe { all(p, table, x.cast(), y.cast()) };
    true
}

/// The table in four parts; it begins with the entries of negative numbers.
#[derive(Clone, Copy)]
struct Table([__m512i; 4]);

impl Table {
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi"))]
    fn new(table: &[i8; 256]) -> Self {
        let mut entries = [_mm512_setzero_si512(); 4];
        for (to, part) in entries.iter_mut().zip(table.as_chunks::<64>().0) {
            // SAFETY: the array holds 64 bytes.
            *to = unsafe { _mm512_loadu_epi8(part.as_ptr()) };
        }
        Self(entries)
    }

    /// The entries of 64 bytes; the upper bit of an index counts for nothing.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi"))]
    fn of(self, v: __m512i) -> __m512i {
        let [a, b, c, d] = self.0;
        let (negative, other) = (_mm512_permutex2var_epi8(a, v, b), _mm512_permutex2var_epi8(c, v, d));
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(v), other, negative)
    }
}

/// # Safety
/// All rows can be read from `x` and written to `y`, which do not overlap.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi"))]
unsafe fn all(p: &Params, table: &[i8; 256], x: *const i8, y: *mut i8) {
    let table = Table::new(table);
    let (row, mut left) = (p.row as usize, p.count as usize);
    let (mut x, mut y) = ((x, p.x_stride as usize), (y, p.y_stride as usize));
    let next = |x: &mut (*const i8, usize), y: &mut (*mut i8, usize), rows: usize| {
        x.0 = x.0.wrapping_add(x.1.wrapping_mul(rows));
        y.0 = y.0.wrapping_add(y.1.wrapping_mul(rows));
    };
    while row <= 16 && left >= 4 {
        // SAFETY: so many rows are left.
        unsafe { fours(table, row, x, y) };
        next(&mut x, &mut y, 4);
        left = left.wrapping_sub(4);
    }
    while row <= 32 && left >= 2 {
        // SAFETY: so many rows are left.
        unsafe { pairs(table, row, x, y) };
        next(&mut x, &mut y, 2);
        left = left.wrapping_sub(2);
    }
    while left > 0 {
        // SAFETY: a row is left.
        unsafe { one(table, row, x.0, y.0) };
        next(&mut x, &mut y, 1);
        left = left.wrapping_sub(1);
    }
}

/// A row.
///
/// # Safety
/// It can be read and written.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi"))]
unsafe fn one(table: Table, row: usize, x: *const i8, y: *mut i8) {
    for k in (0..row).step_by(64) {
        let mask = u64::MAX >> (64usize.wrapping_sub(row.wrapping_sub(k).min(64)) & 63);
        // SAFETY: the elements in the mask are in the row.
        let v = unsafe { _mm512_maskz_loadu_epi8(mask, x.wrapping_add(k)) };
        // SAFETY: as above.
        unsafe { _mm512_mask_storeu_epi8(y.wrapping_add(k), mask, table.of(v)) };
    }
}

/// Four rows of up to 16 bytes.
///
/// # Safety
/// They can be read and written.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi"))]
unsafe fn fours(table: Table, row: usize, (x, x_step): (*const i8, usize), (y, y_step): (*mut i8, usize)) {
    let mask = u16::MAX >> (16usize.wrapping_sub(row) & 15);
    // SAFETY: the caller's promise, for the bytes in the mask.
    let load = |k: usize| unsafe { _mm_maskz_loadu_epi8(mask, x.wrapping_add(x_step.wrapping_mul(k))) };
    let v = _mm512_inserti32x4::<0>(_mm512_setzero_si512(), load(0));
    let v = _mm512_inserti32x4::<1>(v, load(1));
    let v = _mm512_inserti32x4::<2>(v, load(2));
    let v = table.of(_mm512_inserti32x4::<3>(v, load(3)));
    // SAFETY: as above.
    let store = |k: usize, v| unsafe { _mm_mask_storeu_epi8(y.wrapping_add(y_step.wrapping_mul(k)), mask, v) };
    store(0, _mm512_extracti32x4_epi32::<0>(v));
    store(1, _mm512_extracti32x4_epi32::<1>(v));
    store(2, _mm512_extracti32x4_epi32::<2>(v));
    store(3, _mm512_extracti32x4_epi32::<3>(v));
}

/// Two rows of up to 32 bytes.
///
/// # Safety
/// They can be read and written.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi"))]
unsafe fn pairs(table: Table, row: usize, (x, x_step): (*const i8, usize), (y, y_step): (*mut i8, usize)) {
    let mask = u32::MAX >> (32usize.wrapping_sub(row) & 31);
    // SAFETY: the caller's promise, for the bytes in the mask.
    let load = |x: *const i8| unsafe { _mm256_maskz_loadu_epi8(mask, x) };
    let v = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(load(x)), load(x.wrapping_add(x_step)));
    let v = table.of(v);
    // SAFETY: as above.
    unsafe { _mm256_mask_storeu_epi8(y, mask, _mm512_castsi512_si256(v)) };
    // SAFETY: as above.
    unsafe { _mm256_mask_storeu_epi8(y.wrapping_add(y_step), mask, _mm512_extracti64x4_epi64::<1>(v)) };
}
