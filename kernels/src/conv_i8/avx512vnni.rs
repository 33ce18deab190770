//! AVX-512 VNNI: tiles of several pixels times 16 to 64 channels, 24 sums in registers.
//!
//! vpdpbusd multiplies unsigned by signed bytes, so that a band holds `x + 128` (x with its top bit flipped), and the sums
//! start at `bias - 128 * Σ w`, whose second part stands before the weights: in wrapping int32 the result is the same.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use core::mem::MaybeUninit;

use crate::intrinsics::*;

use super::avx512_finish::Finish;
use super::bands::{BYTES, Job, Memory, ROOM, Taps, Windows, outputs_of};
use super::span::Span;
use super::{Operands, Params, layout};
use crate::Isa;
use crate::pixels::Pixels;
use crate::tiles::next_tiles;

/// So many weights before they are needed they are asked for: a core by itself waits for those in the third-level cache.
const AHEAD: usize = 1024;
/// The most blocks of which it is known how many have the same inputs: more than a strip has.
const STRIPS: usize = 7;
/// Bytes of sums before the weights of a block.
const HEAD: usize = 64;

/// Whether it convolves with weights in this layout here.
pub(super) fn suits(isa: Isa, layout: u32) -> bool {
    isa.has_avx512() && matches!(layout, layout::O16R4 | layout::O16G4)
}

/// Convolves with weights in O16R4 or O16G4, and looks outputs up in registers where the CPU has VBMI; false where the CPU
/// or the layout is another one. Neighbours in `y` are `pitch` apart.
pub(super) fn run(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    pixels: &Pixels,
    pitch: usize,
    y: &mut [i8],
) -> bool {
    if !suits(isa, params.layout) || operands.table.is_some() && !isa.has_vbmi() {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it; with a table it has VBMI.
    unsafe {
        if operands.weights.len() > ROOM {
            all::<ROOM>(Job::new(params, operands, pixels, 0x80, ROOM), pitch, y);
        } else {
            all::<BYTES>(Job::new(params, operands, pixels, 0x80, BYTES), pitch, y);
        }
    }
    true
}

/// With memory of `N` bytes for a band's input.
///
/// # Safety
/// Where there is a table, the CPU has VBMI.
#[inline(never)] // Stack that is not needed is not taken.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn all<const N: usize>(mut job: Job<'_>, pitch: usize, y: &mut [i8]) {
    let mut memory = Memory::<N>::new();
    let operands = job.operands;
    // SAFETY: the caller's promise.
    let finish = unsafe { Finish::of(&job) };
    let mut y = y;
    while let Some(band) = job.next() {
        let (here, rest) = outputs_of(band.pixels, pitch, y);
        job.fill(&band, &mut memory.0, |from, to| copy(from, to));
        let work = Work {
            operands,
            finish: &finish,
            channels: job.channels,
            block: job.block,
            part: None,
            span: job.span(),
            // All lines of the band have been written.
            lines: memory.0.as_ptr().cast(),
            taps: job.taps(&band),
            windows: job.windows(&band),
            pixels: band.pixels,
            pitch,
        };
        work.run(here);
        y = rest;
    }
}

/// Copies bytes with their top bit flipped, as many as there are in both.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
pub(crate) fn copy(from: &[i8], to: &mut [MaybeUninit<u8>]) {
    let flip = _mm512_set1_epi8(-128);
    let ((from, last), (to, last_to)) = (from.as_chunks::<64>(), to.as_chunks_mut::<64>());
    for (from, to) in from.iter().zip(to) {
        // SAFETY: both arrays hold 64 bytes.
        unsafe { _mm512_storeu_epi8(to.as_mut_ptr().cast(), _mm512_xor_si512(_mm512_loadu_epi8(from.as_ptr()), flip)) };
    }
    let len = last.len().min(last_to.len());
    if len > 0 {
        let mask = first_bytes(len);
        // SAFETY: both slices hold as many elements as the mask has bits.
        unsafe {
            let bytes = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, last.as_ptr()), flip);
            _mm512_mask_storeu_epi8(last_to.as_mut_ptr().cast(), mask, bytes);
        }
    }
}

