//! AVX-512 VBMI: 64 elements at a time; vpermi2b looks up 128 entries.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::Isa;
use crate::intrinsics::*;

/// Looks all of `x` up (of `y` itself where there is none) and returns how many elements are done: none where the CPU has not
/// the instruction set.
pub(super) fn run(isa: Isa, table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    if !isa.has_vbmi() {
        return 0;
    }
    let len = x.map_or(y.len(), |x| x.len().min(y.len()));
    let y = y.as_mut_ptr();
    // SAFETY: the CPU has the instruction set; both hold as many elements.
    unsafe { all(table, x.map_or(y.cast_const(), <[i8]>::as_ptr), y, len) };
    len
}

/// # Safety
/// `len` elements can be read from `x` and written to `y`, which is the same or does not overlap.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi"))]
unsafe fn all(table: &[i8; 256], x: *const i8, y: *mut i8, len: usize) {
    let parts = table.as_chunks::<64>().0;
    let mut entries = [_mm512_setzero_si512(); 4];
    for (to, part) in entries.iter_mut().zip(parts) {
        // SAFETY: the array holds 64 bytes.
        *to = unsafe { _mm512_loadu_epi8(part.as_ptr()) };
    }
    // The table begins with the entries of negative numbers; the upper bit of an index counts for nothing.
    let [a, b, c, d] = entries;
    let mut done = 0usize;
    while done < len {
        let mask = u64::MAX >> (64usize.wrapping_sub(len.wrapping_sub(done).min(64)) & 63);
        // SAFETY: the caller's promise, for the elements in the mask.
        let v = unsafe { _mm512_maskz_loadu_epi8(mask, x.wrapping_add(done)) };
        let (negative, other) = (_mm512_permutex2var_epi8(a, v, b), _mm512_permutex2var_epi8(c, v, d));
        let v = _mm512_mask_blend_epi8(_mm512_movepi8_mask(v), other, negative);
        // SAFETY: as above.
        unsafe { _mm512_mask_storeu_epi8(y.wrapping_add(done), mask, v) };
        done = done.wrapping_add(64);
    }
}
