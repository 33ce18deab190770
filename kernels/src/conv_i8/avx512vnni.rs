//! AVX-512 VNNI: tiles of 6 pixels times 64 channels or 12 pixels times 32, 24 sums in registers.
//!
//! vpdpbusd multiplies unsigned by signed bytes, so that a panel holds `x + 128` (x with its top bit flipped), and the sums
//! start at `bias - 128 * Σ w` over all taps: in wrapping int32 the result is the same.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::panel::{Job, Memory, Panel};
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::windows::Window;
use crate::{Isa, Level};

/// Convolves with weights in O16K4; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() != Level::Avx512Vnni || params.layout != layout::O16K4 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(&Job::new(params, operands, pixels), y) };
    true
}

/// Most pixels of a tile.
const TILE: usize = 12;
/// Bytes of sums before the weights of a block.
const HEAD: usize = 64;

/// All pixels.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn all(job: &Job<'_>, y: &mut [i8]) {
    let mut memory = Memory::new();
    let panel = Panel::<u8>::new(&mut memory, job.depth, job.flat);
    let finish = Finish::new(job);
    let mut windows = job.windows.clone();
    let (mut left, mut y) = (job.pixels, y);
    while left > 0 {
        let count = match left.min(panel.capacity) {
            TILE.. => TILE,
            6.. => 6,
            4 | 5 => 4,
            2 | 3 => 2,
            n => n,
        };
        let mut tile = [Window::default(); TILE];
        for window in tile.iter_mut().take(count) {
            *window = windows.next();
        }
        let Some((rows, rest)) = y.split_at_mut_checked(count.wrapping_mul(job.channels)) else { return };
        let first = job.pixels.wrapping_sub(left);
        let tile = Tile { job, panel: &panel, windows: &tile, finish: &finish, first };
        match count {
            TILE => tile.pixels::<TILE>(rows),
            6 => tile.pixels::<6>(rows),
            4 => tile.pixels::<4>(rows),
            2 => tile.pixels::<2>(rows),
            _ => tile.pixels::<1>(rows),
        }
        (y, left) = (rest, left.wrapping_sub(count));
    }
}

/// Some output pixels, all channels of which are computed from one panel.
struct Tile<'a> {
    job: &'a Job<'a>,
    panel: &'a Panel<u8>,
    windows: &'a [Window; TILE],
    finish: &'a Finish,
    /// The first of them.
    first: usize,
}

