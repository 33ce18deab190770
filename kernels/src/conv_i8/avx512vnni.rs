//! AVX-512 VNNI: tiles of several pixels times 16, 32 or 64 channels, 24 sums in registers.
//!
//! vpdpbusd multiplies unsigned by signed bytes, so that it gets `x + 128` (x with its top bit flipped), and the sums start
//! at `bias - 128 * Σ w` over all taps: in wrapping int32 the result is the same.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::intrinsics::*;

use super::tiles::{Job, Stretches};
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::windows::Windows;
use crate::{Isa, Level};

/// Convolves with weights in O16I4; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() != Level::Avx512Vnni || params.layout != layout::O16I4 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(&Job::new(params, operands, pixels), y) };
    true
}

#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn all(job: &Job<'_>, y: &mut [i8]) {
    let (mut block, blocks) = (0, job.blocks());
    while block < blocks {
        block += match blocks - block {
            1 => strip::<12, 1>(job, block, y),
            2 | 3 => strip::<12, 2>(job, block, y),
            _ => strip::<6, 4>(job, block, y),
        };
    }
}

/// What `B` blocks of 16 channels share over all pixels.
struct Strip<'a, const B: usize> {
    job: &'a Job<'a>,
    /// The blocks' weights.
    weights: [*const i8; B],
    /// What the sums start at.
    start: [__m512i; B],
    multipliers: [__m512; B],
    /// First channel, and how many there are.
    channel: usize,
    channels: usize,
    /// The top bit of every byte.
    flip: __m512i,
}

/// All pixels of `B` blocks, `P` at a time; returns `B`.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn strip<const P: usize, const B: usize>(job: &Job<'_>, block: usize, y: &mut [i8]) -> usize {
    let strip = prepare::<B>(job, block);
    let mut windows = job.windows.clone();
    let (mut pixel, pixels) = (0, job.pixels);
    while pixel < pixels {
        pixel += match pixels - pixel {
            n if n >= P => tile::<P, B>(&strip, &mut windows, pixel, y),
            4.. => tile::<4, B>(&strip, &mut windows, pixel, y),
            2 | 3 => tile::<2, B>(&strip, &mut windows, pixel, y),
            _ => tile::<1, B>(&strip, &mut windows, pixel, y),
        };
    }
    B
}

#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn prepare<'a, const B: usize>(job: &'a Job<'a>, block: usize) -> Strip<'a, B> {
    let channel = block.wrapping_mul(16);
    let mut strip = Strip {
        job,
        weights: [core::ptr::null(); B],
        start: [_mm512_setzero_si512(); B],
        multipliers: [_mm512_setzero_ps(); B],
        channel,
        channels: job.operands.bias.len().wrapping_sub(channel).min(16 * B),
        // Hidden from the compiler, which would flip a scalar before it is spread, in three instructions instead of one.
        flip: core::hint::black_box(_mm512_set1_epi8(-128)),
    };
    let slots = strip.weights.iter_mut().zip(&mut strip.start).zip(&mut strip.multipliers);
    for (k, ((w, start), m)) in slots.enumerate() {
        let (weights, channel) = (job.block(block.wrapping_add(k)), channel.wrapping_add(k.wrapping_mul(16)));
        let bias = job.operands.bias.get(channel..).unwrap_or_default();
        let multipliers = job.operands.multipliers.get(channel..).unwrap_or_default();
        let mask = ((1u32 << bias.len().min(multipliers.len()).min(16)) - 1) as __mmask16;
        // SAFETY: the slice holds as many elements as the mask has bits.
        let bias = unsafe { _mm512_maskz_loadu_epi32(mask, bias.as_ptr()) };
        // SAFETY: the slice holds as many elements as the mask has bits.
        *m = unsafe { _mm512_maskz_loadu_ps(mask, multipliers.as_ptr()) };
        (*w, *start) = (weights.as_ptr(), _mm512_sub_epi32(bias, sums_of_128(weights)));
    }
    strip
}

