//! AVX2: 16 channels of a pixel at a time, summed in int16 as long as that is exact.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{Job, Params};
use crate::pixels::Pixels;
use crate::runs::{self, Run};
use crate::{Isa, Level};

/// Pools; false where the CPU has not the instruction set or there are fewer than 16 channels.
pub(super) fn run(isa: Isa, job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let (params, g) = (job.params, &job.params.geometry);
    if isa.level() < Level::Avx2 || job.channels < 16 {
        return false;
    }
    runs::part(pixels, &g.rows(), &g.columns(), g.channels, 1, |w| {
        let multiplier = params.multiplier(job.multipliers, w.place[0], w.place[1]);
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { window(job, w, multiplier, y) }
    });
    true
}

/// One pixel, all channels, of which there are at least 16.
#[target_feature(enable = "avx2")]
fn window(job: &Job<'_>, w: &Run, multiplier: f32, y: &mut [i8]) {
    let (params, x, channels) = (job.params, job.x, job.channels);
    if channels < 16 || !w.fits(channels, x.len(), y.len()) {
        return;
    }
    let mut c = 0;
    while c < channels {
        // The last 16 channels may have been computed in part before: they come out the same.
        let first = c.min(channels - 16);
        // SAFETY: the window fits, as was just checked, and so do 16 channels from the first.
        let out = outputs(params, unsafe { sums(w, x, first) }, w.taps[0].wrapping_mul(w.taps[1]), multiplier);
        // SAFETY: as above.
        unsafe { _mm_storeu_si128(y.as_mut_ptr().add(w.y + first).cast(), out) };
        c += 16;
    }
}

/// `Σ x` over the taps of 16 channels from `c` on.
///
/// # Safety
/// The window fits into the slice, with these channels.
#[target_feature(enable = "avx2")]
unsafe fn sums(w: &Run, x: &[i8], c: usize) -> [__m256i; 2] {
    let (mut wide, mut narrow, mut room) = ([_mm256_setzero_si256(); 2], _mm256_setzero_si256(), 255);
    let widen = |wide: [__m256i; 2], narrow: __m256i| {
        let (low, high) = (_mm256_castsi256_si128(narrow), _mm256_extracti128_si256::<1>(narrow));
        let [a, b] = wide;
        [_mm256_add_epi32(a, _mm256_cvtepi16_epi32(low)), _mm256_add_epi32(b, _mm256_cvtepi16_epi32(high))]
    };
    for row in 0..w.taps[0] {
        for column in 0..w.taps[1] {
            let place = w.x + row * w.steps[0] + column * w.steps[1] + c;
            // SAFETY: the channels of every tap are inside, as the caller has seen to.
            let bytes = unsafe { _mm_loadu_si128(x.as_ptr().add(place).cast()) };
            narrow = _mm256_add_epi16(narrow, _mm256_cvtepi8_epi16(bytes));
            room -= 1;
            // 255 bytes of -128 still fit into an int16.
            if room == 0 {
                (wide, narrow, room) = (widen(wide, narrow), _mm256_setzero_si256(), 255);
            }
        }
    }
    widen(wide, narrow)
}

/// From sums over `taps` taps to int8.
#[target_feature(enable = "avx2")]
fn outputs(params: &Params, [a, b]: [__m256i; 2], taps: usize, multiplier: f32) -> __m128i {
    let output = params.output();
    let zero_points = _mm256_set1_epi32((taps as i32).wrapping_mul(params.input_zero_point));
    let low = _mm256_set1_ps(output.low.wrapping_sub(output.zero_point) as f32);
    let high = _mm256_set1_ps(output.high.wrapping_sub(output.zero_point) as f32);
    let one = |sum: __m256i| {
        let sum = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, zero_points));
        // The second operand wins against a NaN, as in the contract.
        let v = _mm256_min_ps(_mm256_max_ps(_mm256_mul_ps(sum, _mm256_set1_ps(multiplier)), low), high);
        _mm256_cvtps_epi32(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v))
    };
    let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(one(a), one(b)));
    let words = _mm256_add_epi16(words, _mm256_set1_epi16(output.zero_point as i16));
    _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
}
