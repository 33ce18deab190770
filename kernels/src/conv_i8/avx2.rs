//! AVX2: two pixels times 16 channels.
//!
//! Bytes are widened to int16 and multiplied in pairs by vpmaddwd, which is exact: the greatest sum of two products is 2^15.
//! (vpmaddubsw, which takes bytes, saturates.) Every sum is in two halves until the end.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::tiles::{Job, Stretches};
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::windows::Windows;
use crate::{Isa, Level};

/// Convolves with weights in O16I4; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Avx2 || params.layout != layout::O16I4 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(&Job::new(params, operands, pixels), y) };
    true
}

/// What a block of 16 channels shares over all pixels.
struct Block<'a> {
    job: &'a Job<'a>,
    weights: &'a [i8],
    bias: [__m256i; 2],
    multipliers: [__m256; 2],
    /// First channel, and how many of the 16 exist.
    channel: usize,
    channels: usize,
}

#[target_feature(enable = "avx2")]
fn all(job: &Job<'_>, y: &mut [i8]) {
    for k in 0..job.blocks() {
        let block = prepare(job, k);
        let mut windows = job.windows.clone();
        let (mut pixel, pixels) = (0, job.pixels);
        while pixel < pixels {
            pixel += match pixels - pixel {
                2.. => tile::<2>(&block, &mut windows, pixel, y),
                _ => tile::<1>(&block, &mut windows, pixel, y),
            };
        }
    }
}

#[target_feature(enable = "avx2")]
fn prepare<'a>(job: &'a Job<'a>, block: usize) -> Block<'a> {
    let channel = block.wrapping_mul(16);
    let (mut bias, mut multipliers, mut channels) = ([0i32; 16], [0f32; 16], 0);
    let given = job.operands.bias.iter().zip(job.operands.multipliers).skip(channel);
    for ((slot, multiplier), given) in bias.iter_mut().zip(&mut multipliers).zip(given) {
        (*slot, *multiplier) = (*given.0, *given.1);
        channels += 1;
    }
    let (b, m) = (bias.as_ptr(), multipliers.as_ptr());
    Block {
        job,
        weights: job.block(block),
        // SAFETY: the array holds 16 elements.
        bias: unsafe { [_mm256_loadu_si256(b.cast()), _mm256_loadu_si256(b.add(8).cast())] },
        // SAFETY: the array holds 16 elements.
        multipliers: unsafe { [_mm256_loadu_ps(m), _mm256_loadu_ps(m.add(8))] },
        channel,
        channels,
    }
}

/// The next `P` pixels, the first of which is `pixel`; returns `P`.
#[target_feature(enable = "avx2")]
fn tile<const P: usize>(block: &Block<'_>, windows: &mut Windows, pixel: usize, y: &mut [i8]) -> usize {
    let sums = sums::<P>(block, Stretches::new(block.job, windows.take()));
    let channels = block.job.params.geometry.out_channels as usize;
    for (p, [a, b, c, d]) in sums.into_iter().enumerate() {
        // Halves of channels 0 1, 2 3 | 4 5, 6 7 become channels 0 1 4 5 | 2 3 6 7, and then get into order.
        let low = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(a, b));
        let high = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(c, d));
        let out = outputs(block, [low, high]);
        let first = pixel.wrapping_add(p).wrapping_mul(channels).wrapping_add(block.channel);
        let Some(y) = y.get_mut(first..first.wrapping_add(block.channels)) else { return P };
        match y.first_chunk_mut() {
            // SAFETY: the array holds 16 bytes.
            Some(y) => unsafe { _mm_storeu_si128(core::ptr::from_mut::<[i8; 16]>(y).cast(), out) },
            None => store_part(out, y),
        }
    }
    P
}

/// From sums to int8.
#[target_feature(enable = "avx2")]
fn outputs(block: &Block<'_>, sums: [__m256i; 2]) -> __m128i {
    let output = &block.job.params.output;
    let zero_point = _mm256_set1_epi32(output.zero_point);
    let low = _mm256_set1_ps(output.low.wrapping_sub(output.zero_point) as f32);
    let high = _mm256_set1_ps(output.high.wrapping_sub(output.zero_point) as f32);
    let one = |sum: __m256i, bias: __m256i, multipliers: __m256| {
        let v = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_add_epi32(sum, bias)), multipliers);
        // The second operand wins against a NaN, as in the contract.
        let v = _mm256_min_ps(_mm256_max_ps(v, low), high);
        let v = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v);
        _mm256_add_epi32(_mm256_cvtps_epi32(v), zero_point)
    };
    let ([a, b], [c, d], [e, f]) = (sums, block.bias, block.multipliers);
    let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(one(a, c, e), one(b, d, f)));
    _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
}

/// Stores the first bytes, where less than 16 channels are left.
#[cold]
#[target_feature(enable = "avx2")]
fn store_part(bytes: __m128i, y: &mut [i8]) {
    let mut all = [0i8; 16];
    // SAFETY: the array holds 16 bytes.
    unsafe { _mm_storeu_si128(all.as_mut_ptr().cast(), bytes) };
    for (y, byte) in y.iter_mut().zip(all) {
        *y = byte;
    }
}

/// The sums of a tile: for every pixel, four vectors of the halves of 4 channels each.
#[inline]
#[target_feature(enable = "avx2")]
fn sums<const P: usize>(block: &Block<'_>, mut stretches: Stretches<'_, P>) -> [[__m256i; 4]; P] {
    let mut sums = [[_mm256_setzero_si256(); 4]; P];
    let mut weights = block.weights.as_ptr();
    while let Some(stretch) = stretches.next() {
        for k in 0..stretch.steps {
            let mut w = [_mm256_setzero_si256(); 4];
            for (quarter, w) in w.iter_mut().enumerate() {
                let place = weights.wrapping_add(quarter.wrapping_mul(16));
                // SAFETY: a block has 64 bytes for every step of the walk.
                *w = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(place.cast()) });
            }
            weights = weights.wrapping_add(64);
            for (sums, x) in sums.iter_mut().zip(&stretch.x) {
                // SAFETY: a stretch has 4 bytes of every pixel for every step.
                let four = unsafe { x.wrapping_add(k.wrapping_mul(4)).cast::<i32>().read_unaligned() };
                let x = _mm256_cvtepi8_epi16(_mm_set1_epi32(four));
                for (sum, &w) in sums.iter_mut().zip(&w) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, w));
                }
            }
        }
    }
    sums
}
