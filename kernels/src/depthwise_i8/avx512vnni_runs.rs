//! AVX-512 VNNI for kernels of 3x3 and 5x5 in steps of 1 or 2 columns, or dilated in steps of 1: walks along the columns of
//! rows, 64 or 32 channels wide.
//!
//! Four rows of taps are interleaved byte by byte once for every column and serve all outputs that see the column, whose
//! sums stay in registers; vpdpbusd adds the products of the four taps at once. It multiplies unsigned by signed bytes, so
//! that the inputs get their top bit flipped, and the sums start at `bias - 128 * Σ w`.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::intrinsics::*;

use super::{Operands, Params};
use crate::Isa;
use crate::columns::Columns;
use crate::pixels::{Pixels, blocks, place};

/// Rows of taps that are interleaved.
const FOUR: usize = 4;
/// Elements of the outputs that are computed channel by channel: as many as stay in the second-level cache.
const NEAR: u32 = 64 << 10;

/// Computes the columns of the output from channel `first` on, which exist; false where the CPU has not the instruction set, the
/// kernel is another one, or a multiplier could take a sum out of int32.
pub(super) fn run(
    isa: Isa,
    params: &Params,
    operands: &Operands<'_>,
    pixels: &Pixels,
    first: usize,
    y: &mut Columns<'_>,
) -> bool {
    let (g, width) = (&params.geometry, y.width());
    let multipliers = operands.multipliers.get(first..first.wrapping_add(width)).unwrap_or_default();
    let small = multipliers.iter().fold(true, |small, m| small & (m.abs() < 0.99));
    if !isa.has_avx512() || g.dilation_width.min(g.stride_width) > 1 || !small || multipliers.is_empty() {
        return false;
    }
    let mask = u32::MAX >> (32usize.wrapping_sub(width.min(32)) & 31);
    let job = Job { params, operands, channels: g.out_channels as usize, first, mask };
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe {
        match (g.kernel_height, g.kernel_width, g.stride_width) {
            (3, 3, 1) => job.all::<1, 3, 0, 3, 1>(pixels, y),
            (3, 3, 2) => job.all::<2, 2, 1, 3, 1>(pixels, y),
            (5, 5, 1) => job.all::<1, 5, 0, 5, 2>(pixels, y),
            (5, 5, 2) => job.all::<2, 3, 2, 5, 2>(pixels, y),
            _ => return false,
        }
    }
    true
}

/// A convolution whose operands fit.
/// Functions are written for steps of `S` columns, the first of which `E` outputs see and the second `O`: the kernel has
/// `E + O` columns. It has `R` rows in `G` groups of four. Vectors hold `16 * V` channels.
struct Job<'a> {
    params: &'a Params,
    operands: &'a Operands<'a>,
    channels: usize,
    /// The first channel that is asked for.
    first: usize,
    /// Which of the channels of half a vector are asked for: all but where no more than these are.
    mask: __mmask32,
}

/// A number for each of `16 * V` channels: in every quarter of a vector four channels, `4 * V` after those of the quarter
/// before, and in the next vector the four after them. That is how interleaving leaves them.
type Sums<const V: usize> = [__m512i; V];

/// The weights of `16 * V` channels: those of columns with even and with odd numbers where the step is 2.
struct Block<const E: usize, const O: usize, const G: usize, const V: usize> {
    even: [[Sums<V>; G]; E],
    odd: [[Sums<V>; G]; O],
    /// What the sums start at.
    start: Sums<V>,
    multipliers: [__m512; V],
}

/// What a walk reads: where the first input of every row of taps is, with all ones, or zeros where a row of padding is one
/// pixel; from which column on, of how many, in which steps, and how far they are apart, as the outputs are.
struct Input<const R: usize> {
    rows: [(*const i8, usize); R],
    column: i32,
    columns: u32,
    across: i32,
    step: usize,
    /// What columns of the padding hold.
    padding: __m512i,
}

/// The way from sums to int8.
struct Finish {
    /// That of the job.
    mask: __mmask32,
    zero_point: __m512i,
    low: __m512i,
    high: __m512i,
}