/// `128 * Σ w` of every channel of a block.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn sums_of_128(weights: &[i8]) -> __m512i {
    let (mut a, mut b) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    let all_128 = _mm512_set1_epi8(-128);
    let add = |sum: &mut __m512i, w: &[i8; 64]| {
        // SAFETY: the array holds 64 bytes.
        *sum = _mm512_dpbusd_epi32(*sum, all_128, unsafe { _mm512_loadu_epi8(w.as_ptr()) });
    };
    let (pairs, last) = weights.as_chunks::<64>().0.as_chunks::<2>();
    for [even, odd] in pairs {
        add(&mut a, even);
        add(&mut b, odd);
    }
    for w in last {
        add(&mut a, w);
    }
    _mm512_add_epi32(a, b)
}

/// The next `P` pixels, the first of which is `pixel`; returns `P`.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn tile<const P: usize, const B: usize>(
    strip: &Strip<'_, B>,
    windows: &mut Windows,
    pixel: usize,
    y: &mut [i8],
) -> usize {
    let sums = sums::<P, B>(strip, Stretches::new(strip.job, windows.take()));
    let out_channels = strip.job.params.geometry.out_channels as usize;
    let output = &strip.job.params.output;
    let low = _mm512_set1_ps(output.low.wrapping_sub(output.zero_point) as f32);
    let high = _mm512_set1_ps(output.high.wrapping_sub(output.zero_point) as f32);
    let zero_point = _mm512_set1_epi16(output.zero_point as i16);
    // Packing works in quarters of a vector: this puts the fours of channels back into order.
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    let mask = u64::MAX >> (64usize.wrapping_sub(strip.channels) & 63);
    for (p, sums) in sums.iter().enumerate() {
        let mut steps = [_mm512_setzero_si512(); 4];
        for ((steps, &sum), &multipliers) in steps.iter_mut().zip(sums).zip(&strip.multipliers) {
            let v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), multipliers);
            // The second operand wins against a NaN, as in the contract.
            let v = _mm512_min_ps(_mm512_max_ps(v, low), high);
            *steps = _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v);
        }
        let [a, b, c, d] = steps;
        let ab = _mm512_add_epi16(_mm512_packs_epi32(a, b), zero_point);
        let cd = _mm512_add_epi16(_mm512_packs_epi32(c, d), zero_point);
        let out = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(ab, cd));
        let first = pixel.wrapping_add(p).wrapping_mul(out_channels).wrapping_add(strip.channel);
        let Some(y) = y.get_mut(first..first.wrapping_add(strip.channels)) else { return P };
        // SAFETY: the slice holds as many bytes as the mask has bits.
        unsafe { _mm512_mask_storeu_epi8(y.as_mut_ptr(), mask, out) };
    }
    P
}

/// The sums of a tile.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn sums<const P: usize, const B: usize>(strip: &Strip<'_, B>, mut stretches: Stretches<'_, P>) -> [[__m512i; B]; P] {
    let mut sums = [strip.start; P];
    let mut weights = strip.weights;
    while let Some(stretch) = stretches.next() {
        for k in 0..stretch.steps {
            let mut w = [_mm512_setzero_si512(); B];
            for (w, weights) in w.iter_mut().zip(&mut weights) {
                // SAFETY: a block has 64 bytes for every step of the walk.
                *w = unsafe { _mm512_loadu_epi8(*weights) };
                *weights = weights.wrapping_add(64);
            }
            for (sums, x) in sums.iter_mut().zip(&stretch.x) {
                // SAFETY: a stretch has 4 bytes of every pixel for every step.
                let four = unsafe { x.wrapping_add(k.wrapping_mul(4)).cast::<i32>().read_unaligned() };
                let x = _mm512_xor_si512(_mm512_set1_epi32(four), strip.flip);
                for (sum, &w) in sums.iter_mut().zip(&w) {
                    *sum = _mm512_dpbusd_epi32(*sum, x, w);
                }
            }
        }
    }
    sums
}
