//! SSE4.1, Winograd's F(2x2, 3x3) and F(4x4, 3x3).
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::{
    __m128i as Vector, _mm_add_epi16 as add_words, _mm_add_epi32 as add_sums, _mm_mullo_epi32 as multiply,
    _mm_set1_epi32 as spread, _mm_setzero_si128 as zero, _mm_slli_epi16 as shift_words, _mm_slli_epi32 as shift_sums,
    _mm_sra_epi32 as shift_right_by, _mm_srai_epi32 as shift_right, _mm_storeu_si128 as store,
    _mm_sub_epi16 as sub_words, _mm_sub_epi32 as sub_sums, *,
};
use core::mem::MaybeUninit;

use super::panel::Job;
use super::sse41::{Finish, Sums, load};
use super::transformed::{PANEL, TILES, TOGETHER, transformed};
use super::winograd::INPUTS;
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::winograd::{Tile, Tiles};
use crate::{Isa, Level};

const VECTORS: usize = 4;
const WIDTH: usize = 8;

transformed!("sse4.1", Level::Sse41);

/// 8 inputs, widened.
///
/// # Safety
/// They can be read.
#[inline]
#[target_feature(enable = "sse4.1")]
unsafe fn widened(x: *const i8) -> Vector {
    // SAFETY: the caller's promise.
    _mm_cvtepi8_epi16(unsafe { _mm_loadl_epi64(x.cast()) })
}

/// The sums of `steps` pairs of inputs times weights, of `P` rows and 16 channels, 8 at a time.
///
/// # Safety
/// There are `P` rows of as many pairs at `x`, `pitch` apart, and 64 bytes of weights for each of them.
#[inline]
#[target_feature(enable = "sse4.1")]
unsafe fn add<const P: usize>((x, pitch): (*const i16, usize), weights: *const i16, steps: usize) -> [Sums; P] {
    let mut all = [[zero(); VECTORS]; P];
    // SAFETY: the caller's promise, for either half of the channels.
    let halves = [0, 16].map(|first| unsafe { half::<P>((x, pitch), weights.wrapping_add(first), steps) });
    let [low, high] = halves;
    for ((to, [a, b]), [c, d]) in all.iter_mut().zip(low).zip(high) {
        *to = [a, b, c, d];
    }
    all
}

/// The sums of 8 channels.
///
/// # Safety
/// As for [`add`]; the weights of a step are the first 32 bytes of 64.
#[inline]
#[target_feature(enable = "sse4.1")]
unsafe fn half<const P: usize>(
    (mut x, pitch): (*const i16, usize),
    mut weights: *const i16,
    steps: usize,
) -> [[Vector; 2]; P] {
    let mut sums = [[zero(); 2]; P];
    for _ in 0..steps {
        // SAFETY: the caller's promise.
        let w = unsafe { [_mm_loadu_si128(weights.cast()), _mm_loadu_si128(weights.wrapping_add(8).cast())] };
        // Those of the next position, which may come from far.
        _mm_prefetch::<_MM_HINT_T0>(weights.wrapping_add(steps.wrapping_mul(32)).cast());
        weights = weights.wrapping_add(32);
        for (p, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let pair = unsafe { x.wrapping_add(p.wrapping_mul(pitch)).cast::<i32>().read_unaligned() };
            let pair = spread(pair);
            for (sum, &w) in sums.iter_mut().zip(&w) {
                *sum = add_sums(*sum, _mm_madd_epi16(pair, w));
            }
        }
        x = x.wrapping_add(2);
    }
    sums
}