impl Job<'_> {
    /// All pixels, of which `y` has the outputs.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn all<const S: usize, const E: usize, const O: usize, const R: usize, const G: usize>(
        &self,
        pixels: &Pixels,
        y: &mut Columns<'_>,
    ) {
        let (width, line) = (y.width(), self.params.geometry.out_width);
        let (end, room, mut row) = (self.first.wrapping_add(width), NEAR.max(width as u32), 0usize);
        for (pixels, _) in blocks(pixels.clone(), width as u32, room, line) {
            let mut channel = self.first;
            while channel < end {
                // The last channels may have been computed in part before: they come out the same.
                let wide = width >= 64 && end.wrapping_sub(channel) > 32;
                let size = if wide { 64 } else { 32 };
                let first = channel.min(end.wrapping_sub(width.min(size)));
                // SAFETY: there are as many channels from `first` on, or those of the mask; the pixels are outputs.
                unsafe {
                    match wide {
                        true => self.part::<S, E, O, R, G, 4>(&pixels, first, (y, row)),
                        false => self.part::<S, E, O, R, G, 2>(&pixels, first, (y, row)),
                    }
                }
                channel = channel.wrapping_add(size);
            }
            row = row.wrapping_add(pixels.len());
        }
    }

    /// The `16 * V` channels from `channel` on of some pixels, whose outputs are the rows of `y` from one on.
    ///
    /// # Safety
    /// These channels exist, of 32 those of the mask, and the pixels are some of the outputs.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn part<const S: usize, const E: usize, const O: usize, const R: usize, const G: usize, const V: usize>(
        &self,
        pixels: &Pixels,
        channel: usize,
        (y, mut row): (&mut Columns<'_>, usize),
    ) {
        let (g, output) = (&self.params.geometry, &self.params.output);
        let padding = [self.params.input_zero_point as i8; 64];
        let finish = Finish {
            mask: self.mask,
            zero_point: _mm512_set1_epi16(output.zero_point as i16),
            low: _mm512_set1_epi16(output.low as i16),
            high: _mm512_set1_epi16(output.high as i16),
        };
        // SAFETY: the caller's promise.
        let block = unsafe { self.block::<S, E, O, R, G, V>(channel) };
        let (width, mut pixel) = (if V == 4 { 64 } else { self.mask.count_ones() as usize }, pixels.start);
        while pixel < pixels.end {
            let at = place(pixel, g.out_height, g.out_width);
            let count = g.out_width.wrapping_sub(at[2]).min(pixels.end.wrapping_sub(pixel)).max(1);
            let (mut input, pitch) = (self.input::<R>(at, channel, &padding), y.pitch());
            let rows = row..row.wrapping_add(count as usize);
            (row, pixel) = (rows.end, pixel.wrapping_add(count));
            let Some(mut y) = y.part(rows, channel.wrapping_sub(self.first), width) else { return };
            // With dilation, outputs that see the same columns are as far apart as the taps.
            let (apart, far) = (g.dilation_width.max(1), pitch.wrapping_mul(g.dilation_width as usize));
            for first in 0..apart.min(count) {
                let count = count.wrapping_sub(first).div_ceil(apart) as usize;
                // SAFETY: the rows are those of the input, or padding; `y` has so many rows with these channels.
                unsafe { walk::<S, E, O, R, G, V>(&input, &block, &finish, count, (y, far)) };
                (y, input.column) = (y.wrapping_add(pitch), input.column.wrapping_add(1));
            }
        }
    }

    /// The weights of the `16 * V` channels from `channel` on.
    ///
    /// # Safety
    /// These channels exist, of 32 those of the mask.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn block<const S: usize, const E: usize, const O: usize, const R: usize, const G: usize, const V: usize>(
        &self,
        channel: usize,
    ) -> Block<E, O, G, V> {
        let zero = _mm512_setzero_si512();
        let [bias, multipliers] = [
            spread::<V, _>(self.operands.bias, channel, |&bias| bias),
            spread::<V, _>(self.operands.multipliers, channel, |m| m.to_bits().cast_signed()),
        ];
        let mut block = Block {
            even: [[[zero; V]; G]; E],
            odd: [[[zero; V]; G]; O],
            start: bias,
            multipliers: [_mm512_setzero_ps(); V],
        };
        for (to, m) in block.multipliers.iter_mut().zip(multipliers) {
            *to = _mm512_castsi512_ps(m);
        }
        let (all_128, columns) = (_mm512_set1_epi8(-128), E.wrapping_add(O));
        for kw in 0..columns {
            let list = if S == 1 || kw.is_multiple_of(2) { block.even.as_mut_slice() } else { &mut block.odd };
            let Some(groups) = list.get_mut(if S == 1 { kw } else { kw / 2 }) else { continue };
            for (group, to) in groups.iter_mut().enumerate() {
                let mut rows = [zero; FOUR];
                for (row, kh) in rows.iter_mut().zip(group.wrapping_mul(FOUR)..R) {
                    let place = kh.wrapping_mul(columns).wrapping_add(kw).wrapping_mul(self.channels);
                    let from = self.operands.weights.as_ptr().wrapping_add(place).wrapping_add(channel);
                    // SAFETY: the caller's promise.
                    *row = unsafe { load::<V>(from, self.mask) };
                }
                *to = interleaved::<V>(rows);
                for (start, &w) in block.start.iter_mut().zip(to.iter()) {
                    *start = _mm512_sub_epi32(*start, _mm512_dpbusd_epi32(zero, all_128, w));
                }
            }
        }
        block
    }

    /// What the pixels from this one (image, row and column) on see of the channels from `channel` on.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn input<const R: usize>(&self, [image, row, column]: [u32; 3], channel: usize, padding: &[i8; 64]) -> Input<R> {
        let g = &self.params.geometry;
        let axis = g.rows();
        let mut rows = [(padding.as_ptr(), 0); R];
        for (to, kh) in rows.iter_mut().zip(0..g.kernel_height) {
            let row = axis.start(row).wrapping_add(kh.wrapping_mul(axis.dilation).cast_signed()).cast_unsigned();
            if row < g.in_height {
                let line = (image as usize).wrapping_mul(g.in_height as usize).wrapping_add(row as usize);
                let first = line.wrapping_mul(g.in_width as usize).wrapping_mul(self.channels).wrapping_add(channel);
                *to = (self.operands.x.as_ptr().wrapping_add(first), usize::MAX);
            }
        }
        let padding = _mm512_xor_si512(_mm512_set1_epi8(self.params.input_zero_point as i8), _mm512_set1_epi8(-128));
        let (column, across) = (g.columns().start(column), g.stride_width.max(g.dilation_width).cast_signed());
        Input { rows, column, columns: g.in_width, across, step: self.channels, padding }
    }
}

