//! AVX-512 VNNI: tiles of 4 pixels of a row times 64 channels; vpdpbusd adds the products of 4 taps at once.
//!
//! The inputs of 4 rows of a column are interleaved byte by byte, once for all windows of the tile that see the column.
//! Where a block has no more than 32 or 16 channels, 2 or 4 tiles side by side share the vectors. vpdpbusd multiplies
//! unsigned by signed bytes, so that it gets `x + 128` (x with its top bit flipped), and the sums start at `bias - 128 * Σ w`.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{Operands, Params};
use crate::pixels::{Pixels, place};
use crate::{Isa, Level};

/// Pixels of a tile.
const TILE: usize = 4;
/// Most columns of a kernel times fours of rows (11x11 has 33).
const FOURS: usize = 36;

/// Convolves; false where the CPU has not the instruction set, the kernel is too large or its columns are dilated.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let g = &params.geometry;
    let fours = g.kernel_height.div_ceil(4).saturating_mul(g.kernel_width) as usize;
    if isa.level() != Level::Avx512Vnni || fours > FOURS || g.dilation_width != 1 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, operands, pixels, y) };
    true
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn all(params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
    let channels = params.geometry.out_channels as usize;
    for first in (0..channels.div_ceil(64)).map(|block| block.wrapping_mul(64)) {
        let count = channels.wrapping_sub(first).min(64);
        let block = Block::new(params, operands, first, count);
        match count {
            33.. => block.all::<1>(pixels, y),
            17.. => block.all::<2>(pixels, y),
            _ => block.all::<4>(pixels, y),
        }
    }
}

/// Up to 64 channels.
struct Block<'a> {
    params: &'a Params,
    x: &'a [i8],
    /// The first channel, and how many there are.
    first: usize,
    count: usize,
    /// Of every column of the kernel and every 4 of its rows: the weights, interleaved as the inputs are.
    weights: [[__m512i; 4]; FOURS],
    start: [__m512i; 4],
    multipliers: [__m512; 4],
    low: __m512,
    high: __m512,
    zero_point: __m512i,
    /// A pixel of padding.
    padding: [i8; 64],
}

/// The part of a row of outputs that is computed.
#[derive(Clone, Copy)]
struct Line {
    image: u32,
    row: u32,
    column: u32,
    pixels: usize,
}

/// Interleaves the bytes of four vectors: element `c` of vector `j` are the four bytes of channel `16 * (c / 4) + 4 * j + c % 4`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn interleave([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
    let (ef, gh) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
    [
        _mm512_unpacklo_epi16(ab, cd),
        _mm512_unpackhi_epi16(ab, cd),
        _mm512_unpacklo_epi16(ef, gh),
        _mm512_unpackhi_epi16(ef, gh),
    ]
}

/// The bits of `n` lanes.
fn mask(n: usize) -> u64 {
    if n >= 64 { u64::MAX } else { (1u64 << (n & 63)).wrapping_sub(1) }
}

/// Elements from `first` on, repeated with the period of the tiles that share a vector, in the order of [`interleave`].
fn spread<T: Copy + Default>(from: &[T], first: usize, count: usize) -> [[T; 16]; 4] {
    let period = match count {
        33.. => 64,
        17.. => 32,
        _ => 16,
    };
    let mut all = [[T::default(); 16]; 4];
    for (j, vector) in all.iter_mut().enumerate() {
        for (c, to) in vector.iter_mut().enumerate() {
            let lane = (16 * (c / 4) + 4 * j + c % 4) & (period - 1);
            if let Some(&value) = from.get(first.wrapping_add(lane)).filter(|_| lane < count) {
                *to = value;
            }
        }
    }
    all
}

