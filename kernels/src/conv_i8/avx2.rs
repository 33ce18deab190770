//! AVX2: tiles of 6 pixels times 16 channels, 12 sums in registers.
//!
//! A panel holds its inputs as int16, so that a pair of them is spread by a load; the weights are widened as they are
//! loaded and serve all pixels. vpmaddwd multiplies in pairs and is exact: the greatest sum of two products is 2^15.
//! (vpmaddubsw, which takes bytes, saturates.)
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;
use core::iter::once;
use core::ops::Range;

use super::gathered::{GROUP, TILE, TILES, WEIGHTS, gathered, plain};
use super::panel::{FAR, Job, Memory, NEAR, Panel, Runs, starts};
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::round::Output;
use crate::windows::{Window, Windows};
use crate::{Isa, Level};

/// Convolves with weights in O16K2 or O16G2; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Avx2 || !matches!(params.layout, layout::O16K2 | layout::O16G2) {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(&Job::new(params, operands, pixels), y) };
    true
}

/// Inputs in int16.
type Element = i16;
/// Of 16 channels.
type Sums = [__m256i; 2];
/// Pairs.
const TOGETHER: usize = 2;
const HEAD: usize = 0;
/// So many weights before they are needed they are asked for: a core by itself waits for those in the third-level cache.
const AHEAD: usize = 1024;

gathered!("avx2");
plain!("avx2");

/// What the sums start at.
///
/// # Safety
/// None; other variants read what stands before the weights.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn start(bias: &[i32; 16], _: *const i8) -> [__m256i; 2] {
    load(bias)
}

/// Widens `n` inputs, 16 at a time, which may be 15 more.
#[inline]
#[target_feature(enable = "avx2")]
fn copy(from: *const i8, to: *mut i16, n: usize) {
    let mut done = 0;
    while done < n {
        // SAFETY: there is room to read and to write 16 more than are copied.
        let bytes = unsafe { _mm_loadu_si128(from.wrapping_add(done).cast()) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(to.wrapping_add(done).cast(), _mm256_cvtepi8_epi16(bytes)) };
        done = done.wrapping_add(16);
    }
}

/// 16 numbers.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load(from: &[i32; 16]) -> [__m256i; 2] {
    let from = from.as_ptr();
    // SAFETY: the array holds 16 elements.
    unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.wrapping_add(8).cast())] }
}

/// The sums, with the products of runs of `steps` pairs of inputs and weights added, of `P` pixels and `8 * H` channels.
///
/// # Safety
/// A run has `P` rows of as many pairs, `pitch` apart, so many elements behind the first row, and 32 bytes of weights for
/// each of them.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn add<const P: usize, const H: usize>(
    mut sums: [[__m256i; 2]; P],
    rows: (*const i16, usize),
    runs: impl Iterator<Item = (usize, *const i8)>,
    steps: usize,
) -> [[__m256i; 2]; P] {
    let rows: [_; P] = starts(rows);
    for (mut place, mut weights) in runs {
        for _ in 0..steps {
            let mut wide = [_mm256_setzero_si256(); H];
            for (h, wide) in wide.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                *wide = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(weights.wrapping_add(16 * h).cast()) });
            }
            _mm_prefetch::<_MM_HINT_T0>(weights.wrapping_add(AHEAD));
            weights = weights.wrapping_add(32);
            for (x, sums) in rows.iter().zip(&mut sums) {
                // SAFETY: the caller's promise.
                let pair = unsafe { x.wrapping_add(place).cast::<i32>().read_unaligned() };
                let pair = _mm256_set1_epi32(pair);
                for (sum, &wide) in sums.iter_mut().zip(&wide) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pair, wide));
                }
            }
            place = place.wrapping_add(2);
        }
    }
    sums
}

/// The way from sums to int8.
pub(crate) struct Finish {
    low: __m256,
    high: __m256,
    zero_point: __m256i,
    least: __m256i,
    greatest: __m256i,
    /// Packing works in halves of a vector: this puts the fours of channels back into order.
    order: __m256i,
    /// Whether no product can leave int32, so that packing is all the clamp that int8 needs.
    small: bool,
}

impl Finish {
    #[target_feature(enable = "avx2")]
    pub(crate) fn new(output: &Output, multipliers: &[f32]) -> Self {
        Self::ordered(output, multipliers, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
    }

    /// For sums (and multipliers) of the channels 0 to 3, 8 to 11, then 4 to 7 and 12 to 15.
    #[target_feature(enable = "avx2")]
    pub(crate) fn spread(output: &Output, multipliers: &[f32]) -> Self {
        Self::ordered(output, multipliers, _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7))
    }

