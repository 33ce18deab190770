//! AVX2 for kernels of 3 or 5 columns in steps of 1 or 2, or dilated in steps of 1: walks along the columns of rows, 16
//! channels wide.
//!
//! Two rows of taps are interleaved in int16 once for every column and serve all outputs that see the column, whose sums
//! stay in registers; vpmaddwd adds the products of two taps at once, exactly.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::avx2::spread;
use super::{Operands, Params};
use crate::conv_i8::tile::avx2::Finish;
use crate::pixels::{Pixels, blocks, place};
use crate::{Isa, Level};

/// Most pairs of rows of a kernel.
const PAIRS: usize = 4;
/// Most pixels of a walk.
const RUN: usize = 64;
/// Elements of the outputs that are computed channel by channel: as many as stay in the second-level cache.
const NEAR: u32 = 64 << 10;

/// Convolves; false where the CPU has not the instruction set, there are fewer channels than a vector holds, or the kernel
/// is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let g = &params.geometry;
    let rows = g.kernel_height as usize;
    if isa.level() < Level::Avx2 || g.out_channels < 16 || rows > 2 * PAIRS || g.dilation_width.min(g.stride_width) > 1
    {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe {
        match (g.kernel_width, g.stride_width) {
            (3, 1) => all::<1, 3, 0>(params, operands, pixels, y),
            (3, 2) => all::<2, 2, 1>(params, operands, pixels, y),
            (5, 1) => all::<1, 5, 0>(params, operands, pixels, y),
            (5, 2) => all::<2, 3, 2>(params, operands, pixels, y),
            _ => return false,
        }
    }
    true
}

/// All pixels, in steps of `S` columns. `E` outputs see the first column of a step, and `O` the second one, if there is one:
/// the kernel has `E + O` columns.
#[target_feature(enable = "avx2")]
fn all<const S: usize, const E: usize, const O: usize>(
    params: &Params,
    operands: &Operands<'_>,
    pixels: &Pixels,
    y: &mut [i8],
) {
    let g = &params.geometry;
    let channels = g.out_channels as usize;
    let job = Job { params, operands, channels, finish: Finish::spread(&params.output, operands.multipliers) };
    let mut sums = [[_mm256_setzero_si256(); 2]; RUN];
    let room = NEAR.max(g.out_channels);
    for (pixels, place) in blocks(pixels.clone(), g.out_channels, room, g.out_width) {
        let y = y.get_mut(place).unwrap_or_default();
        let mut channel = 0;
        while channel < channels {
            // The last 16 channels may have been computed in part before: they come out the same.
            let first = channel.min(channels - 16);
            // SAFETY: 16 channels exist from `first` on, the pixels are outputs.
            unsafe { job.channels::<S, E, O>(&pixels, first, &mut sums, y) };
            channel += 16;
        }
    }
}

/// 16 numbers each of two vectors.
type Sums = [__m256i; 2];

/// The weights of two rows of taps, interleaved: those of columns with even and with odd numbers where the step is 2.
#[derive(Clone, Copy)]
struct Pair<const E: usize, const O: usize> {
    even: [Sums; E],
    odd: [Sums; O],
}

/// The weights of 16 channels.
struct Block<const E: usize, const O: usize> {
    pairs: [Pair<E, O>; PAIRS],
    bias: Sums,
    multipliers: [f32; 16],
}

/// A row of taps: where its first input is, and all ones, or zeros where a row of padding is one pixel.
type Row = (*const i8, usize);

/// What a walk reads: the rows of taps, two of them each, from which column on, in which steps, and how far columns are
/// apart.
struct Input {
    rows: [[Row; 2]; PAIRS],
    column: i32,
    columns: u32,
    across: i32,
    step: usize,
    /// What columns of the padding hold.
    padding: __m256i,
}

struct Job<'a> {
    params: &'a Params,
    operands: &'a Operands<'a>,
    channels: usize,
    finish: Finish,
}

