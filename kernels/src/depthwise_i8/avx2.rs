//! AVX2: 4 pixels times 16 channels; vpmaddwd adds the products of two taps at once, exactly.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::tiles::{Job, Part, Places, all};
use super::{Operands, Params};
use crate::pixels::Pixels;
use crate::{Isa, Level};

/// Convolves; false where the CPU has not the instruction set, there are fewer channels than a vector holds, or the kernel
/// is too large.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Avx2 || params.geometry.out_channels < 16 {
        return false;
    }
    let Some(job) = Job::new(params, operands, pixels) else { return false };
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all::<Sixteen>(&job, y) };
    true
}

/// 16 channels.
struct Sixteen;

impl Part for Sixteen {
    const WIDTH: usize = 16;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn part<const P: usize>(job: &Job<'_>, places: &Places<P>, channel: usize, offset: isize, y: &mut [i8]) {
        let load = |from: *const i8| {
            // SAFETY: the caller's promise, for pixels and for weights.
            _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(from.cast()) })
        };
        let zero = _mm256_setzero_si256();
        let mut weights = job.operands.weights.as_ptr().wrapping_add(channel);
        // SAFETY: the caller's promise, for the bias.
        let mut sums = [unsafe { spread(job.operands.bias.as_ptr().wrapping_add(channel)) }; P];
        let (pairs, last) = places.taps().as_chunks::<2>();
        let add = |sums: &mut [__m256i; 2], [a, b]: [__m256i; 2], [low, high]: [__m256i; 2]| {
            let [s, t] = *sums;
            let s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), low));
            *sums = [s, _mm256_add_epi32(t, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), high))];
        };
        for [first, second] in pairs {
            let (v, w) = (load(weights), load(weights.wrapping_add(job.channels)));
            weights = weights.wrapping_add(job.channels.wrapping_mul(2));
            let w = [_mm256_unpacklo_epi16(v, w), _mm256_unpackhi_epi16(v, w)];
            for ((sums, a), b) in sums.iter_mut().zip(first).zip(second) {
                add(sums, [load(a.wrapping_offset(offset)), load(b.wrapping_offset(offset))], w);
            }
        }
        if let [only] = last {
            let w = load(weights);
            let w = [_mm256_unpacklo_epi16(w, zero), _mm256_unpackhi_epi16(w, zero)];
            for (sums, a) in sums.iter_mut().zip(only) {
                add(sums, [load(a.wrapping_offset(offset)), zero], w);
            }
        }
        // SAFETY: the caller's promise, for the multipliers.
        let multipliers = unsafe { spread(job.operands.multipliers.as_ptr().cast::<i32>().wrapping_add(channel)) };
        let multipliers = multipliers.map(|m| _mm256_castsi256_ps(m));
        let mut first = channel;
        for sums in sums {
            let out = outputs(job, sums, multipliers);
            let Some(y) = y.get_mut(first..).and_then(<[i8]>::first_chunk_mut::<16>) else { return };
            // SAFETY: the array holds 16 bytes.
            unsafe { _mm_storeu_si128(core::ptr::from_mut(y).cast(), out) };
            first = first.wrapping_add(job.channels);
        }
    }
}

/// 16 numbers in the order in which unpacking leaves channels: the first fours of every eight, then the second ones.
///
/// # Safety
/// 16 numbers can be read.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn spread(from: *const i32) -> [__m256i; 2] {
    // SAFETY: the caller's promise.
    let a = unsafe { _mm256_loadu_si256(from.cast()) };
    // SAFETY: the caller's promise.
    let b = unsafe { _mm256_loadu_si256(from.wrapping_add(8).cast()) };
    [_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b)]
}

/// From sums to int8, channels in order.
#[inline]
#[target_feature(enable = "avx2")]
fn outputs(job: &Job<'_>, [a, b]: [__m256i; 2], [m, n]: [__m256; 2]) -> __m128i {
    let output = &job.params.output;
    let low = _mm256_set1_ps(output.low.wrapping_sub(output.zero_point) as f32);
    let high = _mm256_set1_ps(output.high.wrapping_sub(output.zero_point) as f32);
    let one = |sum: __m256i, multipliers: __m256| {
        let v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), multipliers);
        // The second operand wins against a NaN, as in the contract.
        let v = _mm256_min_ps(_mm256_max_ps(v, low), high);
        _mm256_cvtps_epi32(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v))
    };
    let words = _mm256_packs_epi32(one(a, m), one(b, n));
    let words = _mm256_add_epi16(words, _mm256_set1_epi16(output.zero_point as i16));
    _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
}
