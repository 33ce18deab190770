//! AVX-512 VBMI: a table of bytes in registers, for variants that look their outputs up before they are stored.
//!
//! These are compiled for CPUs without VBMI too, and ask at run time: the one instruction is a line of assembly.
#![allow(unsafe_code)] // Loads of vectors, and an instruction.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::intrinsics::*;

/// The table in four parts; it begins with the entries of negative numbers.
#[derive(Clone)]
pub(crate) struct Entries([__m512i; 4]);

impl Entries {
    /// # Safety
    /// The CPU has VBMI.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) unsafe fn new(table: &[i8; 256]) -> Self {
        let mut entries = [_mm512_setzero_si512(); 4];
        for (to, part) in entries.iter_mut().zip(table.as_chunks::<64>().0) {
            // SAFETY: the array holds 64 bytes.
            *to = unsafe { _mm512_loadu_epi8(part.as_ptr()) };
        }
        Self(entries)
    }

    /// The entries of 64 bytes; the upper bit of an index counts for nothing.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn of(&self, v: __m512i) -> __m512i {
        let [a, b, c, d] = self.0;
        // SAFETY: whoever made this value promised that the CPU has VBMI.
        let (negative, other) = unsafe { (pick(a, v, b), pick(c, v, d)) };
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(v), other, negative)
    }
}

/// Of 128 bytes those at these places.
///
/// # Safety
/// The CPU has VBMI.
#[cfg(not(feature = "emulated"))]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn pick(a: __m512i, places: __m512i, b: __m512i) -> __m512i {
    let mut v = places;
    // SAFETY: the caller's promise; the instruction touches registers only.
    unsafe {
        core::arch::asm!(
            "vpermi2b {v}, {a}, {b}",
            v = inout(zmm_reg) v,
            a = in(zmm_reg) a,
            b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    v
}

#[cfg(feature = "emulated")]
unsafe fn pick(a: __m512i, places: __m512i, b: __m512i) -> __m512i {
    _mm512_permutex2var_epi8(a, places, b)
}
