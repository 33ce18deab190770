//! AVX-512 VNNI: up to 128 channels of a pixel at a time; vpdpbusd adds one of every four bytes, for which the others are
//! multiplied by zero.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::{Job, Params};
use crate::Isa;
use crate::intrinsics::*;
use crate::pixels::Pixels;
use crate::runs::{self, Run};

/// The sums of 64 channels: in vector k those of every fourth channel from number k on.
type Sums = [__m512i; 4];

/// Pools; false where the CPU has not the instruction set.
pub(super) fn run(isa: Isa, job: &Job<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let (params, g) = (job.params, &job.params.geometry);
    if !isa.has_avx512() {
        return false;
    }
    runs::part(pixels, &g.rows(), &g.columns(), g.channels, 1, |w| {
        let multiplier = params.multiplier(job.multipliers, w.place[0], w.place[1]);
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { window(job, w, multiplier, y) }
    });
    true
}

/// One pixel, all channels.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn window(job: &Job<'_>, w: &Run, multiplier: f32, y: &mut [i8]) {
    if !w.fits(job.channels, job.x.len(), y.len()) {
        return;
    }
    let mut channel = 0usize;
    while channel < job.channels {
        let left = job.channels.wrapping_sub(channel);
        // SAFETY: the window fits, as was just checked, with the channels that are left.
        unsafe {
            if left > 64 {
                part::<2>(job, w, (channel, left.min(128)), multiplier, y);
            } else {
                part::<1>(job, w, (channel, left), multiplier, y);
            }
        }
        channel = channel.wrapping_add(128);
    }
}

/// So many channels from one on, more than fill all but the last of `V` vectors.
///
/// # Safety
/// The window fits into x and y, with these channels.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn part<const V: usize>(
    job: &Job<'_>,
    w: &Run,
    (channel, count): (usize, usize),
    multiplier: f32,
    y: &mut [i8],
) {
    let mut masks = [u64::MAX; V];
    if let Some(last) = masks.last_mut() {
        *last = u64::MAX >> (V.wrapping_mul(64).wrapping_sub(count) & 63);
    }
    // SAFETY: the caller's promise.
    let sums = unsafe { sums(job.x.as_ptr().wrapping_add(w.x).wrapping_add(channel), w.taps, w.steps, &masks) };
    let taps = w.taps[0].wrapping_mul(w.taps[1]) as i32;
    let to = y.as_mut_ptr().wrapping_add(w.y).wrapping_add(channel);
    for (k, (sums, &mask)) in sums.into_iter().zip(&masks).enumerate() {
        let bytes = outputs(job.params, sums, taps, multiplier);
        // SAFETY: the caller's promise.
        unsafe { _mm512_mask_storeu_epi8(to.wrapping_add(k.wrapping_mul(64)), mask, bytes) };
    }
}

/// The sums over rows and columns of taps, so far apart, of the channels in the masks from the first of `x` on.
///
/// # Safety
/// Every tap has these channels.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn sums<const V: usize>(x: *const i8, taps: [usize; 2], steps: [usize; 2], masks: &[u64; V]) -> [Sums; V] {
    let one = _mm512_set1_epi32(1);
    let ones = [one, _mm512_slli_epi32::<8>(one), _mm512_slli_epi32::<16>(one), _mm512_slli_epi32::<24>(one)];
    let mut sums = [[_mm512_setzero_si512(); 4]; V];
    let mut row = x;
    for _ in 0..taps[0] {
        let mut tap = row;
        for _ in 0..taps[1] {
            for (k, (sums, &mask)) in sums.iter_mut().zip(masks).enumerate() {
                // SAFETY: the caller's promise.
                let x = unsafe { _mm512_maskz_loadu_epi8(mask, tap.wrapping_add(k.wrapping_mul(64))) };
                for (sum, &one) in sums.iter_mut().zip(&ones) {
                    *sum = _mm512_dpbusd_epi32(*sum, one, x);
                }
            }
            tap = tap.wrapping_add(steps[1]);
        }
        row = row.wrapping_add(steps[0]);
    }
    sums
}

