//! AVX2: 64 elements at a time; vpshufb looks up 16 entries.
//!
//! An index below 0 gives 0, one above 15 counts modulo 16. So the halves of the table are cut into 8 parts, each of which
//! but the first holds its difference (xor) to the part before it; the index goes down by 16 from part to part, and the xor
//! of all lookups is the entry.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use crate::{Isa, Level};

/// Looks up whole blocks of `x` (of `y` itself where there is none) and returns how many elements are done.
pub(super) fn run(isa: Isa, table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    if isa.level() < Level::Avx2 || y.len() < 64 {
        return 0;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(table, x, y) }
}

/// The 16 parts: those for indices from 0 on, then those for negative ones.
#[target_feature(enable = "avx2")]
fn parts(table: &[i8; 256]) -> [__m256i; 16] {
    let mut parts = [_mm256_setzero_si256(); 16];
    for (half, parts) in table.as_chunks::<128>().0.iter().zip(parts.as_chunks_mut::<8>().0.iter_mut().rev()) {
        let mut before = _mm256_setzero_si256();
        for (entries, part) in half.as_chunks::<16>().0.iter().zip(parts) {
            // SAFETY: the array holds 16 bytes.
            let entries = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(entries.as_ptr().cast()) });
            (*part, before) = (_mm256_xor_si256(entries, before), entries);
        }
    }
    parts
}

#[target_feature(enable = "avx2")]
fn all(table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    let parts = parts(table);
    let (blocks, mut done) = (y.as_chunks_mut::<64>().0, 0usize);
    for y in blocks {
        let Some(x) = x.map_or(Some(*y), |x| x.get(done..).and_then(<[i8]>::first_chunk::<64>).copied()) else { break };
        let from = x.as_ptr();
        // SAFETY: the array holds 64 bytes.
        let x = unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.wrapping_add(32).cast())] };
        let [a, b] = entries(&parts, x);
        let to = y.as_mut_ptr();
        // SAFETY: the array holds 64 bytes.
        unsafe { _mm256_storeu_si256(to.cast(), a) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(to.wrapping_add(32).cast(), b) };
        done = done.wrapping_add(64);
    }
    done
}

#[inline]
#[target_feature(enable = "avx2")]
fn entries(parts: &[__m256i; 16], x: [__m256i; 2]) -> [__m256i; 2] {
    let (sixteen, flip) = (_mm256_set1_epi8(16), _mm256_set1_epi8(-128));
    let mut found = [_mm256_setzero_si256(); 2];
    let mut index = x;
    for (k, &part) in parts.iter().enumerate() {
        if k == 8 {
            index = x.map(|x| _mm256_xor_si256(x, flip));
        }
        for (found, index) in found.iter_mut().zip(&mut index) {
            *found = _mm256_xor_si256(*found, _mm256_shuffle_epi8(part, *index));
            *index = _mm256_subs_epi8(*index, sixteen);
        }
    }
    found
}
