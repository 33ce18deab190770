//! AVX-512 VBMI: 64 elements at a time; vpermi2b looks up 128 entries.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use crate::Isa;

/// Looks every element of `x` up (of `y` itself where there is none) and returns how many elements are done.
pub(super) fn run(isa: Isa, table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    if !isa.has_vbmi() {
        return 0;
    }
    // SAFETY: the `Isa` has just said that the CPU has the instruction set.
    unsafe { all(table, x, y) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn all(table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    let quarter = |k: usize| {
        let from = table.as_ptr().wrapping_add(64 * k);
        // SAFETY: the table holds four times 64 bytes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    };
    let (negative, positive) = ([quarter(0), quarter(1)], [quarter(2), quarter(3)]);
    let mut done = 0usize;
    for y in y.chunks_mut(64) {
        let mask = u64::MAX >> (64usize.wrapping_sub(y.len()) & 63);
        let from = match x {
            Some(x) => x.get(done..done.wrapping_add(y.len())),
            None => Some(&*y),
        };
        let Some(from) = from else { break };
        // SAFETY: the slice holds as many bytes as the mask has bits.
        let index = unsafe { _mm512_maskz_loadu_epi8(mask, from.as_ptr()) };
        let [a, b] = positive;
        let found = _mm512_permutex2var_epi8(a, index, b);
        let [a, b] = negative;
        let found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), found, _mm512_permutex2var_epi8(a, index, b));
        // SAFETY: as above.
        unsafe { _mm512_mask_storeu_epi8(y.as_mut_ptr(), mask, found) };
        done = done.wrapping_add(y.len());
    }
    done
}
