//! NEON: two pixels times 16 channels (8 where there are fewer), products of bytes widened to int16 and added to int32.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::aarch64::*;

use super::tiles::{GROUP, Job, Places};
use super::{Operands, Params};
use crate::pixels::Pixels;
use crate::round_neon::{four, narrow};
use crate::rows::rows_mut;
use crate::windows::Window;
use crate::{Isa, Level};

/// Convolves; false where the CPU has not the instruction set, there are fewer channels than half a vector holds, or the
/// kernel is too large.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Neon || params.geometry.out_channels < 8 {
        return false;
    }
    let Some(job) = Job::new(params, operands, pixels) else { return false };
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { if job.channels < 16 { all::<8>(&job, y) } else { all::<16>(&job, y) } };
    true
}

/// All pixels, `W` channels at a time, of which there are as many at least.
#[target_feature(enable = "neon")]
fn all<const W: usize>(job: &Job<'_>, y: &mut [i8]) {
    let (mut windows, mut twos, mut ones) = (job.windows.clone(), Places::<2>::new(job), Places::<1>::new(job));
    let two = job.channels.wrapping_mul(2);
    let whole = y.len().checked_div(two).unwrap_or(0).wrapping_mul(two);
    let Some((pairs, last)) = y.split_at_mut_checked(whole) else { return };
    for y in rows_mut(pairs, two) {
        tile::<_, W>(job, &windows.take(), &mut twos, y);
    }
    for y in rows_mut(last, job.channels) {
        tile::<_, W>(job, &windows.take(), &mut ones, y);
    }
}

/// `P` pixels, all channels.
#[target_feature(enable = "neon")]
fn tile<const P: usize, const W: usize>(job: &Job<'_>, windows: &[Window; P], places: &mut Places<P>, y: &mut [i8]) {
    let mut group = 0;
    while group < job.channels {
        places.find(job, windows, group);
        let end = job.channels.min(group.wrapping_add(GROUP));
        let mut channel = group;
        while channel < end {
            // The last channels may have been computed in part before: they come out the same.
            let first = channel.min(job.channels.wrapping_sub(W));
            let offset = first.cast_signed().wrapping_sub(group.cast_signed());
            if W == 16 {
                // SAFETY: 16 channels exist from `first` on, which lies in the group or less than 16 before it.
                unsafe { part(job, places, first, offset, y) };
            } else {
                // SAFETY: the same with 8.
                unsafe { half(job, places, first, offset, y) };
            }
            channel = channel.wrapping_add(W);
        }
        group = end;
    }
}

/// 16 channels from `channel` on, which lies `offset` after the places.
///
/// # Safety
/// These channels exist and belong to the group of the places, or lie less than 16 before it.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn part<const P: usize>(job: &Job<'_>, places: &Places<P>, channel: usize, offset: isize, y: &mut [i8]) {
    let mut weights = job.operands.weights.as_ptr().wrapping_add(channel);
    let (bias, multipliers) =
        (job.operands.bias.as_ptr().wrapping_add(channel), job.operands.multipliers.as_ptr().wrapping_add(channel));
    let mut start = [vdupq_n_s32(0); 4];
    for (k, start) in start.iter_mut().enumerate() {
        // SAFETY: the caller's promise, for the bias.
        *start = unsafe { vld1q_s32(bias.wrapping_add(k.wrapping_mul(4))) };
    }
    let mut sums = [start; P];
    for taps in places.taps() {
        // SAFETY: the caller's promise, for the weights.
        let w = unsafe { vld1q_s8(weights) };
        weights = weights.wrapping_add(job.channels);
        for ([a, b, c, d], tap) in sums.iter_mut().zip(taps) {
            // SAFETY: the caller's promise, for pixels.
            let x = unsafe { vld1q_s8(tap.wrapping_offset(offset)) };
            let (low, high) = (vmull_s8(vget_low_s8(x), vget_low_s8(w)), vmull_high_s8(x, w));
            *a = vaddw_s16(*a, vget_low_s16(low));
            *b = vaddw_high_s16(*b, low);
            *c = vaddw_s16(*c, vget_low_s16(high));
            *d = vaddw_high_s16(*d, high);
        }
    }
    let mut first = channel;
    for sums in sums {
        let mut out = sums;
        for (k, out) in out.iter_mut().enumerate() {
            // SAFETY: the caller's promise, for the multipliers.
            let m = unsafe { vld1q_f32(multipliers.wrapping_add(k.wrapping_mul(4))) };
            *out = four(&job.params.output, *out, m);
        }
        let Some(y) = y.get_mut(first..).and_then(<[i8]>::first_chunk_mut::<16>) else { return };
        // SAFETY: the array holds 16 bytes.
        unsafe { vst1q_s8(y.as_mut_ptr(), narrow(out)) };
        first = first.wrapping_add(job.channels);
    }
}

/// 8 channels from `channel` on, which lies `offset` after the places.
///
/// # Safety
/// These channels exist and belong to the group of the places, or lie less than 16 before it.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn half<const P: usize>(job: &Job<'_>, places: &Places<P>, channel: usize, offset: isize, y: &mut [i8]) {
    let mut weights = job.operands.weights.as_ptr().wrapping_add(channel);
    let (bias, multipliers) =
        (job.operands.bias.as_ptr().wrapping_add(channel), job.operands.multipliers.as_ptr().wrapping_add(channel));
    // SAFETY: the caller's promise, for bias and multipliers.
    let (start, m) = unsafe {
        let start = [vld1q_s32(bias), vld1q_s32(bias.wrapping_add(4))];
        (start, [vld1q_f32(multipliers), vld1q_f32(multipliers.wrapping_add(4))])
    };
    let mut sums = [start; P];
    for taps in places.taps() {
        // SAFETY: the caller's promise, for the weights.
        let w = unsafe { vld1_s8(weights) };
        weights = weights.wrapping_add(job.channels);
        for ([a, b], tap) in sums.iter_mut().zip(taps) {
            // SAFETY: the caller's promise, for pixels.
            let products = vmull_s8(unsafe { vld1_s8(tap.wrapping_offset(offset)) }, w);
            *a = vaddw_s16(*a, vget_low_s16(products));
            *b = vaddw_high_s16(*b, products);
        }
    }
    let (output, mut first) = (&job.params.output, channel);
    for [a, b] in sums {
        let words = vcombine_s16(vmovn_s32(four(output, a, m[0])), vmovn_s32(four(output, b, m[1])));
        let Some(y) = y.get_mut(first..).and_then(<[i8]>::first_chunk_mut::<8>) else { return };
        // SAFETY: the array holds 8 bytes.
        unsafe { vst1_s8(y.as_mut_ptr(), vmovn_s16(words)) };
        first = first.wrapping_add(job.channels);
    }
}