/// Numbers of `16 * V` channels in the order of [`Sums`].
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn spread<const V: usize, T>(from: &[T], channel: usize, bits: impl Fn(&T) -> i32) -> Sums<V> {
    let mut to = [_mm512_setzero_si512(); V];
    for (vector, to) in to.iter_mut().enumerate() {
        let mut numbers = [0; 16];
        for (quarter, numbers) in numbers.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let first = quarter.wrapping_mul(V).wrapping_add(vector).wrapping_mul(4).wrapping_add(channel);
            for (number, from) in numbers.iter_mut().zip(from.get(first..).unwrap_or_default()) {
                *number = bits(from);
            }
        }
        // SAFETY: the array holds a vector.
        *to = unsafe { _mm512_maskz_loadu_epi32(u16::MAX, numbers.as_ptr()) };
    }
    to
}

/// The bytes of `16 * V` channels: 64, or those of 32 in the mask, of which every quarter holds 8.
///
/// # Safety
/// They can be read.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn load<const V: usize>(from: *const i8, mask: __mmask32) -> __m512i {
    if V == 4 {
        // SAFETY: the caller's promise.
        return unsafe { _mm512_loadu_epi8(from) };
    }
    // SAFETY: the caller's promise.
    let bytes = _mm512_castsi256_si512(unsafe { _mm256_maskz_loadu_epi8(mask, from) });
    _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 1, 0, 2, 0, 3, 0), bytes)
}

/// The bytes of four rows by turns.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn interleaved<const V: usize>([a, b, c, d]: [__m512i; FOUR]) -> Sums<V> {
    let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
    let (ab_2, cd_2) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
    let all = [
        _mm512_unpacklo_epi16(ab, cd),
        _mm512_unpackhi_epi16(ab, cd),
        _mm512_unpacklo_epi16(ab_2, cd_2),
        _mm512_unpackhi_epi16(ab_2, cd_2),
    ];
    let mut first = [_mm512_setzero_si512(); V];
    for (to, from) in first.iter_mut().zip(all) {
        *to = from;
    }
    first
}

