//! AVX-512 VNNI: 4 pixels times 32 channels; vpdpwssd adds the products of two taps at once, exactly.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe, clippy::redundant_closure))] // Its functions are safe.

use crate::intrinsics::*;

use super::tiles::{GROUP, Job, Places};
use super::{Operands, Params};
use crate::Isa;
use crate::columns::Columns;
use crate::pixels::Pixels;
use crate::windows::Window;

/// Computes the columns of the output from channel `first` on, which exist; false where the CPU has not the instruction set or the
/// kernel is too large.
pub(super) fn run(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    pixels: &Pixels,
    first: usize,
    y: &mut Columns<'_>,
) -> bool {
    if !isa.has_avx512() {
        return false;
    }
    let Some(job) = Job::new(params, operands, pixels) else { return false };
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(&job, &mut To { y, row: 0, first }) };
    true
}

/// Where outputs go: those of the next pixels to the rows from one on, where channel `first` is in column 0.
struct To<'a, 'y> {
    y: &'a mut Columns<'y>,
    row: usize,
    first: usize,
}

#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn all(job: &Job<'_>, to: &mut To<'_, '_>) {
    let (mut windows, mut fours, mut ones) = (job.windows.clone(), Places::<4>::new(job), Places::<1>::new(job));
    let mut left = to.y.rows();
    while left > 0 {
        if left >= 4 {
            tile(job, &windows.take(), &mut fours, to);
        } else {
            tile(job, &windows.take(), &mut ones, to);
        }
        let done = if left >= 4 { 4 } else { 1 };
        (to.row, left) = (to.row.wrapping_add(done), left.wrapping_sub(done));
    }
}

/// `P` pixels, all channels that are asked for.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn tile<const P: usize>(job: &Job<'_>, windows: &[Window; P], places: &mut Places<P>, to: &mut To<'_, '_>) {
    let (mut group, last) = (to.first, to.first.wrapping_add(to.y.width()));
    while group < last {
        places.find(job, windows, group);
        let end = last.min(group + GROUP);
        let mut channel = group;
        while channel < end {
            let mask = u32::MAX >> (32 - (end - channel).min(32));
            // SAFETY: the places are those of `group`, and the channels of the mask exist.
            unsafe { part(job, places, channel, channel - group, mask, to) };
            channel += 32;
        }
        group = end;
    }
}

/// The channels in `mask` from `channel` on, which lies `offset` after the places.
///
/// # Safety
/// These channels exist and belong to the group of the places.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn part<const P: usize>(
    job: &Job<'_>,
    places: &Places<P>,
    channel: usize,
    offset: usize,
    mask: __mmask32,
    to: &mut To<'_, '_>,
) {
    let load = |from: *const i8| {
        // SAFETY: the caller's promise, for pixels and for weights.
        _mm512_cvtepi8_epi16(unsafe { _mm256_maskz_loadu_epi8(mask, from) })
    };
    let zero = _mm512_setzero_si512();
    let mut weights = job.operands.weights.as_ptr().wrapping_add(channel);
    // SAFETY: the caller's promise, for the bias.
    let mut sums = [unsafe { spread(job.operands.bias.as_ptr().wrapping_add(channel), mask) }; P];
    let (pairs, last) = places.taps().as_chunks::<2>();
    let add = |sums: &mut [__m512i; 2], [a, b]: [__m512i; 2], [low, high]: [__m512i; 2]| {
        let [s, t] = *sums;
        let s = _mm512_dpwssd_epi32(s, _mm512_unpacklo_epi16(a, b), low);
        *sums = [s, _mm512_dpwssd_epi32(t, _mm512_unpackhi_epi16(a, b), high)];
    };
    for [first, second] in pairs {
        let (v, w) = (load(weights), load(weights.wrapping_add(job.channels)));
        weights = weights.wrapping_add(job.channels.wrapping_mul(2));
        let w = [_mm512_unpacklo_epi16(v, w), _mm512_unpackhi_epi16(v, w)];
        for ((sums, a), b) in sums.iter_mut().zip(first).zip(second) {
            add(sums, [load(a.wrapping_add(offset)), load(b.wrapping_add(offset))], w);
        }
    }
    if let [only] = last {
        let w = load(weights);
        let w = [_mm512_unpacklo_epi16(w, zero), _mm512_unpackhi_epi16(w, zero)];
        for (sums, a) in sums.iter_mut().zip(only) {
            add(sums, [load(a.wrapping_add(offset)), zero], w);
        }
    }
    // SAFETY: the caller's promise, for the multipliers.
    let multipliers = unsafe { spread(job.operands.multipliers.as_ptr().cast::<i32>().wrapping_add(channel), mask) };
    let multipliers = multipliers.map(|m| _mm512_castsi512_ps(m));
    let first = channel.wrapping_sub(to.first);
    for (k, sums) in sums.into_iter().enumerate() {
        let out = outputs(job, sums, multipliers);
        let y = to.y.numbers(to.row.wrapping_add(k)).unwrap_or_default();
        let Some(y) = y.get_mut(first..first.wrapping_add(mask.count_ones() as usize)) else { return };
        // SAFETY: the slice holds as many bytes as the mask has bits.
        unsafe { _mm256_mask_storeu_epi8(y.as_mut_ptr(), mask, out) };
    }
}

/// 32 numbers in the order in which unpacking leaves channels: the first fours of every eight, then the second ones.
///
/// # Safety
/// The numbers in `mask` can be read.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn spread(from: *const i32, mask: __mmask32) -> [__m512i; 2] {
    // SAFETY: the caller's promise.
    let a = unsafe { _mm512_maskz_loadu_epi32(mask as __mmask16, from) };
    // SAFETY: the caller's promise.
    let b = unsafe { _mm512_maskz_loadu_epi32((mask >> 16) as __mmask16, from.wrapping_add(16)) };
    let even = _mm512_setr_epi32(0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    let odd = _mm512_add_epi32(even, _mm512_set1_epi32(4));
    [_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b)]
}

/// From sums to int8, channels in order.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn outputs(job: &Job<'_>, [a, b]: [__m512i; 2], [m, n]: [__m512; 2]) -> __m256i {
    let output = &job.params.output;
    let low = _mm512_set1_ps(output.low.wrapping_sub(output.zero_point) as f32);
    let high = _mm512_set1_ps(output.high.wrapping_sub(output.zero_point) as f32);
    let one = |sum: __m512i, multipliers: __m512| {
        let v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), multipliers);
        // The second operand wins against a NaN, as in the contract.
        let v = _mm512_min_ps(_mm512_max_ps(v, low), high);
        _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v)
    };
    let words = _mm512_packs_epi32(one(a, m), one(b, n));
    _mm512_cvtepi16_epi8(_mm512_add_epi16(words, _mm512_set1_epi16(output.zero_point as i16)))
}
