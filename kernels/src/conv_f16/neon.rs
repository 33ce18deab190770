//! NEON with FEAT_FP16: tiles of up to 8 pixels times 16 channels, or of one pixel times 64.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::aarch64::*;
use core::arch::asm;
use core::ops::Range;

use super::patch::{LENGTH, Row, gather};
use super::{BLOCK, Operands, Params};
use crate::Isa;
use crate::half::F16;
use crate::windows::{Window, Windows};

/// Channels of a block of weights.
const CHANNELS: usize = 16;

/// Most pixels of a tile.
const MOST: usize = 8;

/// Convolves; false where the CPU does not multiply f16.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Range<u32>, y: &mut [f32]) -> bool {
    let here = isa.has_fp16();
    if here {
        let job = Job { params, operands, products: params.products() };
        // SAFETY: the CPU has been asked.
        unsafe { all(&job, pixels, y) };
    }
    here
}

struct Job<'a> {
    params: &'a Params,
    operands: &'a Operands<'a>,
    /// Weights of a channel.
    products: usize,
}

#[target_feature(enable = "neon,fp16")]
fn all(job: &Job<'_>, pixels: &Range<u32>, y: &mut [f32]) {
    let g = &job.params.geometry;
    let mut windows = Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start);
    let mut rows = [[0; LENGTH]; MOST];
    let (mut y, mut left) = (y, pixels.len());
    while left > 0 {
        let count = match left {
            8.. => 8,
            4..8 => 4,
            _ => 1,
        };
        let mut tile = [Window::default(); MOST];
        tile.iter_mut().take(count).for_each(|window| *window = windows.next());
        let Some((here, rest)) = y.split_at_mut_checked(count.wrapping_mul(job.operands.bias.len())) else { return };
        one_tile(job, &windows, tile.get(..count).unwrap_or_default(), &mut rows, here);
        (y, left) = (rest, left.wrapping_sub(count));
    }
}

/// The pixels of a tile, stretch by stretch of the weights; between them sums are in `y`.
#[target_feature(enable = "neon,fp16")]
fn one_tile(job: &Job<'_>, windows: &Windows, tile: &[Window], rows: &mut [Row; MOST], y: &mut [f32]) {
    let mut start = 0;
    while start < job.products {
        let range = start..start.wrapping_add(LENGTH).min(job.products);
        for (window, row) in tile.iter().zip(rows.iter_mut()) {
            gather(job.params, job.operands.x, (windows, window), &range, row, |from, to| halve(from, to));
        }
        let mut channel = 0;
        while channel < job.operands.bias.len() {
            let left = job.operands.bias.len().wrapping_sub(channel);
            channel = channel.wrapping_add(match (tile.len(), left) {
                (8, _) => channels::<8, 1>(job, rows, &range, channel, y),
                (4, _) => channels::<4, 1>(job, rows, &range, channel, y),
                (_, 49..) => channels::<1, 4>(job, rows, &range, channel, y),
                _ => channels::<1, 1>(job, rows, &range, channel, y),
            });
        }
        start = range.end;
    }
}

/// The sums of four channels.
type Four = float32x4_t;

