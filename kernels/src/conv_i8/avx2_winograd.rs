//! AVX2, Winograd's F(2x2, 3x3) and F(4x4, 3x3).
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::{
    __m256i as Vector, _mm256_add_epi16 as add_words, _mm256_add_epi32 as add_sums, _mm256_mullo_epi32 as multiply,
    _mm256_set1_epi32 as spread, _mm256_setzero_si256 as zero, _mm256_slli_epi16 as shift_words,
    _mm256_slli_epi32 as shift_sums, _mm256_sra_epi32 as shift_right_by, _mm256_srai_epi32 as shift_right,
    _mm256_storeu_si256 as store, _mm256_sub_epi16 as sub_words, _mm256_sub_epi32 as sub_sums, *,
};
use core::mem::MaybeUninit;

use super::avx2::{Finish, load};
use super::panel::Job;
use super::transformed::{PANEL, TILES, TOGETHER, transformed};
use super::winograd::INPUTS;
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::winograd::{Tile, Tiles};
use crate::{Isa, Level};

/// Of 16 channels.
type Sums = [Vector; VECTORS];
const VECTORS: usize = 2;
const WIDTH: usize = 16;

transformed!("avx2", Level::Avx2);

/// 16 inputs, widened.
///
/// # Safety
/// They can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widened(x: *const i8) -> Vector {
    // SAFETY: the caller's promise.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(x.cast()) })
}

/// The sums of `steps` pairs of inputs times weights, of `P` rows and 16 channels.
///
/// # Safety
/// There are `P` rows of as many pairs at `x`, `pitch` apart, and 64 bytes of weights for each of them.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn add<const P: usize>(
    (mut x, pitch): (*const i16, usize),
    mut weights: *const i16,
    steps: usize,
) -> [[__m256i; 2]; P] {
    let mut sums = [[_mm256_setzero_si256(); 2]; P];
    for _ in 0..steps {
        // SAFETY: the caller's promise.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(weights.cast()), _mm256_loadu_si256(weights.wrapping_add(16).cast())) };
        // Those of the next position, which may come from far.
        _mm_prefetch::<_MM_HINT_T0>(weights.wrapping_add(steps.wrapping_mul(32)).cast());
        weights = weights.wrapping_add(32);
        for (p, [a, b]) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let pair = unsafe { x.wrapping_add(p.wrapping_mul(pitch)).cast::<i32>().read_unaligned() };
            let pair = _mm256_set1_epi32(pair);
            *a = _mm256_add_epi32(*a, _mm256_madd_epi16(pair, low));
            *b = _mm256_add_epi32(*b, _mm256_madd_epi16(pair, high));
        }
        x = x.wrapping_add(2);
    }
    sums
}