/// The mask of the first bytes of a vector, at least one.
#[inline(always)]
fn first_bytes(count: usize) -> u64 {
    u64::MAX >> (64usize.wrapping_sub(count.min(64)) & 63)
}

/// The mask of the first numbers of a vector, which may be none.
#[inline(always)]
fn first_of_16(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as __mmask16
}

/// Asks for a line of the cache that will be read soon; any address will do.
#[inline(always)]
fn prefetch(from: *const i8) {
    // SAFETY: every CPU of this architecture has SSE, and asking for a line never fails.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(from) };
}

/// Pixels, whose input has been copied.
pub(crate) struct Work<'a> {
    pub(crate) operands: &'a Operands<'a>,
    pub(crate) finish: &'a Finish,
    /// Output channels.
    pub(crate) channels: usize,
    /// Bytes of weights from one block of 16 channels to the next.
    pub(crate) block: usize,
    /// The part of the weights that is used, if not all of it.
    pub(crate) part: Option<Part>,
    /// The inputs of a block of channels, if not all have all inputs.
    pub(crate) span: Option<Span>,
    /// The input.
    pub(crate) lines: *const u8,
    pub(crate) taps: Taps,
    /// Where the windows begin, and how many they are.
    pub(crate) windows: Windows,
    pub(crate) pixels: usize,
    /// Outputs from pixel to pixel.
    pub(crate) pitch: usize,
}

/// A part of the weights of every block, whose sums do not stand before it.
pub(crate) struct Part {
    /// Bytes of weights before it, and of it: a multiple of 64.
    pub(crate) before: usize,
    pub(crate) bytes: usize,
    /// What is subtracted from every input.
    pub(crate) zero_point: i32,
}

/// What `B` blocks of 16 channels share over all pixels.
struct Strip<const B: usize> {
    /// The blocks' weights, and the first of their inputs.
    weights: [*const i8; B],
    input: usize,
    /// What the sums start at.
    start: [__m512i; B],
    /// Of the four vectors that are packed together.
    multipliers: [__m512; 4],
    /// First channel, and the mask of those that exist.
    channel: usize,
    mask: u64,
}

/// All pixels of a strip of `$blocks` blocks in tiles of so many pixels, falling; gives `$blocks`.
macro_rules! strip {
    ($work:expr, $block:expr, $y:expr, $small:literal, $blocks:literal: $($size:literal)*) => {{
        let strip = $work.strip::<$blocks>($block);
        let mut windows = $work.windows.clone();
        let (mut y, mut left) = (&mut *$y, $work.pixels);
        while left > 0 {
            let (size, count) = next_tiles(&[$($size),*], left);
            match size {
                $($size => $work.tiles::<$size, $blocks, $small>(&strip, &mut windows, count, y),)*
                _ => return,
            }
            let done = size.wrapping_mul(count);
            y = y.get_mut(done.wrapping_mul($work.pitch)..).unwrap_or_default();
            left = left.wrapping_sub(done);
        }
        $blocks
    }};
}