impl Job<'_> {
    /// The weights of a tap, widened.
    ///
    /// # Safety
    /// The kernel has the tap, and 16 channels from `channel` on.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn tap(&self, kh: usize, kw: usize, channel: usize) -> __m256i {
        let tap = kh.wrapping_mul(self.params.geometry.kernel_width as usize).wrapping_add(kw);
        let place = tap.wrapping_mul(self.channels).wrapping_add(channel);
        // SAFETY: the caller's promise.
        _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(self.operands.weights.as_ptr().wrapping_add(place).cast()) })
    }

    /// The weights of the 16 channels from `channel` on.
    ///
    /// # Safety
    /// These channels exist.
    #[target_feature(enable = "avx2")]
    unsafe fn block<const S: usize, const E: usize, const O: usize>(&self, channel: usize) -> Block<E, O> {
        let rows = self.params.geometry.kernel_height as usize;
        let zero = _mm256_setzero_si256();
        let mut pairs = [Pair { even: [[zero; 2]; E], odd: [[zero; 2]; O] }; PAIRS];
        for (pair, kh) in pairs.iter_mut().zip((0..rows).step_by(2)) {
            let second = kh.wrapping_add(1);
            for kw in 0..E.wrapping_add(O) {
                // SAFETY: the caller's promise.
                let a = unsafe { self.tap(kh, kw, channel) };
                // SAFETY: as above.
                let b = if second < rows { unsafe { self.tap(second, kw, channel) } } else { zero };
                if let Some(to) = pair.tap_mut::<S>(kw) {
                    *to = [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)];
                }
            }
        }
        let multipliers = self.operands.multipliers.as_ptr().wrapping_add(channel).cast();
        // SAFETY: the caller's promise, for the bias and the multipliers.
        let (bias, halves) =
            unsafe { (spread(self.operands.bias.as_ptr().wrapping_add(channel)), spread(multipliers)) };
        let mut multipliers = [0.0f32; 16];
        for (to, half) in multipliers.as_chunks_mut::<8>().0.iter_mut().zip(halves) {
            // SAFETY: the array holds 8 elements.
            unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), half) };
        }
        Block { pairs, bias, multipliers }
    }

    /// The 16 channels from `channel` on of some pixels, the first of which is at the start of `y`.
    ///
    /// # Safety
    /// These channels exist, and the pixels are some of the outputs.
    #[target_feature(enable = "avx2")]
    unsafe fn channels<const S: usize, const E: usize, const O: usize>(
        &self,
        pixels: &Pixels,
        channel: usize,
        sums: &mut [Sums; RUN],
        y: &mut [i8],
    ) {
        let g = &self.params.geometry;
        let padding = [self.params.input_zero_point as i8; 16];
        let sizes = (self.channels, self.channels);
        // SAFETY: the caller's promise.
        let block = unsafe { self.block::<S, E, O>(channel) };
        let (mut y, mut pixel) = (y, pixels.start);
        while pixel < pixels.end {
            let at = place(pixel, g.out_height, g.out_width);
            let count = g.out_width.wrapping_sub(at[2]).min(pixels.end.wrapping_sub(pixel)).min(RUN as u32);
            let (mut input, apart) = (self.input(at, channel, &padding), g.dilation_width.max(1) as usize);
            // With dilation, outputs that see the same columns are as far apart as the taps.
            for first in 0..apart.min(count as usize) {
                let here = (first, apart, (count as usize).wrapping_sub(first).div_ceil(apart));
                // SAFETY: the rows are those of the input, or padding; `sums` has as many places.
                unsafe {
                    match g.kernel_height.div_ceil(2) {
                        1 => walk::<S, E, O, 1>(&input, &block, sums, here),
                        2 => walk::<S, E, O, 2>(&input, &block, sums, here),
                        3 => walk::<S, E, O, 3>(&input, &block, sums, here),
                        _ => walk::<S, E, O, PAIRS>(&input, &block, sums, here),
                    }
                }
                input.column = input.column.wrapping_add(1);
            }
            let (twos, last) = sums.get(..count as usize).unwrap_or_default().as_chunks::<2>();
            for sums in twos {
                self.finish.store(sums, &block.multipliers, sizes, channel, y);
                y = y.get_mut(self.channels.wrapping_mul(2)..).unwrap_or_default();
            }
            for &sums in last {
                self.finish.store(&[sums], &block.multipliers, sizes, channel, y);
                y = y.get_mut(self.channels..).unwrap_or_default();
            }
            pixel = pixel.wrapping_add(count.max(1));
        }
    }

    /// What the pixels from this one (image, row and column) on see of the 16 channels from `channel` on.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn input(&self, [image, row, column]: [u32; 3], channel: usize, padding: &[i8; 16]) -> Input {
        let g = &self.params.geometry;
        let axis = g.rows();
        let mut rows = [[(padding.as_ptr(), 0); 2]; PAIRS];
        for (to, kh) in rows.as_flattened_mut().iter_mut().zip(0..g.kernel_height) {
            let row = axis.start(row).wrapping_add(kh.wrapping_mul(axis.dilation).cast_signed()).cast_unsigned();
            if row < g.in_height {
                let line = (image as usize).wrapping_mul(g.in_height as usize).wrapping_add(row as usize);
                let first = line.wrapping_mul(g.in_width as usize).wrapping_mul(self.channels).wrapping_add(channel);
                *to = (self.operands.x.as_ptr().wrapping_add(first), usize::MAX);
            }
        }
        let padding = _mm256_set1_epi16(self.params.input_zero_point as i16);
        let (column, across) = (g.columns().start(column), g.stride_width.max(g.dilation_width).cast_signed());
        Input { rows, column, columns: g.in_width, across, step: self.channels, padding }
    }
}

