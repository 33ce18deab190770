//! NEON: two pixels times 16 channels by widening products; with SDOT four pixels; with SMMLA two pairs of pixels.
//!
//! Products of bytes are widened to int16 and added in pairs to int32, which is exact. Their intrinsics for SDOT and SMMLA
//! are not stable, so these two are written in assembly.
#![allow(unsafe_code)] // Loads and stores of vectors, and instructions that no stable intrinsic gives.

use core::arch::aarch64::*;
use core::arch::asm;

use super::tiles::{Job, Stretches};
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::round_neon::{four, narrow};
use crate::windows::Windows;
use crate::{Isa, Level};

/// Convolves with weights in O16I4; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if params.layout != layout::O16I4 {
        return false;
    }
    let job = Job::new(params, operands, pixels);
    match isa.level() {
        // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
        Level::I8mm => unsafe { all::<4>(&job, y, |s, w| sums_matrix(s, w)) },
        // SAFETY: as above.
        Level::Dotprod => unsafe { all::<4>(&job, y, |s, w| sums_dot(s, w)) },
        // SAFETY: as above.
        Level::Neon => unsafe { all::<2>(&job, y, |s, w| sums_wide(s, w)) },
        _ => return false,
    }
    true
}

/// The sums of `P` pixels: four vectors of four channels.
type Sums<const P: usize> = [[int32x4_t; 4]; P];

/// A block of 16 channels after the other, `P` pixels at a time. Windows after the last pixel lie in the padding.
#[inline]
#[target_feature(enable = "neon")]
fn all<const P: usize>(job: &Job<'_>, y: &mut [i8], sums: impl Fn(Stretches<'_, P>, &[i8]) -> Sums<P>) {
    let channels = job.params.geometry.out_channels as usize;
    for block in 0..job.blocks() {
        let channel = block.wrapping_mul(16);
        let (mut bias, mut multipliers, mut count) = ([0i32; 16], [0f32; 16], 0usize);
        let given = job.operands.bias.iter().zip(job.operands.multipliers).skip(channel);
        for ((slot, multiplier), given) in bias.iter_mut().zip(&mut multipliers).zip(given) {
            (*slot, *multiplier) = (*given.0, *given.1);
            count = count.wrapping_add(1);
        }
        let mut windows: Windows = job.windows.clone();
        let mut pixel = 0;
        while pixel < job.pixels {
            let all = sums(Stretches::new(job, windows.take()), job.block(block));
            for sums in all {
                let first = pixel.wrapping_mul(channels).wrapping_add(channel);
                let out = outputs(job, sums, &bias, &multipliers);
                let Some(y) = y.get_mut(first..first.wrapping_add(count)) else { break };
                match y.first_chunk_mut::<16>() {
                    // SAFETY: the array holds 16 bytes.
                    Some(y) => unsafe { vst1q_s8(y.as_mut_ptr(), out) },
                    None => store_part(out, y),
                }
                pixel = pixel.wrapping_add(1);
            }
            // After a break the pixels are done.
            if pixel.wrapping_mul(channels) >= y.len() {
                break;
            }
        }
    }
}

/// From sums without bias to int8.
#[inline]
#[target_feature(enable = "neon")]
fn outputs(job: &Job<'_>, sums: [int32x4_t; 4], bias: &[i32; 16], multipliers: &[f32; 16]) -> int8x16_t {
    let mut out = sums;
    let operands = bias.as_chunks::<4>().0.iter().zip(multipliers.as_chunks::<4>().0);
    for (out, (bias, multipliers)) in out.iter_mut().zip(operands) {
        // SAFETY: the arrays hold four numbers.
        let (bias, multipliers) = unsafe { (vld1q_s32(bias.as_ptr()), vld1q_f32(multipliers.as_ptr())) };
        *out = four(&job.params.output, vaddq_s32(*out, bias), multipliers);
    }
    narrow(out)
}

/// Stores the first bytes, where less than 16 channels are left.
#[cold]
#[target_feature(enable = "neon")]
fn store_part(bytes: int8x16_t, y: &mut [i8]) {
    let mut all = [0i8; 16];
    // SAFETY: the array holds 16 bytes.
    unsafe { vst1q_s8(all.as_mut_ptr(), bytes) };
    for (y, byte) in y.iter_mut().zip(all) {
        *y = byte;
    }
}

/// The 64 weights of a step.
///
/// # Safety
/// They exist.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load(weights: *const i8) -> [int8x16_t; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        [
            vld1q_s8(weights),
            vld1q_s8(weights.wrapping_add(16)),
            vld1q_s8(weights.wrapping_add(32)),
            vld1q_s8(weights.wrapping_add(48)),
        ]
    }
}

/// Four bytes of a pixel, repeated.
///
/// # Safety
/// They exist.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn repeat(x: *const i8) -> int8x16_t {
    // SAFETY: the caller's promise.
    vreinterpretq_s8_s32(vdupq_n_s32(unsafe { x.cast::<i32>().read_unaligned() }))
}

/// By widening products: channels 0, 1 and 2, 3 of every vector are summed in two halves each.
#[inline]
#[target_feature(enable = "neon")]
fn sums_wide(mut stretches: Stretches<'_, 2>, weights: &[i8]) -> Sums<2> {
    let mut halves = [[[vdupq_n_s32(0); 2]; 4]; 2];
    let mut weights = weights.as_ptr();
    while let Some(stretch) = stretches.next() {
        for k in 0..stretch.steps {
            // SAFETY: a block has 64 bytes for every step of the walk.
            let w = unsafe { load(weights) };
            weights = weights.wrapping_add(64);
            for (halves, x) in halves.iter_mut().zip(&stretch.x) {
                // SAFETY: a stretch has 4 bytes of every pixel for every step.
                let x = unsafe { repeat(x.wrapping_add(k.wrapping_mul(4))) };
                for ([low, high], &w) in halves.iter_mut().zip(&w) {
                    *low = vpadalq_s16(*low, vmull_s8(vget_low_s8(w), vget_low_s8(x)));
                    *high = vpadalq_s16(*high, vmull_high_s8(w, x));
                }
            }
        }
    }
    halves.map(|pixel| pixel.map(|[low, high]| vpaddq_s32(low, high)))
}