impl<'a> Block<'a> {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn new(params: &'a Params, o: &'a Operands<'a>, first: usize, count: usize) -> Self {
        let (g, output) = (&params.geometry, &params.output);
        // SAFETY: the array holds 16 elements.
        let numbers = |v: &[i32; 16]| unsafe { _mm512_loadu_si512(v.as_ptr().cast()) };
        // SAFETY: the array holds 16 elements.
        let floats = |v: &[f32; 16]| unsafe { _mm512_loadu_ps(v.as_ptr()) };
        let mut block = Self {
            params,
            x: o.x,
            first,
            count,
            weights: [[_mm512_setzero_si512(); 4]; FOURS],
            start: spread(o.bias, first, count).each_ref().map(numbers),
            multipliers: spread(o.multipliers, first, count).each_ref().map(floats),
            low: _mm512_set1_ps(output.low.wrapping_sub(output.zero_point) as f32),
            high: _mm512_set1_ps(output.high.wrapping_sub(output.zero_point) as f32),
            zero_point: _mm512_set1_epi16(output.zero_point as i16),
            padding: [params.input_zero_point as i8; 64],
        };
        let mut slots = block.weights.iter_mut();
        for kw in 0..g.kernel_width as usize {
            for four in 0..g.kernel_height.div_ceil(4) as usize {
                let Some(slot) = slots.next() else { return block };
                let mut rows = [_mm512_setzero_si512(); 4];
                for (k, row) in rows.iter_mut().enumerate() {
                    let kh = four.wrapping_mul(4).wrapping_add(k);
                    if kh < g.kernel_height as usize {
                        *row = taps(
                            o.weights,
                            g.kernel_width as usize,
                            [kh, kw],
                            block.first,
                            block.count,
                            g.out_channels,
                        );
                    }
                }
                *slot = interleave(rows);
                for (start, &weights) in block.start.iter_mut().zip(&*slot) {
                    // 128 times the sum is what 128 in every unsigned byte would add.
                    let sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(-128), weights);
                    *start = _mm512_sub_epi32(*start, sum);
                }
            }
        }
        block
    }

    /// These channels of all pixels, in rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn all<const G: usize>(&self, pixels: &Pixels, y: &mut [i8]) {
        let g = &self.params.geometry;
        let (mut pixel, mut y) = (pixels.start, y);
        while pixel < pixels.end {
            let [image, row, column] = place(pixel, g.out_height, g.out_width);
            let count = g.out_width.wrapping_sub(column).min(pixels.end.wrapping_sub(pixel)).max(1);
            let len = (count as usize).wrapping_mul(g.out_channels as usize);
            let Some((part, rest)) = y.split_at_mut_checked(len) else { return };
            self.line::<G>(Line { image, row, column, pixels: count as usize }, part);
            (y, pixel) = (rest, pixel.wrapping_add(count));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn line<const G: usize>(&self, mut line: Line, y: &mut [i8]) {
        let channels = self.params.geometry.out_channels as usize;
        let mut y = y;
        while line.pixels > 0 {
            self.tile::<G>(line, y);
            let done = line.pixels.min(TILE * G);
            (line.pixels, line.column) = (line.pixels.wrapping_sub(done), line.column.wrapping_add(done as u32));
            y = y.get_mut(done.wrapping_mul(channels)..).unwrap_or_default();
        }
    }

    /// The first pixels of a line: `G` tiles side by side.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn tile<const G: usize>(&self, line: Line, y: &mut [i8]) {
        let g = &self.params.geometry;
        let (stride, fours) = (g.stride_width as usize, g.kernel_height.div_ceil(4) as usize);
        let kernel = g.kernel_width as usize;
        let flip = _mm512_set1_epi8(-128);
        let mut sums = [self.start; TILE];
        for column in 0..stride.wrapping_mul(TILE - 1).wrapping_add(kernel) {
            for four in 0..fours {
                let mut rows = [_mm512_setzero_si512(); 4];
                for (k, row) in rows.iter_mut().enumerate() {
                    let kh = four.wrapping_mul(4).wrapping_add(k) as u32;
                    if kh < g.kernel_height {
                        *row = _mm512_xor_si512(self.inputs::<G>(line, kh, column), flip);
                    }
                }
                let inputs = interleave(rows);
                for (p, sums) in sums.iter_mut().enumerate() {
                    // A column left of the window is a large number.
                    let kw = column.wrapping_sub(p.wrapping_mul(stride));
                    let place = kw.wrapping_mul(fours).wrapping_add(four);
                    let Some(weights) = self.weights.get(place).filter(|_| kw < kernel) else { continue };
                    for ((sum, &x), &w) in sums.iter_mut().zip(&inputs).zip(weights) {
                        *sum = _mm512_dpbusd_epi32(*sum, x, w);
                    }
                }
            }
        }
        self.store::<G>(line, &sums, y);
    }

    /// The inputs of all channels at a row of the kernel and a column of the tiles.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn inputs<const G: usize>(&self, line: Line, kh: u32, column: usize) -> __m512i {
        let g = &self.params.geometry;
        let (rows, columns) = (g.rows(), g.columns());
        let row = rows.start(line.row).wrapping_add(kh.wrapping_mul(rows.dilation).cast_signed()).cast_unsigned();
        let first = columns.start(line.column).wrapping_add(column as i32);
        let mut places = [self.padding.as_ptr(); G];
        for (tile, to) in places.iter_mut().enumerate() {
            let column = first.wrapping_add(tile.wrapping_mul(TILE).wrapping_mul(g.stride_width as usize) as i32);
            let column = column.cast_unsigned();
            if row < g.in_height && column < g.in_width {
                let line = (line.image as usize).wrapping_mul(g.in_height as usize).wrapping_add(row as usize);
                let pixel = line.wrapping_mul(g.in_width as usize).wrapping_add(column as usize);
                *to = self.x.as_ptr().wrapping_add(pixel.wrapping_mul(g.in_channels as usize).wrapping_add(self.first));
            }
        }
        let mask = mask(self.count);
        match *places.as_slice() {
            // SAFETY: the channels of the mask exist in every pixel of the input and in the padding.
            [a] => unsafe { _mm512_maskz_loadu_epi8(mask, a) },
            [a, b] => {
                let half = |from: *const i8| {
                    // SAFETY: as above.
                    unsafe { _mm256_maskz_loadu_epi8(mask as u32, from) }
                };
                _mm512_inserti64x4::<1>(_mm512_castsi256_si512(half(a)), half(b))
            }
            [a, b, c, d] => {
                let quarter = |from: *const i8| {
                    // SAFETY: as above.
                    unsafe { _mm_maskz_loadu_epi8(mask as u16, from) }
                };
                let v = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(quarter(a)), quarter(b));
                _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(v, quarter(c)), quarter(d))
            }
            _ => _mm512_setzero_si512(),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn store<const G: usize>(&self, line: Line, sums: &[[__m512i; 4]; TILE], y: &mut [i8]) {
        let channels = self.params.geometry.out_channels as usize;
        for (p, sums) in sums.iter().enumerate() {
            let bytes = self.bytes(sums);
            for tile in 0..G {
                let pixel = tile.wrapping_mul(TILE).wrapping_add(p);
                let first = pixel.wrapping_mul(channels).wrapping_add(self.first);
                let y = y.get_mut(first..first.wrapping_add(self.count)).filter(|_| pixel < line.pixels);
                let Some(y) = y else { continue };
                let lane = tile.wrapping_mul(64 / G);
                // SAFETY: lane `lane + c` goes to element `c`, and the slice holds as many as the mask has bits.
                unsafe { _mm512_mask_storeu_epi8(y.as_mut_ptr().wrapping_sub(lane), mask(self.count) << lane, bytes) };
            }
        }
    }

    /// From sums to int8, channels in order.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn bytes(&self, sums: &[__m512i; 4]) -> __m512i {
        let mut steps = [_mm512_setzero_si512(); 4];
        for ((steps, &sum), &multipliers) in steps.iter_mut().zip(sums).zip(&self.multipliers) {
            let v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), multipliers);
            // The second operand wins against a NaN, as in the contract.
            let v = _mm512_min_ps(_mm512_max_ps(v, self.low), self.high);
            *steps = _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v);
        }
        let [a, b, c, d] = steps;
        let ab = _mm512_add_epi16(_mm512_packs_epi32(a, b), self.zero_point);
        _mm512_packs_epi16(ab, _mm512_add_epi16(_mm512_packs_epi32(c, d), self.zero_point))
    }
}

/// The weights of `count` channels at a tap, repeated as [`spread`] does.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn taps(weights: &[i8], width: usize, [kh, kw]: [usize; 2], first: usize, count: usize, channels: u32) -> __m512i {
    let tap = kh.wrapping_mul(width).wrapping_add(kw).wrapping_mul(channels as usize).wrapping_add(first);
    let Some(row) = weights.get(tap..tap.wrapping_add(count)) else { return _mm512_setzero_si512() };
    // SAFETY: the slice holds as many bytes as the mask has bits.
    let row = unsafe { _mm512_maskz_loadu_epi8(mask(count), row.as_ptr()) };
    match count {
        33.. => row,
        17.. => _mm512_shuffle_i64x2::<0b01_00_01_00>(row, row),
        _ => _mm512_shuffle_i64x2::<0b00_00_00_00>(row, row),
    }
}
