//! SSE4.1: 4 pixels times 8 channels; pmaddwd adds the products of two taps at once, exactly.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::tiles::{Job, Part, Places, all};
use super::{Operands, Params};
use crate::pixels::Pixels;
use crate::round_sse41::{four, narrow, store};
use crate::{Isa, Level};

/// Convolves; false where the CPU has not the instruction set, there are fewer channels than a vector holds, or the kernel
/// is too large.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Sse41 || params.geometry.out_channels < 8 {
        return false;
    }
    let Some(job) = Job::new(params, operands, pixels) else { return false };
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all::<Eight>(&job, y) };
    true
}

/// 8 channels.
struct Eight;

impl Part for Eight {
    const WIDTH: usize = 8;

    #[inline]
    #[target_feature(enable = "sse4.1")]
    unsafe fn part<const P: usize>(job: &Job<'_>, places: &Places<P>, channel: usize, offset: isize, y: &mut [i8]) {
        let load = |from: *const i8| {
            // SAFETY: the caller's promise, for pixels and for weights.
            _mm_cvtepi8_epi16(unsafe { _mm_loadl_epi64(from.cast()) })
        };
        let zero = _mm_setzero_si128();
        let mut weights = job.operands.weights.as_ptr().wrapping_add(channel);
        // SAFETY: the caller's promise, for the bias.
        let mut sums = [unsafe { eight(job.operands.bias.as_ptr().wrapping_add(channel)) }; P];
        let (pairs, last) = places.taps().as_chunks::<2>();
        let add = |sums: &mut [__m128i; 2], [a, b]: [__m128i; 2], [low, high]: [__m128i; 2]| {
            let [s, t] = *sums;
            let s = _mm_add_epi32(s, _mm_madd_epi16(_mm_unpacklo_epi16(a, b), low));
            *sums = [s, _mm_add_epi32(t, _mm_madd_epi16(_mm_unpackhi_epi16(a, b), high))];
        };
        for [first, second] in pairs {
            let (v, w) = (load(weights), load(weights.wrapping_add(job.channels)));
            weights = weights.wrapping_add(job.channels.wrapping_mul(2));
            let w = [_mm_unpacklo_epi16(v, w), _mm_unpackhi_epi16(v, w)];
            for ((sums, a), b) in sums.iter_mut().zip(first).zip(second) {
                add(sums, [load(a.wrapping_offset(offset)), load(b.wrapping_offset(offset))], w);
            }
        }
        if let [only] = last {
            let w = load(weights);
            let w = [_mm_unpacklo_epi16(w, zero), _mm_unpackhi_epi16(w, zero)];
            for (sums, a) in sums.iter_mut().zip(only) {
                add(sums, [load(a.wrapping_offset(offset)), zero], w);
            }
        }
        let output = &job.params.output;
        // SAFETY: the caller's promise, for the multipliers.
        let multipliers = unsafe { eight(job.operands.multipliers.as_ptr().cast::<i32>().wrapping_add(channel)) };
        let [m, n] = multipliers.map(|m| _mm_castsi128_ps(m));
        let mut first = channel;
        for [a, b] in sums {
            let out = store(narrow(output, [four(output, a, m), four(output, b, n), zero, zero]));
            let y = y.get_mut(first..).and_then(<[i8]>::first_chunk_mut::<8>);
            let (Some(y), Some(out)) = (y, out.first_chunk()) else { return };
            *y = *out;
            first = first.wrapping_add(job.channels);
        }
    }
}

/// 8 numbers.
///
/// # Safety
/// They can be read.
#[inline]
#[target_feature(enable = "sse4.1")]
unsafe fn eight(from: *const i32) -> [__m128i; 2] {
    // SAFETY: the caller's promise.
    unsafe { [_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.wrapping_add(4).cast())] }
}
