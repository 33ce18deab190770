//! SSE4.1: tiles of 6 pixels times 16 channels, of which 8 at a time: 12 sums in registers.
//!
//! As in the AVX2 variant, a panel holds its inputs as int16, the weights are widened as they are loaded, and pmaddwd
//! multiplies in pairs, exactly. What is half as wide passes over a tile twice.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;
use core::iter::once;
use core::ops::Range;

use super::gathered::{GROUP, TILE, TILES, WEIGHTS, gathered, plain};
use super::panel::{Job, Memory, NEAR, Panel, Runs};
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::round::Output;
use crate::round_sse41::{four, load_floats, load_numbers, narrow, store};
use crate::windows::{Window, Windows};
use crate::{Isa, Level};

/// Convolves with weights in O16K2 or O16G2; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Sse41 || !matches!(params.layout, layout::O16K2 | layout::O16G2) {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(&Job::new(params, operands, pixels), y) };
    true
}

/// Inputs in int16.
type Element = i16;
/// Of 16 channels.
pub(crate) type Sums = [__m128i; 4];
/// A panel that is not near costs more here than it saves.
const FAR: usize = NEAR;
/// Pairs.
const TOGETHER: usize = 2;
const HEAD: usize = 0;

gathered!("sse4.1");
plain!("sse4.1");

/// What the sums start at.
///
/// # Safety
/// None; other variants read what stands before the weights.
#[inline]
#[target_feature(enable = "sse4.1")]
unsafe fn start(bias: &[i32; 16], _: *const i8) -> Sums {
    load(bias)
}

/// 16 numbers.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) fn load(from: &[i32; 16]) -> Sums {
    load_numbers(from)
}

/// Widens `n` inputs, 16 at a time, which may be 15 more.
#[inline]
#[target_feature(enable = "sse4.1")]
fn copy(from: *const i8, to: *mut i16, n: usize) {
    let mut done = 0;
    while done < n {
        // SAFETY: there is room to read and to write 16 more than are copied.
        let bytes = unsafe { _mm_loadu_si128(from.wrapping_add(done).cast()) };
        let halves = [_mm_cvtepi8_epi16(bytes), _mm_cvtepi8_epi16(_mm_unpackhi_epi64(bytes, bytes))];
        for half in halves {
            // SAFETY: as above.
            unsafe { _mm_storeu_si128(to.wrapping_add(done).cast(), half) };
            done = done.wrapping_add(8);
        }
    }
}

/// The sums, with the products of runs of `steps` pairs of inputs and weights added, of `P` pixels and `8 * H` channels.
///
/// # Safety
/// A run has `P` rows of as many pairs, `pitch` apart, so many elements behind the first row, and 32 bytes of weights for
/// each of them.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(crate) unsafe fn add<const P: usize, const H: usize>(
    mut sums: [Sums; P],
    rows: (*const i16, usize),
    runs: impl Iterator<Item = (usize, *const i8)> + Clone,
    steps: usize,
) -> [Sums; P] {
    for h in 0..H {
        let mut half = [[_mm_setzero_si128(); 2]; P];
        for (half, sums) in half.iter_mut().zip(&sums) {
            *half = sums.as_chunks::<2>().0.get(h).copied().unwrap_or(*half);
        }
        // SAFETY: the caller's promise.
        unsafe {
            add_half(&mut half, rows, runs.clone().map(|(first, weights)| (first, weights.wrapping_add(16 * h))), steps)
        };
        for (half, sums) in half.iter().zip(&mut sums) {
            sums.as_chunks_mut::<2>().0.iter_mut().skip(h).take(1).for_each(|sums| *sums = *half);
        }
    }
    sums
}

/// Adds the products of runs of `steps` pairs of inputs and weights for `P` pixels and 8 channels.
///
/// # Safety
/// As for `add`; the weights of a step are the first 16 bytes of 32.
#[inline(never)] // On its own, every sum gets a register.
#[target_feature(enable = "sse4.1")]
unsafe fn add_half<const P: usize>(
    to: &mut [[__m128i; 2]; P],
    (x, pitch): (*const i16, usize),
    runs: impl Iterator<Item = (usize, *const i8)>,
    steps: usize,
) {
    let mut sums = *to;
    for (first, mut weights) in runs {
        let mut x = x.wrapping_add(first);
        for _ in 0..steps {
            // SAFETY: the caller's promise.
            let wide = [0, 8].map(|k| _mm_cvtepi8_epi16(unsafe { _mm_loadl_epi64(weights.wrapping_add(k).cast()) }));
            weights = weights.wrapping_add(32);
            for (p, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                let pair = unsafe { x.wrapping_add(p.wrapping_mul(pitch)).cast::<i32>().read_unaligned() };
                let pair = _mm_set1_epi32(pair);
                for (sum, &wide) in sums.iter_mut().zip(&wide) {
                    *sum = _mm_add_epi32(*sum, _mm_madd_epi16(pair, wide));
                }
            }
            x = x.wrapping_add(2);
        }
    }
    *to = sums;
}

/// The way from sums to int8.
pub(crate) struct Finish(Output);

impl Finish {
    pub(crate) fn new(output: &Output, _: &[f32]) -> Self {
        Self(*output)
    }

    /// Stores the 16 channels from `channel` on of `P` pixels of `channels` each, as far as they exist; the pixels are
    /// `pitch` apart in `y`.
    #[inline]
    #[target_feature(enable = "sse4.1")]
    pub(crate) fn store<const P: usize>(
        &self,
        sums: &[Sums; P],
        multipliers: &[f32; 16],
        (pitch, channels): (usize, usize),
        channel: usize,
        y: &mut [i8],
    ) {
        let multipliers = load_floats(multipliers);
        let mut pixel = 0usize;
        for sums in sums {
            let mut out = *sums;
            for (out, &multipliers) in out.iter_mut().zip(&multipliers) {
                *out = four(&self.0, *out, multipliers);
            }
            let bytes = store(narrow(&self.0, out));
            let Some(y) = y.get_mut(pixel.wrapping_add(channel)..pixel.wrapping_add(channels)) else { return };
            match y.first_chunk_mut() {
                Some(y) => *y = bytes,
                None => y.iter_mut().zip(bytes).for_each(|(y, byte)| *y = byte),
            }
            pixel = pixel.wrapping_add(pitch);
        }
    }
}