impl Tile<'_> {
    /// All channels of `P` pixels.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn pixels<const P: usize>(&self, y: &mut [i8]) {
        if self.panel.length >= self.job.depth {
            self.gather(0, P);
        }
        let (mut block, blocks) = (0, self.job.channels.div_ceil(16));
        while block < blocks {
            block += match blocks - block {
                1 => self.blocks::<P, 1>(block, y),
                2 => self.blocks::<P, 2>(block, y),
                3 | 5 => self.halves::<P, 3>(block, y),
                _ => self.halves::<P, 4>(block, y),
            };
        }
    }

    /// As [`Tile::blocks`], half of the pixels of a whole tile at a time: more blocks leave registers for no more.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn halves<const P: usize, const B: usize>(&self, block: usize, y: &mut [i8]) -> usize {
        if P < TILE {
            return self.blocks::<P, B>(block, y);
        }
        let half = y.len() / 2;
        if let Some((first, second)) = y.split_at_mut_checked(half) {
            self.part::<6, B>(0, block, first);
            self.part::<6, B>(6, block, second);
        }
        B
    }

    /// `B` blocks of 16 channels of `P` pixels; returns `B`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn blocks<const P: usize, const B: usize>(&self, block: usize, y: &mut [i8]) -> usize {
        self.part::<P, B>(0, block, y);
        B
    }

    /// `B` blocks of the `P` pixels from row `first` of the panel on.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn part<const P: usize, const B: usize>(&self, first: usize, block: usize, y: &mut [i8]) {
        let (job, panel) = (self.job, self.panel);
        let block_bytes = job.depth.next_multiple_of(4).wrapping_mul(16).wrapping_add(HEAD);
        let weights = job.operands.weights.as_ptr().wrapping_add(block.wrapping_mul(block_bytes));
        let mut start = [_mm512_setzero_si512(); B];
        let mut multipliers = [_mm512_setzero_ps(); B];
        for (b, (start, multipliers)) in start.iter_mut().zip(&mut multipliers).enumerate() {
            let (bias, m) = job.requantization(block.wrapping_add(b).wrapping_mul(16));
            // SAFETY: every block begins with 16 sums.
            let sums = unsafe { _mm512_loadu_si512(weights.wrapping_add(b.wrapping_mul(block_bytes)).cast()) };
            // SAFETY: the array holds 16 elements.
            *start = _mm512_add_epi32(sums, unsafe { _mm512_loadu_si512(bias.as_ptr().cast()) });
            // SAFETY: the array holds 16 elements.
            *multipliers = unsafe { _mm512_loadu_ps(m.as_ptr()) };
        }
        let mut sums = [start; P];
        let mut done = 0;
        while done < job.depth {
            if panel.length < job.depth {
                self.gather(done, first.wrapping_add(P));
            }
            let steps = panel.length.min(job.depth.wrapping_sub(done)).div_ceil(4);
            let x = panel.rows.cast_const().wrapping_add(first.wrapping_mul(panel.pitch));
            let weights = weights.wrapping_add(done.wrapping_mul(16).wrapping_add(HEAD));
            // SAFETY: the panel holds `steps` fours of these rows, a block of weights 64 bytes for each of them.
            unsafe { add::<P, B>(&mut sums, (x, panel.pitch), (weights, block_bytes), steps) };
            done = done.wrapping_add(panel.length);
        }
        self.finish.store(&sums, &multipliers, job.channels, block.wrapping_mul(16), y);
    }

    /// Gathers as much of the first `count` windows as the panel holds, from input `first` on.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn gather(&self, first: usize, count: usize) {
        let part = first..self.job.depth.min(first.wrapping_add(self.panel.length));
        let (flip, flip_16) = (_mm512_set1_epi8(-128), _mm_set1_epi8(-128));
        let copy = |from: *const i8, to: *mut u8, n: usize| {
            if n <= 16 {
                // SAFETY: `gather` may read and write 16 more than it copies.
                let bytes = unsafe { _mm_loadu_si128(from.cast()) };
                // SAFETY: as above.
                unsafe { _mm_storeu_si128(to.cast(), _mm_xor_si128(bytes, flip_16)) };
                return;
            }
            let mut done = 0;
            while done < n {
                // SAFETY: `gather` may read and write 64 more than it copies.
                let bytes = unsafe { _mm512_loadu_si512(from.wrapping_add(done).cast()) };
                // SAFETY: as above.
                unsafe { _mm512_storeu_si512(to.wrapping_add(done).cast(), _mm512_xor_si512(bytes, flip)) };
                done = done.wrapping_add(64);
            }
        };
        if let Some(x) = self.job.stretch(self.first, count).filter(|_| part.len() == self.job.depth) {
            copy(x.as_ptr(), self.panel.rows, x.len());
            return;
        }
        for (p, window) in self.windows.iter().enumerate().take(count) {
            let row = self.panel.rows.wrapping_add(p.wrapping_mul(self.panel.pitch));
            // SAFETY: the panel has room for as many rows, and for more after the last.
            unsafe { self.job.gather(window, &part, row, copy) };
        }
    }
}