/// Adds the products of `range` to the sums of `P` pixels and `B` blocks of channels from `channel` on. Returns the number of
/// channels.
#[target_feature(enable = "neon,fp16")]
fn channels<const P: usize, const B: usize>(
    job: &Job<'_>,
    rows: &[Row; MOST],
    range: &Range<usize>,
    channel: usize,
    y: &mut [f32],
) -> usize {
    let (all, last) = (job.operands.bias.len(), range.end == job.products);
    let mut weights: [&[F16]; B] = [&[]; B];
    for (b, weights) in weights.iter_mut().enumerate() {
        let block = (channel / CHANNELS).wrapping_add(b).wrapping_mul(job.products);
        let place = |k: usize| block.wrapping_add(k).wrapping_mul(CHANNELS);
        *weights = job.operands.weights.get(place(range.start)..place(range.end)).unwrap_or_default();
    }
    let mut sums = [[[vdupq_n_f32(0.0); 4]; B]; P];
    if range.start == 0 {
        let mut bias = [[vdupq_n_f32(0.0); 4]; B];
        for (b, to) in bias.iter_mut().enumerate() {
            let first = channel.wrapping_add(b.wrapping_mul(CHANNELS));
            *to = load(job.operands.bias.get(first..).unwrap_or_default());
        }
        sums = [bias; P];
    } else {
        for (p, sums) in sums.iter_mut().enumerate() {
            let row = y.get(p.wrapping_mul(all)..p.wrapping_add(1).wrapping_mul(all)).unwrap_or_default();
            for (b, to) in sums.iter_mut().enumerate() {
                let first = channel.wrapping_add(b.wrapping_mul(CHANNELS));
                *to = load(row.get(first..).unwrap_or_default());
            }
        }
    }
    add(rows, weights, range.len(), &mut sums);
    let (low, high) = if last { (job.params.low, job.params.high) } else { (f32::NEG_INFINITY, f32::INFINITY) };
    let bounds = [vdupq_n_f32(low), vdupq_n_f32(high)];
    for (p, sums) in sums.iter().enumerate() {
        let row = y.get_mut(p.wrapping_mul(all)..p.wrapping_add(1).wrapping_mul(all)).unwrap_or_default();
        for (b, sums) in sums.iter().enumerate() {
            let to = row.get_mut(channel.wrapping_add(b.wrapping_mul(CHANNELS))..).unwrap_or_default();
            store(sums, bounds, to);
        }
    }
    B.wrapping_mul(CHANNELS)
}

/// The first 16 elements, or as many as there are and zeros.
#[inline]
#[target_feature(enable = "neon")]
fn load(from: &[f32]) -> [Four; 4] {
    let mut all = [0.0; CHANNELS];
    let from = match from.first_chunk::<CHANNELS>() {
        Some(from) => from,
        None => {
            all.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            &all
        }
    };
    let zero = vdupq_n_f32(0.0);
    // Of both zeros the positive one. SAFETY: the array holds 16 elements.
    core::array::from_fn(|k| unsafe { vaddq_f32(vld1q_f32(from.as_ptr().add(4 * k)), zero) })
}

/// Stores 16 elements between these bounds, or as many as there is room for.
#[inline]
#[target_feature(enable = "neon")]
fn store(sums: &[Four; 4], [low, high]: [Four; 2], to: &mut [f32]) {
    let mut all = [0.0; CHANNELS];
    let (place, partial) = match to.first_chunk_mut::<CHANNELS>() {
        Some(place) => (place, false),
        None => (&mut all, true),
    };
    for (k, &v) in sums.iter().enumerate() {
        // A comparison with a NaN is false.
        let v = vbslq_f32(vcltq_f32(v, low), low, v);
        let v = vbslq_f32(vcgtq_f32(v, high), high, v);
        // SAFETY: the array holds 16 elements.
        unsafe { vst1q_f32(place.as_mut_ptr().add(4 * k), v) };
    }
    if partial {
        to.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    }
}