impl Work<'_> {
    /// All channels, in strips of at most 64; `y` begins with the outputs of the first pixel.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn run(&self, y: &mut [i8]) {
        let (mut block, blocks) = (0usize, self.channels.div_ceil(16));
        while block < blocks {
            let left = blocks.wrapping_sub(block).min(self.alike(block));
            block = block.wrapping_add(match (left, self.finish.small) {
                (1, true) => strip!(self, block, y, true, 1: 12 8 6 4 2 1),
                (2, true) => strip!(self, block, y, true, 2: 12 8 6 4 2 1),
                (3 | 5 | 6, true) => strip!(self, block, y, true, 3: 8 6 4 3 2 1),
                (_, true) => strip!(self, block, y, true, 4: 6 5 4 3 2 1),
                // Large multipliers are rare.
                (1, false) => strip!(self, block, y, false, 1: 12 1),
                (2 | 3, false) => strip!(self, block, y, false, 2: 12 1),
                (_, false) => strip!(self, block, y, false, 4: 6 1),
            });
        }
    }

    /// How many blocks from this one on have the same inputs.
    fn alike(&self, block: usize) -> usize {
        let Some(span) = self.span else { return usize::MAX };
        let first = |block: usize| span.first(block.wrapping_mul(16));
        let others = (1..STRIPS).take_while(|&k| first(block.wrapping_add(k)) == first(block)).count();
        others.wrapping_add(1)
    }

    /// `B` blocks.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn strip<const B: usize>(&self, block: usize) -> Strip<B> {
        let (operands, channel) = (self.operands, block.wrapping_mul(16));
        let count = self.channels.wrapping_sub(channel).min(16 * B);
        let mut strip = Strip {
            weights: [core::ptr::null(); B],
            input: self.span.map_or(0, |span| span.first(channel)),
            start: [_mm512_setzero_si512(); B],
            multipliers: [_mm512_setzero_ps(); 4],
            channel,
            mask: first_bytes(count),
        };
        let slots = strip.weights.iter_mut().zip(&mut strip.start).enumerate();
        for (k, (weights, start)) in slots {
            let first = channel.wrapping_add(k.wrapping_mul(16));
            let place = block.wrapping_add(k).wrapping_mul(self.block);
            let all = operands.weights.get(place..place.wrapping_add(self.block)).unwrap_or_default();
            let (less, used) = self.less(all);
            *weights = used;
            let bias = operands.bias.get(first..).unwrap_or_default();
            // SAFETY: the slice holds as many elements as the mask has bits.
            let bias = unsafe { _mm512_maskz_loadu_epi32(first_of_16(bias.len()), bias.as_ptr()) };
            *start = _mm512_add_epi32(bias, less);
        }
        for (k, to) in strip.multipliers.iter_mut().enumerate() {
            // Where several pixels share a vector of bytes, they come again.
            let block = k.checked_rem(B).unwrap_or(0);
            let all = operands.multipliers.get(channel.wrapping_add(block.wrapping_mul(16))..).unwrap_or_default();
            // SAFETY: the slice holds as many elements as the mask has bits.
            *to = unsafe { _mm512_maskz_loadu_ps(first_of_16(all.len()), all.as_ptr()) };
        }
        strip
    }

    /// What the flipped top bits add to the sums, and the zero point, negated; and the weights of a block that are used.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn less(&self, block: &[i8]) -> (__m512i, *const i8) {
        let (sums, weights) = block.split_first_chunk::<HEAD>().unwrap_or((&[0; HEAD], &[]));
        let Some(part) = &self.part else {
            // SAFETY: the array holds 16 numbers of 4 bytes.
            return (unsafe { _mm512_maskz_loadu_epi32(u16::MAX, sums.as_ptr().cast()) }, weights.as_ptr());
        };
        let weights = weights.get(part.before..part.before.wrapping_add(part.bytes)).unwrap_or_default();
        let each = _mm512_set1_epi8(part.zero_point.wrapping_add(128) as i8);
        let mut sums = _mm512_setzero_si512();
        for w in weights.as_chunks::<64>().0 {
            // SAFETY: the array holds 64 bytes.
            sums = _mm512_dpbusd_epi32(sums, each, unsafe { _mm512_loadu_epi8(w.as_ptr()) });
        }
        (_mm512_sub_epi32(_mm512_setzero_si512(), sums), weights.as_ptr())
    }

    /// The next `count` tiles of `P` pixels, the outputs of the first of which are at the start of `y`.
    #[inline(never)] // On its own, every sum gets a register.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn tiles<const P: usize, const B: usize, const SMALL: bool>(
        &self,
        strip: &Strip<B>,
        windows: &mut Windows,
        count: usize,
        y: &mut [i8],
    ) {
        let mut y = y;
        for _ in 0..count {
            let x = windows.take::<P>().map(|start| self.lines.wrapping_add(strip.input).wrapping_add(start));
            let sums = self.sums::<P, B>(strip, x);
            self.finish.store::<P, B, SMALL>(&sums, strip, self.pitch, y);
            y = y.get_mut(P.wrapping_mul(self.pitch)..).unwrap_or_default();
        }
    }

    /// The sums of a tile, whose windows begin at `x`.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn sums<const P: usize, const B: usize>(&self, strip: &Strip<B>, x: [*const u8; P]) -> [[__m512i; B]; P] {
        let (mut sums, mut weights) = ([strip.start; P], strip.weights);
        let (mut row, mut rows) = (0usize, self.taps.rows);
        // Loops that end below: there are rows, runs and steps, and what is known to happen keeps the sums where they are.
        loop {
            let (mut run, mut runs) = (row, self.taps.runs);
            loop {
                let (mut place, mut steps) = (run, self.taps.steps);
                loop {
                    let mut w = [_mm512_setzero_si512(); B];
                    for (w, weights) in w.iter_mut().zip(&mut weights) {
                        // SAFETY: a block has 64 bytes for every step of the walk.
                        *w = unsafe { _mm512_loadu_epi8(*weights) };
                        prefetch(weights.wrapping_add(AHEAD));
                        *weights = weights.wrapping_add(64);
                    }
                    for (sums, x) in sums.iter_mut().zip(&x) {
                        // SAFETY: the lines hold 4 bytes of every window for every step.
                        let four = unsafe { x.wrapping_add(place).cast::<i32>().read_unaligned() };
                        let four = _mm512_set1_epi32(four);
                        for (sum, &w) in sums.iter_mut().zip(&w) {
                            *sum = _mm512_dpbusd_epi32(*sum, four, w);
                        }
                    }
                    (place, steps) = (place.wrapping_add(4), steps.wrapping_sub(1));
                    if steps == 0 {
                        break;
                    }
                }
                (run, runs) = (run.wrapping_add(self.taps.run_step), runs.wrapping_sub(1));
                if runs == 0 {
                    break;
                }
            }
            (row, rows) = (row.wrapping_add(self.taps.row_step), rows.wrapping_sub(1));
            if rows == 0 {
                return sums;
            }
        }
    }
}