/// The sums of all channels over neighbouring pixels, which are all of `x`: 64 for every 64 channels that begin, in the order of
/// [`Sums`]. False where the CPU has not the instruction set.
pub(super) fn add(isa: Isa, channels: usize, x: &[i8], to: &mut [i32]) -> bool {
    if isa.has_avx512() {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { add_all(channels, x, to) };
    }
    isa.has_avx512()
}

#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn add_all(channels: usize, x: &[i8], to: &mut [i32]) {
    let pixels = x.len().checked_div(channels).unwrap_or(0);
    for (k, to) in to.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let channel = k.wrapping_mul(64);
        let Some(left) = channels.checked_sub(channel).filter(|&left| left > 0) else { return };
        let mask = u64::MAX >> (64usize.wrapping_sub(left.min(64)) & 63);
        // SAFETY: there are as many pixels, each with the channels of the mask.
        let [sums] = unsafe { sums(x.as_ptr().wrapping_add(channel), [1, pixels], [0, channels], &[mask]) };
        for (to, sum) in to.as_chunks_mut::<16>().0.iter_mut().zip(sums) {
            // SAFETY: the array holds 16 numbers.
            unsafe { _mm512_storeu_epi32(to.as_mut_ptr(), sum) };
        }
    }
}

/// From what [`add`] left, over so many pixels, to outputs; false where the CPU has not the instruction set.
pub(super) fn finish(isa: Isa, params: &Params, from: &[i32], (taps, multiplier): (i32, f32), y: &mut [i8]) -> bool {
    if isa.has_avx512() {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        unsafe { finish_all(params, from, (taps, multiplier), y) };
    }
    isa.has_avx512()
}

#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn finish_all(params: &Params, from: &[i32], (taps, multiplier): (i32, f32), y: &mut [i8]) {
    for (from, y) in from.as_chunks::<64>().0.iter().zip(y.chunks_mut(64)) {
        let mut sums = [_mm512_setzero_si512(); 4];
        for (sum, from) in sums.iter_mut().zip(from.as_chunks::<16>().0) {
            // SAFETY: the array holds 16 numbers.
            *sum = unsafe { _mm512_maskz_loadu_epi32(u16::MAX, from.as_ptr()) };
        }
        let mask = u64::MAX >> (64usize.wrapping_sub(y.len()) & 63);
        // SAFETY: the slice holds as many bytes as the mask has bits.
        unsafe { _mm512_mask_storeu_epi8(y.as_mut_ptr(), mask, outputs(params, sums, taps, multiplier)) };
    }
}

/// From sums over so many taps to int8, in the order of the channels.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn outputs(params: &Params, sums: Sums, taps: i32, multiplier: f32) -> __m512i {
    let output = params.output();
    let zero_points = _mm512_set1_epi32(taps.wrapping_mul(params.input_zero_point));
    let low = _mm512_set1_ps(output.low.wrapping_sub(output.zero_point) as f32);
    let high = _mm512_set1_ps(output.high.wrapping_sub(output.zero_point) as f32);
    let mut steps = [_mm512_setzero_si512(); 4];
    for (step, sum) in steps.iter_mut().zip(sums) {
        let sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, zero_points));
        // The second operand wins against a NaN, as in the contract.
        let v = _mm512_min_ps(_mm512_max_ps(_mm512_mul_ps(sum, _mm512_set1_ps(multiplier)), low), high);
        let v = _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v);
        *step = _mm512_add_epi32(v, _mm512_set1_epi32(output.zero_point));
    }
    let [a, b, c, d] = steps;
    let ab = _mm512_mask_blend_epi8(0x2222_2222_2222_2222, a, _mm512_slli_epi32::<8>(b));
    let abc = _mm512_mask_blend_epi8(0x4444_4444_4444_4444, ab, _mm512_slli_epi32::<16>(c));
    _mm512_mask_blend_epi8(0x8888_8888_8888_8888, abc, _mm512_slli_epi32::<24>(d))
}