/// Adds `products` products of `P` rows and `B` blocks of channels, block by block.
#[inline]
#[target_feature(enable = "neon,fp16")]
fn add<const P: usize, const B: usize>(
    rows: &[Row; MOST],
    weights: [&[F16]; B],
    products: usize,
    sums: &mut [[[Four; 4]; B]; P],
) {
    if weights.iter().any(|w| w.len() != products.wrapping_mul(CHANNELS)) || products > LENGTH {
        return;
    }
    // The last weights, where they are fewer than 8, and zeros; rows have zeros there too.
    let whole = products & !7;
    let mut tails = [[F16(0); 8 * CHANNELS]; B];
    for (tail, weights) in tails.iter_mut().zip(weights) {
        let rest = weights.get(whole.wrapping_mul(CHANNELS)..).unwrap_or_default();
        tail.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    }
    let mut at = 0;
    while at < products {
        let end = at.wrapping_add(BLOCK).min(products);
        let mut part = [[[vdupq_n_u16(0); 2]; B]; P];
        while at < end {
            let mut from = [core::ptr::null::<u16>(); B];
            for ((from, weights), tail) in from.iter_mut().zip(weights).zip(&tails) {
                let place = weights.as_ptr().wrapping_add(at.wrapping_mul(CHANNELS));
                *from = if at < whole { place } else { tail.as_ptr() }.cast();
            }
            let mut x = [vdupq_n_u16(0); P];
            for (x, row) in x.iter_mut().zip(rows) {
                // SAFETY: rows reach to the next multiple of 8.
                *x = unsafe { vld1q_u16(row.as_ptr().add(at)) };
            }
            // Written out: as a loop, or as a function, sums would lie in memory.
            macro_rules! lanes {
                ($($k:literal)*) => {$(
                    for (b, from) in from.iter().enumerate() {
                        let from = from.wrapping_add($k * CHANNELS);
                        // SAFETY: there are 8 weights for each of 16 channels.
                        let w = unsafe { [vld1q_u16(from), vld1q_u16(from.add(8))] };
                        for (part, &x) in part.iter_mut().zip(&x) {
                            if let Some([low, high]) = part.get_mut(b) {
                                *low = fused::<$k>(*low, w[0], x);
                                *high = fused::<$k>(*high, w[1], x);
                            }
                        }
                    }
                )*};
            }
            lanes!(0 1 2 3 4 5 6 7);
            at = at.wrapping_add(8);
        }
        for (sums, part) in sums.iter_mut().zip(&part) {
            for (sums, &[low, high]) in sums.iter_mut().zip(part) {
                let ([a, b], [c, d]) = (widen(low), widen(high));
                let [e, f, g, h] = *sums;
                *sums = [vaddq_f32(e, a), vaddq_f32(f, b), vaddq_f32(g, c), vaddq_f32(h, d)];
            }
        }
    }
}

/// `sum + w * x[LANE]`, rounded once.
#[inline]
#[target_feature(enable = "neon,fp16")]
fn fused<const LANE: usize>(mut sum: uint16x8_t, w: uint16x8_t, x: uint16x8_t) -> uint16x8_t {
    // SAFETY: an instruction of FEAT_FP16, with registers alone.
    unsafe {
        asm!("fmla {s:v}.8h, {w:v}.8h, {x:v}.h[{lane}]", s = inout(vreg) sum, w = in(vreg) w, x = in(vreg_low16) x,
            lane = const LANE, options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// 8 numbers as f32.
#[inline]
#[target_feature(enable = "neon")]
fn widen(v: uint16x8_t) -> [Four; 2] {
    let (low, high): (Four, Four);
    // SAFETY: instructions that every CPU with NEON has, with registers alone.
    unsafe {
        asm!("fcvtl {low:v}.4s, {v:v}.4h", "fcvtl2 {high:v}.4s, {v:v}.8h", v = in(vreg) v, low = out(vreg) low,
            high = lateout(vreg) high, options(pure, nomem, nostack, preserves_flags));
    }
    [low, high]
}

/// Rounds to f16, as many as both have.
#[inline]
#[target_feature(enable = "neon")]
fn halve(from: &[f32], to: &mut [u16]) {
    let (from_eights, from_rest) = from.as_chunks::<8>();
    let (to_eights, to_rest) = to.as_chunks_mut::<8>();
    for (from, to) in from_eights.iter().zip(to_eights) {
        *to = halve_eight(from);
    }
    if !to_rest.is_empty() {
        let mut last = [0.0; 8];
        last.iter_mut().zip(from_rest).for_each(|(to, from)| *to = *from);
        to_rest.iter_mut().zip(halve_eight(&last)).for_each(|(to, from)| *to = from);
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn halve_eight(from: &[f32; 8]) -> [u16; 8] {
    // SAFETY: the array holds 8 elements.
    let (low, high) = unsafe { (vld1q_f32(from.as_ptr()), vld1q_f32(from.as_ptr().add(4))) };
    let mut half: uint16x8_t;
    // SAFETY: instructions that every CPU with NEON has, with registers alone.
    unsafe {
        asm!("fcvtn {half:v}.4h, {low:v}.4s", "fcvtn2 {half:v}.8h, {high:v}.4s", low = in(vreg) low,
            high = in(vreg) high, half = out(vreg) half, options(pure, nomem, nostack, preserves_flags));
    }
    let mut to = [0; 8];
    // SAFETY: the array holds 8 elements.
    unsafe { vst1q_u16(to.as_mut_ptr(), half) };
    to
}
