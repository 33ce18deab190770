//! AVX-512 BF16: tiles of several pixels times 16 to 64 channels, 24 sums in registers, pairs of products.
//!
//! vdpbf16ps adds the product of the upper halves of a lane first, then that of the lower ones, each fused: the earlier input
//! of a pair lies above the later one, and the weights, which lie in rows, are brought into this order when they are loaded.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use core::mem::{MaybeUninit, transmute};
use core::ops::Range;

use super::bands::{self, Bands, Pairs};
use super::{Operands, Params, rounded};
use crate::Isa;
use crate::geometry::Geometry;
use crate::half::Bf16;
use crate::intrinsics::*;
use crate::tiles::next_tiles;

/// So many weights before they are needed they are asked for: a core by itself waits for those in the third-level cache.
const AHEAD: usize = 512;

/// Convolves; false where the CPU has no such products, a tap is not made of pairs, or a window does not fit into a band.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Range<u32>, y: &mut [f32]) -> bool {
    let g = &params.geometry;
    let here = isa.has_bf16() && g.in_channels.is_multiple_of(2) && bands::holds(g);
    if here {
        // SAFETY: the CPU has been asked.
        unsafe { all(params, operands, pixels, y) };
    }
    here
}

#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16"))]
fn all(params: &Params, operands: &Operands<'_>, pixels: &Range<u32>, y: &mut [f32]) {
    let (mut y, mut memory) = (y, Pairs::new());
    let mut bands = Bands::new(params, pixels);
    while let Some(band) = bands.next() {
        let pixels = band.geometry.pixels().unwrap_or(0) as usize;
        let Some((here, rest)) = y.split_at_mut_checked(pixels.wrapping_mul(operands.bias.len())) else { return };
        let filled = bands.fill(&band, operands, &mut memory, 2, pairs);
        // Everything has been written.
        Work::new(params, operands, &band.geometry, filled.as_ptr().cast()).run(pixels, here);
        y = rest;
    }
}

/// Rounds pairs of inputs, the earlier one into the upper half.
#[inline(always)]
fn pairs(from: &[f32], to: &mut [MaybeUninit<u32>]) {
    for (to, &[first, second]) in to.iter_mut().zip(from.as_chunks().0) {
        to.write(rounded(first).to_bits() | rounded(second).to_bits() >> 16);
    }
}

/// A convolution without padding over pairs of inputs.
struct Work<'a> {
    params: &'a Params,
    operands: &'a Operands<'a>,
    x: *const u32,
    /// Weights of a channel.
    products: usize,
    /// Windows of a row; pairs from each to the next one, and from a row of windows to the next.
    windows: u32,
    step: usize,
    row_step: usize,
    /// The taps of a window: rows of them, with `runs` stretches of `pairs` pairs each, and the pairs between their starts.
    taps: u32,
    tap_step: usize,
    runs: u32,
    run_step: usize,
    pairs: usize,
    /// The lanes of two rows of weights by turns, the first row's above.
    order: __m512i,
}

/// All pixels of a strip of `$blocks` blocks in tiles of so many pixels, falling; gives `$blocks`.
macro_rules! strip {
    ($work:expr, $block:expr, $pixels:expr, $y:expr, $blocks:literal: $($size:literal)*) => {{
        let (mut y, mut left, mut window) = (&mut *$y, $pixels, [0; 2]);
        while left > 0 {
            let (size, count) = next_tiles(&[$($size),*], left);
            match size {
                $($size => $work.tiles::<$size, $blocks>($block, &mut window, count, y),)*
                _ => return,
            }
            let done = size.wrapping_mul(count);
            y = y.get_mut(done.wrapping_mul($work.operands.bias.len())..).unwrap_or_default();
            left = left.wrapping_sub(done);
        }
        $blocks
    }};
}

impl<'a> Work<'a> {
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16"))]
    fn new(params: &'a Params, operands: &'a Operands<'a>, g: &Geometry, x: *const u32) -> Self {
        let pixel = (g.in_channels / 2) as usize;
        let line = pixel.wrapping_mul(g.in_width as usize);
        let (taps, kernel) = (g.kernel_height, g.kernel_width as usize);
        let dense = g.dilation_width == 1;
        let (runs, pairs) = if dense { (1, pixel.wrapping_mul(kernel)) } else { (g.kernel_width, pixel) };
        let order: [u32; 16] = core::array::from_fn(|lane| lane as u32 * 0x1_0001 + 16);
        Self {
            params,
            operands,
            x,
            products: params.products(),
            windows: g.out_width,
            step: pixel.wrapping_mul(g.stride_width as usize),
            row_step: line.wrapping_mul(g.stride_height as usize),
            taps,
            tap_step: line.wrapping_mul(g.dilation_height as usize),
            runs,
            run_step: pixel.wrapping_mul(g.dilation_width as usize),
            pairs,
            // SAFETY: the array holds 64 bytes.
            order: unsafe { _mm512_loadu_epi8(order.as_ptr().cast()) },
        }
    }

    /// All channels, in strips of at most 64; `y` begins with the outputs of the first pixel.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16"))]
    fn run(&self, pixels: usize, y: &mut [f32]) {
        let (mut block, blocks) = (0usize, self.operands.bias.len().div_ceil(16));
        while block < blocks {
            block = block.wrapping_add(match blocks.wrapping_sub(block) {
                1 => strip!(self, block, pixels, y, 1: 12 8 6 4 2 1),
                2 => strip!(self, block, pixels, y, 2: 12 8 6 4 2 1),
                3 | 5 | 6 => strip!(self, block, pixels, y, 3: 8 6 4 3 2 1),
                _ => strip!(self, block, pixels, y, 4: 6 5 4 3 2 1),
            });
        }
    }