impl<const E: usize, const O: usize> Pair<E, O> {
    /// The weights of a column.
    #[inline(always)]
    fn tap_mut<const S: usize>(&mut self, kw: usize) -> Option<&mut Sums> {
        match S {
            1 => self.even.get_mut(kw),
            _ if kw.is_multiple_of(2) => self.even.get_mut(kw / 2),
            _ => self.odd.get_mut(kw / 2),
        }
    }
}

/// The inputs of 16 channels in two rows, interleaved.
///
/// # Safety
/// Both can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn interleaved(a: *const i8, b: *const i8) -> Sums {
    // SAFETY: the caller's promise.
    let (a, b) = unsafe { (_mm_loadu_si128(a.cast()), _mm_loadu_si128(b.cast())) };
    let (a, b) = (_mm256_cvtepi8_epi16(a), _mm256_cvtepi8_epi16(b));
    [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
}

/// `sums` and the products of two rows of a column with the weights of a tap.
#[inline]
#[target_feature(enable = "avx2")]
fn add([a, b]: Sums, [x, y]: Sums, [v, w]: &Sums) -> Sums {
    [_mm256_add_epi32(a, _mm256_madd_epi16(x, *v)), _mm256_add_epi32(b, _mm256_madd_epi16(y, *w))]
}

/// The sums of `count` pixels, one step of `S` columns after the other, into every `apart`-th place of `to` from `first` on.
///
/// # Safety
/// Rows that are not of padding hold all columns of the input; `P` pairs are all rows; `to` has as many places.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn walk<const S: usize, const E: usize, const O: usize, const P: usize>(
    input: &Input,
    block: &Block<E, O>,
    to: &mut [Sums; RUN],
    (first, apart, count): (usize, usize, usize),
) {
    let (Some(rows), Some(pairs)) = (input.rows.first_chunk::<P>(), block.pairs.first_chunk::<P>()) else { return };
    let mut sums = [block.bias; E];
    let mut column = input.column;
    let steps = count.wrapping_add(E).wrapping_sub(1);
    let mut place = first;
    for step in 1..=steps {
        // The newest output that sees the columns comes first, those before it move on.
        let mut previous = block.bias;
        for sums in &mut sums {
            previous = core::mem::replace(sums, previous);
        }
        for (rows, pair) in rows.iter().zip(pairs) {
            // SAFETY: the caller's promise.
            let v = unsafe { input.column(rows, column) };
            for (sums, w) in sums.iter_mut().zip(&pair.even) {
                *sums = add(*sums, v, w);
            }
        }
        if O > 0 {
            for (rows, pair) in rows.iter().zip(pairs) {
                // SAFETY: the caller's promise.
                let v = unsafe { input.column(rows, column.wrapping_add(1)) };
                for (sums, w) in sums.iter_mut().zip(&pair.odd) {
                    *sums = add(*sums, v, w);
                }
            }
        }
        column = column.wrapping_add(input.across);
        if step >= E
            && let (Some(to), Some(sums)) = (to.get_mut(place), sums.last())
        {
            *to = *sums;
            place = place.wrapping_add(apart);
        }
    }
}

impl Input {
    /// What lies in a column of two rows.
    ///
    /// # Safety
    /// Rows that are not of padding hold all columns of the input.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn column(&self, [a, b]: &[Row; 2], column: i32) -> Sums {
        if column.cast_unsigned() >= self.columns {
            return [self.padding; 2];
        }
        let at = (column as usize).wrapping_mul(self.step);
        // SAFETY: the caller's promise; a row of padding is read at its start.
        unsafe { interleaved(a.0.wrapping_add(at & a.1), b.0.wrapping_add(at & b.1)) }
    }
}