impl Finish {
    /// Stores the channels of a strip of `P` pixels that are `pitch` apart.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn store<const P: usize, const B: usize, const SMALL: bool>(
        &self,
        sums: &[[__m512i; B]; P],
        strip: &Strip<B>,
        pitch: usize,
        y: &mut [i8],
    ) {
        let mut first = strip.channel;
        let count = strip.mask.count_ones() as usize;
        // One pixel of 48 or 64 channels fills a vector of bytes, or two of 32, or four of 16.
        for pixels in sums.chunks(const { 4usize.div_euclid(B) }) {
            let mut sums = [_mm512_setzero_si512(); 4];
            for (to, &sum) in sums.iter_mut().zip(pixels.as_flattened()) {
                *to = sum;
            }
            let bytes = self.bytes::<SMALL>(sums, &strip.multipliers);
            for k in 0..pixels.len() {
                let Some(y) = y.get_mut(first..first.wrapping_add(count)) else { return };
                first = first.wrapping_add(pitch);
                if B == 4
                    && let Some(y) = y.first_chunk_mut::<64>()
                {
                    // SAFETY: the array holds 64 bytes.
                    unsafe { _mm512_storeu_epi8(y.as_mut_ptr(), bytes) };
                    continue;
                }
                let before = k.wrapping_mul(16 * B);
                // SAFETY: the pixel's bytes, which `before` others precede in the vector, are those of the mask, and the
                // slice holds as many.
                unsafe {
                    let to = y.as_mut_ptr().wrapping_sub(before);
                    _mm512_mask_storeu_epi8(to, strip.mask.wrapping_shl(before as u32), bytes);
                }
            }
        }
    }
}