    #[target_feature(enable = "avx2")]
    fn ordered(output: &Output, multipliers: &[f32], order: __m256i) -> Self {
        Self {
            order,
            low: _mm256_set1_ps(output.low.wrapping_sub(output.zero_point) as f32),
            high: _mm256_set1_ps(output.high.wrapping_sub(output.zero_point) as f32),
            zero_point: _mm256_set1_epi16(output.zero_point as i16),
            least: _mm256_set1_epi8(output.low as i8),
            greatest: _mm256_set1_epi8(output.high as i8),
            small: multipliers.iter().fold(true, |small, m| small & (m.abs() < 0.99)),
        }
    }

    /// Stores the 16 channels from `channel` on of `P` pixels of `channels` each, as far as they exist; the pixels are
    /// `pitch` apart in `y`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn store<const P: usize>(
        &self,
        sums: &[[__m256i; 2]; P],
        multipliers: &[f32; 16],
        (pitch, channels): (usize, usize),
        channel: usize,
        y: &mut [i8],
    ) {
        match self.small {
            true => self.store_tile::<P, true>(sums, multipliers, (pitch, channels), channel, y),
            false => self.store_tile::<P, false>(sums, multipliers, (pitch, channels), channel, y),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn store_tile<const P: usize, const SMALL: bool>(
        &self,
        sums: &[[__m256i; 2]; P],
        multipliers: &[f32; 16],
        (pitch, channels): (usize, usize),
        channel: usize,
        y: &mut [i8],
    ) {
        let m = multipliers.as_ptr();
        // SAFETY: the array holds 16 elements.
        let multipliers = unsafe { [_mm256_loadu_ps(m), _mm256_loadu_ps(m.wrapping_add(8))] };
        let last = P.wrapping_sub(1).wrapping_mul(pitch).wrapping_add(channel).wrapping_add(16);
        let whole = channel.wrapping_add(16) <= channels && last <= y.len();
        let mut first = channel;
        let mut put = |bytes: __m128i| {
            let place = first..first.wrapping_sub(channel).wrapping_add(channels);
            if whole {
                // SAFETY: the last pixel's 16 channels end within `y`, those before it earlier.
                unsafe { _mm_storeu_si128(y.as_mut_ptr().wrapping_add(first).cast(), bytes) };
            } else if let Some(y) = y.get_mut(place) {
                match y.first_chunk_mut::<16>() {
                    // SAFETY: the array holds 16 bytes.
                    Some(y) => unsafe { _mm_storeu_si128(y.as_mut_ptr().cast(), bytes) },
                    None => store_part(bytes, y),
                }
            }
            first = first.wrapping_add(pitch);
        };
        let (pairs, last) = sums.as_chunks::<2>();
        for &[a, b] in pairs {
            let both = self.bytes::<SMALL>(a, b, multipliers);
            put(_mm256_castsi256_si128(both));
            put(_mm256_extracti128_si256::<1>(both));
        }
        for &a in last {
            put(_mm256_castsi256_si128(self.bytes::<SMALL>(a, a, multipliers)));
        }
    }

    /// 16 channels of two pixels, one after the other.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn bytes<const SMALL: bool>(&self, a: [__m256i; 2], b: [__m256i; 2], multipliers: [__m256; 2]) -> __m256i {
        let one = |sum: __m256i, multipliers: __m256| {
            let v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), multipliers);
            // The second operand wins against a NaN, as in the contract.
            let v = if SMALL { v } else { _mm256_min_ps(_mm256_max_ps(v, self.low), self.high) };
            _mm256_cvtps_epi32(v)
        };
        let [m, n] = multipliers;
        let words = |[s, t]: [__m256i; 2]| {
            // A sum above int16 stays so far outside of int8 that the zero point does not bring it back.
            _mm256_adds_epi16(_mm256_packs_epi32(one(s, m), one(t, n)), self.zero_point)
        };
        let bytes = _mm256_packs_epi16(words(a), words(b));
        let bytes = _mm256_min_epi8(_mm256_max_epi8(bytes, self.least), self.greatest);
        _mm256_permutevar8x32_epi32(bytes, self.order)
    }
}

/// Stores the first bytes, where less than 16 channels are left.
#[inline]
#[target_feature(enable = "avx2")]
fn store_part(bytes: __m128i, y: &mut [i8]) {
    let (eights, rest) = y.as_chunks_mut::<8>();
    let mut bytes = bytes;
    for y in eights {
        // SAFETY: the array holds 8 bytes.
        unsafe { _mm_storel_epi64(y.as_mut_ptr().cast(), bytes) };
        bytes = _mm_unpackhi_epi64(bytes, bytes);
    }
    let mut left = _mm_cvtsi128_si64(bytes);
    for y in rest {
        (*y, left) = (left as i8, left >> 8);
    }
}