    /// The next `P` windows, from this row and column on: where they begin.
    #[inline(always)]
    fn starts<const P: usize>(&self, [row, column]: &mut [u32; 2]) -> [*const u32; P] {
        let mut starts = [self.x; P];
        for start in &mut starts {
            let place = (*row as usize).wrapping_mul(self.row_step);
            let place = place.wrapping_add((*column as usize).wrapping_mul(self.step));
            *start = self.x.wrapping_add(place);
            *column = column.wrapping_add(1);
            if *column == self.windows {
                (*row, *column) = (row.wrapping_add(1), 0);
            }
        }
        starts
    }

    /// The next `count` tiles of `P` pixels times `B` blocks of channels, whose first outputs are at the start of `y`.
    #[inline(never)] // On its own, every sum gets a register.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16"))]
    fn tiles<const P: usize, const B: usize>(&self, block: usize, window: &mut [u32; 2], count: usize, y: &mut [f32]) {
        let mut weights: [*const Bf16; B] = [core::ptr::null(); B];
        for (b, weights) in weights.iter_mut().enumerate() {
            let len = self.products.wrapping_mul(16);
            let start = block.wrapping_add(b).wrapping_mul(len);
            let Some(all) = self.operands.weights.get(start..start.wrapping_add(len)) else { return };
            *weights = all.as_ptr();
        }
        let mut y = y;
        for _ in 0..count {
            let sums = self.sums::<P, B>(weights, self.starts(window));
            self.store(&sums, block.wrapping_mul(16), y);
            y = y.get_mut(P.wrapping_mul(self.operands.bias.len())..).unwrap_or_default();
        }
    }

    /// The sums of a tile, whose windows begin at `x`.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16"))]
    fn sums<const P: usize, const B: usize>(
        &self,
        mut weights: [*const Bf16; B],
        x: [*const u32; P],
    ) -> [[__m512; B]; P] {
        let mut sums = [[_mm512_setzero_ps(); B]; P];
        let (mut row, mut rows) = (0usize, self.taps);
        // Loops that end below: there are rows, runs and pairs, and what is known to happen keeps the sums where they are.
        loop {
            let (mut run, mut runs) = (row, self.runs);
            loop {
                let (mut place, mut pairs) = (run, self.pairs);
                loop {
                    let mut w = [_mm512_setzero_si512(); B];
                    for (w, weights) in w.iter_mut().zip(&mut weights) {
                        // SAFETY: a block has two rows of 16 weights for every pair.
                        let rows = unsafe { _mm512_loadu_epi8(weights.cast()) };
                        *w = _mm512_permutexvar_epi16(self.order, rows);
                        prefetch(weights.wrapping_add(AHEAD));
                        *weights = weights.wrapping_add(32);
                    }
                    for (sums, x) in sums.iter_mut().zip(&x) {
                        // SAFETY: the memory holds every pair of a window.
                        let pair = unsafe { x.wrapping_add(place).read() };
                        let pair = _mm512_set1_epi32(pair.cast_signed());
                        for (sum, &w) in sums.iter_mut().zip(&w) {
                            *sum = _mm512_dpbf16_ps(*sum, of_bf16(pair), of_bf16(w));
                        }
                    }
                    (place, pairs) = (place.wrapping_add(1), pairs.wrapping_sub(1));
                    if pairs == 0 {
                        break;
                    }
                }
                (run, runs) = (run.wrapping_add(self.run_step), runs.wrapping_sub(1));
                if runs == 0 {
                    break;
                }
            }
            (row, rows) = (row.wrapping_add(self.tap_step), rows.wrapping_sub(1));
            if rows == 0 {
                return sums;
            }
        }
    }

    /// Adds the bias, clamps, and stores the channels that exist from `channel` on.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16"))]
    fn store<const P: usize, const B: usize>(&self, sums: &[[__m512; B]; P], channel: usize, y: &mut [f32]) {
        let (low, high) = (_mm512_set1_ps(self.params.low), _mm512_set1_ps(self.params.high));
        let mut at = channel;
        for sums in sums {
            for (b, &sum) in sums.iter().enumerate() {
                let before = b.wrapping_mul(16);
                let bias = self.operands.bias.get(channel.wrapping_add(before)..).unwrap_or_default();
                let to = y.get_mut(at.wrapping_add(before)..).unwrap_or_default();
                let mask = first(bias.len().min(to.len()));
                // SAFETY: both slices hold as many elements as the mask has bits.
                unsafe {
                    let sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, bias.as_ptr()));
                    // The second operand wins where one is a NaN.
                    let sum = _mm512_min_ps(high, _mm512_max_ps(low, sum));
                    _mm512_mask_storeu_ps(to.as_mut_ptr(), mask, sum);
                }
            }
            at = at.wrapping_add(self.operands.bias.len());
        }
    }
}

/// Asks for a line of the cache that will be read soon; any address will do.
#[inline(always)]
fn prefetch(from: *const Bf16) {
    // SAFETY: every CPU of this architecture has SSE, and asking for a line never fails.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) };
}

/// The mask of the first numbers of a vector, which may be none.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as __mmask16
}

/// The same bits as pairs of bf16.
#[inline(always)]
fn of_bf16(v: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes without any that may not be read.
    unsafe { transmute(v) }
}
