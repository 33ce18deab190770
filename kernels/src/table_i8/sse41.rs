//! SSE4.1 and SSSE3: 32 elements at a time; pshufb looks up 16 entries, in parts as in the AVX2 variant.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use crate::round_sse41::{load, store};
use crate::{Isa, Level};

/// Looks up whole blocks of `x` (of `y` itself where there is none) and returns how many elements are done.
pub(super) fn run(isa: Isa, table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    if isa.level() < Level::Sse41 || y.len() < 32 {
        return 0;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(table, x, y) }
}

/// The 16 parts: those for indices from 0 on, then those for negative ones.
#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn parts(table: &[i8; 256]) -> [__m128i; 16] {
    let mut parts = [_mm_setzero_si128(); 16];
    for (half, parts) in table.as_chunks::<128>().0.iter().zip(parts.as_chunks_mut::<8>().0.iter_mut().rev()) {
        let mut before = _mm_setzero_si128();
        for (entries, part) in half.as_chunks::<16>().0.iter().zip(parts) {
            let entries = load(entries);
            (*part, before) = (_mm_xor_si128(entries, before), entries);
        }
    }
    parts
}

#[target_feature(enable = "sse4.1,ssse3")]
fn all(table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    let parts = parts(table);
    let (blocks, mut done) = (y.as_chunks_mut::<32>().0, 0usize);
    for y in blocks {
        let Some(x) = x.map_or(Some(*y), |x| x.get(done..).and_then(<[i8]>::first_chunk::<32>).copied()) else { break };
        let ([x, z], y) = (entries(&parts, &x), y.as_chunks_mut::<16>().0);
        for (y, entries) in y.iter_mut().zip([x, z]) {
            *y = store(entries);
        }
        done = done.wrapping_add(32);
    }
    done
}

#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn entries(parts: &[__m128i; 16], x: &[i8; 32]) -> [__m128i; 2] {
    let (sixteen, flip) = (_mm_set1_epi8(16), _mm_set1_epi8(-128));
    let mut all = [_mm_setzero_si128(); 2];
    for (to, x) in all.iter_mut().zip(x.as_chunks::<16>().0) {
        *to = load(x);
    }
    let (mut found, mut index) = ([_mm_setzero_si128(); 2], all);
    for (k, &part) in parts.iter().enumerate() {
        if k == 8 {
            index = all.map(|x| _mm_xor_si128(x, flip));
        }
        for (found, index) in found.iter_mut().zip(&mut index) {
            *found = _mm_xor_si128(*found, _mm_shuffle_epi8(part, *index));
            *index = _mm_subs_epi8(*index, sixteen);
        }
    }
    found
}