/// Adds `steps` fours of inputs times weights to the sums of `P` pixels and `B` blocks.
///
/// # Safety
/// The panel at `x` holds `P` rows of as many fours, `pitch` apart, and there are 64 bytes of weights for each of them in
/// `B` blocks, `block_bytes` apart.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn add<const P: usize, const B: usize>(
    sums: &mut [[__m512i; B]; P],
    (mut x, pitch): (*const u8, usize),
    (mut weights, block_bytes): (*const i8, usize),
    steps: usize,
) {
    let mut all = *sums;
    for _ in 0..steps {
        let mut w = [_mm512_setzero_si512(); B];
        for (b, w) in w.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *w = unsafe { _mm512_loadu_si512(weights.wrapping_add(b.wrapping_mul(block_bytes)).cast()) };
        }
        weights = weights.wrapping_add(64);
        for (p, sums) in all.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let four = unsafe { x.wrapping_add(p.wrapping_mul(pitch)).cast::<i32>().read_unaligned() };
            let four = _mm512_set1_epi32(four);
            for (sum, &w) in sums.iter_mut().zip(&w) {
                *sum = _mm512_dpbusd_epi32(*sum, four, w);
            }
        }
        x = x.wrapping_add(4);
    }
    *sums = all;
}

/// The way from sums to int8.
struct Finish {
    low: __m512,
    high: __m512,
    zero_point: __m512i,
    least: __m512i,
    greatest: __m512i,
    /// Packing works in quarters of a vector: this puts the fours of channels back into order.
    order: __m512i,
    /// Whether no product can leave int32, so that packing is all the clamp that int8 needs.
    small: bool,
}

impl Finish {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn new(job: &Job<'_>) -> Self {
        let output = &job.params.output;
        Self {
            low: _mm512_set1_ps(output.low.wrapping_sub(output.zero_point) as f32),
            high: _mm512_set1_ps(output.high.wrapping_sub(output.zero_point) as f32),
            zero_point: _mm512_set1_epi16(output.zero_point as i16),
            least: _mm512_set1_epi8(output.low as i8),
            greatest: _mm512_set1_epi8(output.high as i8),
            order: _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
            small: job.operands.multipliers.iter().fold(true, |small, m| small & (m.abs() < 0.99)),
        }
    }

    /// Stores the channels of `B` blocks from `channel` on of `P` pixels of `channels` each, as far as they exist.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn store<const P: usize, const B: usize>(
        &self,
        sums: &[[__m512i; B]; P],
        multipliers: &[__m512; B],
        channels: usize,
        channel: usize,
        y: &mut [i8],
    ) {
        let count = channels.wrapping_sub(channel).min(16 * B);
        let mask = u64::MAX >> (64usize.wrapping_sub(count) & 63);
        let rows = crate::rows::rows_mut(y, channels);
        for (sums, row) in sums.iter().zip(rows) {
            let Some(y) = row.get_mut(channel..channel.wrapping_add(count)) else { return };
            // SAFETY: the slice holds as many bytes as the mask has bits.
            unsafe { _mm512_mask_storeu_epi8(y.as_mut_ptr(), mask, self.bytes(sums, multipliers)) };
        }
    }

    /// The channels of a pixel in order.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn bytes<const B: usize>(&self, sums: &[__m512i; B], multipliers: &[__m512; B]) -> __m512i {
        let mut steps = [_mm512_setzero_si512(); 4];
        for ((steps, &sum), &multipliers) in steps.iter_mut().zip(sums).zip(multipliers) {
            let v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), multipliers);
            // The second operand wins against a NaN, as in the contract.
            let v = if self.small { v } else { _mm512_min_ps(_mm512_max_ps(v, self.low), self.high) };
            *steps = _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v);
        }
        let [a, b, c, d] = steps;
        // A sum above int16 stays so far outside of int8 that the zero point does not bring it back.
        let ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), self.zero_point);
        let cd = if B > 2 { _mm512_adds_epi16(_mm512_packs_epi32(c, d), self.zero_point) } else { ab };
        let bytes = _mm512_permutexvar_epi32(self.order, _mm512_packs_epi16(ab, cd));
        _mm512_min_epi8(_mm512_max_epi8(bytes, self.least), self.greatest)
    }
}