/// `sum + Σ a * b` over every four bytes.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: reads and writes registers only; the CPU has the instruction.
    unsafe {
        asm!("sdot {s:v}.4s, {a:v}.16b, {b:v}.16b", s = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sums_dot(mut stretches: Stretches<'_, 4>, weights: &[i8]) -> Sums<4> {
    let mut sums = [[vdupq_n_s32(0); 4]; 4];
    let mut weights = weights.as_ptr();
    while let Some(stretch) = stretches.next() {
        for k in 0..stretch.steps {
            // SAFETY: a block has 64 bytes for every step of the walk.
            let w = unsafe { load(weights) };
            weights = weights.wrapping_add(64);
            for (sums, x) in sums.iter_mut().zip(&stretch.x) {
                // SAFETY: a stretch has 4 bytes of every pixel for every step.
                let x = unsafe { repeat(x.wrapping_add(k.wrapping_mul(4))) };
                for (sum, &w) in sums.iter_mut().zip(&w) {
                    *sum = sdot(*sum, w, x);
                }
            }
        }
    }
    sums
}

/// `sum + a * b` of a matrix of two rows `a` and of two rows `b` of eight bytes.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn smmla(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: reads and writes registers only; the CPU has the instruction.
    unsafe {
        asm!("smmla {s:v}.4s, {a:v}.16b, {b:v}.16b", s = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// Eight weights of channels 0 and 1, and of 2 and 3, from two steps of four.
#[inline]
#[target_feature(enable = "neon")]
fn eights(a: int8x16_t, b: int8x16_t) -> [int8x16_t; 2] {
    let (a, b) = (vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b));
    [vreinterpretq_s8_s32(vzip1q_s32(a, b)), vreinterpretq_s8_s32(vzip2q_s32(a, b))]
}

/// Two steps at a time; a lone one beside zeros.
#[inline]
#[target_feature(enable = "neon,dotprod,i8mm")]
fn sums_matrix(mut stretches: Stretches<'_, 4>, weights: &[i8]) -> Sums<4> {
    // For every pair of pixels and pair of channels: two sums of the first pixel, two of the second.
    let mut sums = [[vdupq_n_s32(0); 8]; 2];
    let mut weights = weights.as_ptr();
    let zero = vdupq_n_s8(0);
    while let Some(stretch) = stretches.next() {
        let [p, q, r, s] = stretch.x;
        let mut k = 0;
        while k < stretch.steps {
            let (two, at) = (k.wrapping_add(1) < stretch.steps, k.wrapping_mul(4));
            // SAFETY: a block has 64 bytes for every step of the walk.
            let first = unsafe { load(weights) };
            let (second, pairs) = if two {
                // SAFETY: as above, and a stretch has 4 bytes of every pixel for every step.
                unsafe {
                    let eight = |a: *const i8, b: *const i8| {
                        vcombine_s8(vld1_s8(a.wrapping_add(at)), vld1_s8(b.wrapping_add(at)))
                    };
                    (load(weights.wrapping_add(64)), [eight(p, q), eight(r, s)])
                }
            } else {
                // SAFETY: as above.
                let four = |a: *const i8, b: *const i8| unsafe {
                    vreinterpretq_s8_s32(vzip1q_s32(
                        vreinterpretq_s32_s8(repeat(a.wrapping_add(at))),
                        vreinterpretq_s32_s8(repeat(b.wrapping_add(at))),
                    ))
                };
                // Lanes a, b, a, b become a, -, b, -.
                let spread = |v: int8x16_t| {
                    let v = vreinterpretq_s32_s8(v);
                    vreinterpretq_s8_s32(vzip1q_s32(v, vdupq_n_s32(0)))
                };
                ([zero; 4], [spread(four(p, q)), spread(four(r, s))])
            };
            for (quarter, (&a, &b)) in first.iter().zip(&second).enumerate() {
                let channels = eights(a, b);
                for (sums, &pixels) in sums.iter_mut().zip(&pairs) {
                    for (half, &w) in channels.iter().enumerate() {
                        if let Some(sum) = sums.get_mut(quarter.wrapping_mul(2).wrapping_add(half)) {
                            *sum = smmla(*sum, pixels, w);
                        }
                    }
                }
            }
            let done = if two { 2 } else { 1 };
            k = k.wrapping_add(done);
            weights = weights.wrapping_add(done.wrapping_mul(64));
        }
    }
    let [a, b] = sums.map(|[a, b, c, d, e, f, g, h]| {
        let part = |x, y| {
            let (x, y) = (vreinterpretq_s64_s32(x), vreinterpretq_s64_s32(y));
            [vreinterpretq_s32_s64(vzip1q_s64(x, y)), vreinterpretq_s32_s64(vzip2q_s64(x, y))]
        };
        let [a, b, c, d] = [part(a, b), part(c, d), part(e, f), part(g, h)];
        [[a[0], b[0], c[0], d[0]], [a[1], b[1], c[1], d[1]]]
    });
    let ([a, b], [c, d]) = (a, b);
    [a, b, c, d]
}