/// Adds the products of four rows of a column with the weights of their taps.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn add<const V: usize>(sums: &mut Sums<V>, x: &Sums<V>, w: &Sums<V>) {
    for ((sum, &x), &w) in sums.iter_mut().zip(x).zip(w) {
        *sum = _mm512_dpbusd_epi32(*sum, x, w);
    }
}

/// Computes `count` outputs, one step of `S` columns after the other, `pitch` bytes apart from `y` on.
///
/// # Safety
/// Rows that are not of padding hold all columns of the input, with as many channels as are asked for, and so do the outputs.
#[inline(never)] // On its own, every sum gets a register.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn walk<const S: usize, const E: usize, const O: usize, const R: usize, const G: usize, const V: usize>(
    input: &Input<R>,
    block: &Block<E, O, G, V>,
    finish: &Finish,
    count: usize,
    (mut y, pitch): (*mut i8, usize),
) {
    let mut sums = [block.start; E];
    let mut column = input.column;
    for step in 1..=count.wrapping_add(E).wrapping_sub(1) {
        // The newest output that sees the columns comes first, those before it move on.
        let mut previous = block.start;
        for sums in &mut sums {
            previous = core::mem::replace(sums, previous);
        }
        for group in 0..G {
            // SAFETY: the caller's promise.
            let x = unsafe { input.column::<V>(group, column, finish.mask) };
            for (sums, w) in sums.iter_mut().zip(&block.even) {
                if let Some(w) = w.get(group) {
                    add(sums, &x, w);
                }
            }
        }
        if O > 0 {
            for group in 0..G {
                // SAFETY: the caller's promise.
                let x = unsafe { input.column::<V>(group, column.wrapping_add(1), finish.mask) };
                for (sums, w) in sums.iter_mut().zip(&block.odd) {
                    if let Some(w) = w.get(group) {
                        add(sums, &x, w);
                    }
                }
            }
        }
        column = column.wrapping_add(input.across);
        if step >= E
            && let Some(sums) = sums.last()
        {
            // SAFETY: the caller's promise.
            unsafe { finish.store(sums, &block.multipliers, y) };
            y = y.wrapping_add(pitch);
        }
    }
}

impl<const R: usize> Input<R> {
    /// What lies in a column of a group of rows, with its top bits flipped.
    ///
    /// # Safety
    /// Rows that are not of padding hold all columns of the input, with as many channels as are asked for.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn column<const V: usize>(&self, group: usize, column: i32, mask: __mmask32) -> Sums<V> {
        if column.cast_unsigned() >= self.columns {
            return [self.padding; V];
        }
        let (at, flip) = ((column as usize).wrapping_mul(self.step), _mm512_set1_epi8(-128));
        let mut rows = [_mm512_setzero_si512(); FOUR];
        for (to, row) in rows.iter_mut().zip(self.rows.iter().skip(group.wrapping_mul(FOUR))) {
            // SAFETY: the caller's promise; a row of padding is read at its start.
            *to = _mm512_xor_si512(unsafe { load::<V>(row.0.wrapping_add(at & row.1), mask) }, flip);
        }
        interleaved(rows)
    }
}

impl Finish {
    /// Stores `16 * V` channels, of 32 those of the mask, at `y`.
    ///
    /// # Safety
    /// There is room for them.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn store<const V: usize>(&self, sums: &Sums<V>, multipliers: &[__m512; V], y: *mut i8) {
        let mut steps = [_mm512_setzero_si512(); 4];
        for ((step, &sum), &m) in steps.iter_mut().zip(sums).zip(multipliers) {
            let v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), m);
            *step = _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v);
        }
        let [a, b, c, d] = steps;
        // A sum above int16 stays so far outside of int8 that the zero point does not bring it back.
        let words = |a: __m512i, b: __m512i| {
            let words = _mm512_adds_epi16(_mm512_packs_epi32(a, b), self.zero_point);
            _mm512_min_epi16(_mm512_max_epi16(words, self.low), self.high)
        };
        if V == 4 {
            // SAFETY: the caller's promise.
            unsafe { _mm512_storeu_epi8(y, _mm512_packs_epi16(words(a, b), words(c, d))) };
        } else {
            let bytes = _mm512_cvtepi16_epi8(words(a, b));
            // SAFETY: the caller's promise.
            unsafe { _mm256_mask_storeu_epi8(y, self.mask, bytes) };
        }
    }
}
