//! AVX2, Winograd's F(2x2, 3x3): tiles of four outputs, six tiles times 16 channels in registers.
//!
//! The 4x4 inputs of a tile are transformed into int16, one panel for each of the 16 positions; vpmaddwd multiplies them
//! with the transformed weights in pairs of channels, and the sums of the 16 positions give the four outputs. All of it is
//! whole numbers, so that the outputs are those of the definition to the bit.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::avx2::{Finish, load};
use super::panel::Job;
use super::winograd::INPUTS;
use super::{Operands, Params, layout};
use crate::pixels::Pixels;
use crate::winograd::{POSITIONS, TILES, Tile, Tiles};
use crate::{Isa, Level};

/// Convolves with transformed weights; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Avx2 || params.layout != layout::WINOGRAD {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, operands, pixels, y) };
    true
}

/// Most elements of a panel's row: the channels, and no power of two, so that rows do not fall into one set of the cache.
const PITCH: usize = INPUTS as usize + 16;

/// The transformed inputs `[16 positions][TILES][pitch]`, and the inputs of a tile at a border `[16][pitch]`.
struct Memory {
    panel: [MaybeUninit<i16>; POSITIONS * TILES * PITCH],
    border: [i8; POSITIONS * PITCH],
}

/// All pixels.
#[target_feature(enable = "avx2")]
fn all(params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
    let mut memory =
        Memory { panel: [MaybeUninit::uninit(); POSITIONS * TILES * PITCH], border: [0; POSITIONS * PITCH] };
    let job = Job::new(params, operands, pixels);
    let finish = Finish::new(&params.output, operands.multipliers);
    let inputs = params.geometry.in_channels as usize;
    let work = Work { job: &job, finish: &finish, inputs, pitch: inputs.next_multiple_of(16).wrapping_add(16) };
    let mut tiles = Tiles::new(&params.geometry, pixels.clone());
    loop {
        let mut group = [Tile::default(); TILES];
        let mut count = 0;
        while let Some(to) = group.get_mut(count) {
            let Some(tile) = tiles.next() else { break };
            work.transform(&tile, count, &mut memory);
            (*to, count) = (tile, count.wrapping_add(1));
        }
        let Some(group) = group.get(..count) else { return };
        // Rows of the panel beyond the last tile hold what an earlier one left, or were never asked for.
        match count {
            0 => return,
            5.. => work.outputs::<6>(&memory, group, &tiles, y),
            3 | 4 => work.outputs::<4>(&memory, group, &tiles, y),
            2 => work.outputs::<2>(&memory, group, &tiles, y),
            _ => work.outputs::<1>(&memory, group, &tiles, y),
        }
    }
}

struct Work<'a> {
    job: &'a Job<'a>,
    finish: &'a Finish,
    inputs: usize,
    /// Elements from row to row of the panel.
    pitch: usize,
}

impl Work<'_> {
    /// Transforms the inputs of a tile into row `index` of every position's panel.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn transform(&self, tile: &Tile, index: usize, memory: &mut Memory) {
        let (g, x) = (&self.job.params.geometry, self.job.operands.x);
        let to = memory.panel.as_mut_ptr().cast::<i16>().wrapping_add(index.wrapping_mul(self.pitch));
        let position = self.pitch.wrapping_mul(TILES);
        if let Some(x) = tile.inside(g, x, 15) {
            let line = (g.in_width as usize).wrapping_mul(self.inputs);
            // SAFETY: the slice reaches as far as the last vector of the last input, the panel holds the row.
            unsafe { transform(x.as_ptr(), line, self.inputs, self.inputs, to, position) };
            return;
        }
        tile.gather(g, x, self.job.params.input_zero_point as i8, self.pitch, &mut memory.border);
        let line = self.pitch.wrapping_mul(4);
        // SAFETY: the border holds 16 rows of `pitch` inputs, the panel holds the row.
        unsafe { transform(memory.border.as_ptr(), line, self.pitch, self.inputs, to, position) };
    }

    /// All channels of the tiles of a group, the panel of which has `P` rows at least.
    #[target_feature(enable = "avx2")]
    fn outputs<const P: usize>(&self, memory: &Memory, group: &[Tile], tiles: &Tiles<'_>, y: &mut [i8]) {
        let mut weights = self.job.operands.weights.as_ptr().cast::<i16>();
        let (steps, position) = (self.inputs / 2, self.pitch.wrapping_mul(TILES));
        let mut channel = 0;
        while channel < self.job.channels {
            let mut sums = [[[_mm256_setzero_si256(); 2]; P]; POSITIONS];
            let mut x = memory.panel.as_ptr().cast::<i16>();
            for sums in &mut sums {
                // SAFETY: the panel holds TILES rows of `steps` pairs, a block of weights 64 bytes for each of them.
                *sums = unsafe { add::<P>((x, self.pitch), weights, steps) };
                (x, weights) = (x.wrapping_add(position), weights.wrapping_add(steps.wrapping_mul(32)));
            }
            let (bias, multipliers) = self.job.requantization(channel);
            let bias = load(bias);
            for (k, tile) in group.iter().enumerate() {
                let rows = rows(&sums, k, bias);
                for (sums, row) in rows.iter().zip(0..) {
                    self.store(sums, multipliers, tiles, (tile, row), channel, y);
                }
            }
            channel = channel.wrapping_add(16);
        }
    }

    /// Stores the outputs of a row of a tile that are asked for.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(
        &self,
        sums: &[[__m256i; 2]; 2],
        multipliers: &[f32; 16],
        tiles: &Tiles<'_>,
        (tile, row): (&Tile, u32),
        channel: usize,
        y: &mut [i8],
    ) {
        let (first, column, count) = tiles.outputs(tile, row);
        let y = y.get_mut(first.wrapping_mul(self.job.channels)..).unwrap_or_default();
        let sizes = (self.job.channels, self.job.channels);
        match (count, column, sums) {
            (2, _, sums) => self.finish.store(sums, multipliers, sizes, channel, y),
            (1, 0, [one, _]) | (1, _, [_, one]) => self.finish.store(&[*one], multipliers, sizes, channel, y),
            _ => {}
        }
    }
}

/// Transforms 4x4 pixels of `inputs` channels, `line` and `pixel` apart, into 16 rows that are `position` apart.
///
/// # Safety
/// Every pixel can be read, and every row written, up to the next multiple of 16 channels.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn transform(x: *const i8, line: usize, pixel: usize, inputs: usize, to: *mut i16, position: usize) {
    let mut channel = 0;
    while channel < inputs {
        let (x, to) = (x.wrapping_add(channel), to.wrapping_add(channel));
        let mut columns = [[_mm256_setzero_si256(); 4]; 4];
        for (c, column) in columns.iter_mut().enumerate() {
            let mut d = [_mm256_setzero_si256(); 4];
            for (r, d) in d.iter_mut().enumerate() {
                let x = x.wrapping_add(r.wrapping_mul(line)).wrapping_add(c.wrapping_mul(pixel));
                // SAFETY: the caller's promise.
                *d = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(x.cast()) });
            }
            *column = differences(d);
        }
        let [a, b, c, d] = columns;
        let mut place = to;
        for (((a, b), c), d) in a.into_iter().zip(b).zip(c).zip(d) {
            for value in differences([a, b, c, d]) {
                // SAFETY: the caller's promise.
                unsafe { _mm256_storeu_si256(place.cast(), value) };
                place = place.wrapping_add(position);
            }
        }
        channel = channel.wrapping_add(16);
    }
}

/// The transform of four inputs.
#[inline]
#[target_feature(enable = "avx2")]
fn differences([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    [_mm256_sub_epi16(a, c), _mm256_add_epi16(b, c), _mm256_sub_epi16(c, b), _mm256_sub_epi16(b, d)]
}

/// The sums of `steps` pairs of inputs times weights, of `P` rows and 16 channels.
///
/// # Safety
/// There are `P` rows of as many pairs at `x`, `pitch` apart, and 64 bytes of weights for each of them.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn add<const P: usize>(
    (mut x, pitch): (*const i16, usize),
    mut weights: *const i16,
    steps: usize,
) -> [[__m256i; 2]; P] {
    let mut sums = [[_mm256_setzero_si256(); 2]; P];
    for _ in 0..steps {
        // SAFETY: the caller's promise.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(weights.cast()), _mm256_loadu_si256(weights.wrapping_add(16).cast())) };
        weights = weights.wrapping_add(32);
        for (p, [a, b]) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let pair = unsafe { x.wrapping_add(p.wrapping_mul(pitch)).cast::<i32>().read_unaligned() };
            let pair = _mm256_set1_epi32(pair);
            *a = _mm256_add_epi32(*a, _mm256_madd_epi16(pair, low));
            *b = _mm256_add_epi32(*b, _mm256_madd_epi16(pair, high));
        }
        x = x.wrapping_add(2);
    }
    sums
}

/// The sums of the four outputs of tile `k`, `[row][column][half]`, with the bias.
#[inline]
#[target_feature(enable = "avx2")]
fn rows<const P: usize>(sums: &[[[__m256i; 2]; P]; POSITIONS], k: usize, bias: [__m256i; 2]) -> [[[__m256i; 2]; 2]; 2] {
    let mut all = [[[_mm256_setzero_si256(); 2]; 2]; 2];
    for (half, bias) in bias.into_iter().enumerate() {
        let at = |position: usize| {
            let sums = sums.get(position).and_then(|tiles| tiles.get(k)).and_then(|halves| halves.get(half));
            sums.copied().unwrap_or(bias)
        };
        let mut lines = [[_mm256_setzero_si256(); 4]; 2];
        for c in 0..4usize {
            let [a, b] = pair([at(c), at(c.wrapping_add(4)), at(c.wrapping_add(8)), at(c.wrapping_add(12))]);
            let [one, other] = &mut lines;
            if let (Some(one), Some(other)) = (one.get_mut(c), other.get_mut(c)) {
                (*one, *other) = (a, b);
            }
        }
        for (line, row) in lines.into_iter().zip(&mut all) {
            for (sum, output) in pair(line).into_iter().zip(row) {
                if let Some(output) = output.get_mut(half) {
                    *output = _mm256_add_epi32(_mm256_srai_epi32::<2>(sum), bias);
                }
            }
        }
    }
    all
}

/// Two outputs from four sums.
#[inline]
#[target_feature(enable = "avx2")]
fn pair([a, b, c, d]: [__m256i; 4]) -> [__m256i; 2] {
    let (sum, difference) = (_mm256_add_epi32(b, c), _mm256_sub_epi32(b, c));
    [_mm256_add_epi32(a, sum), _mm256_sub_epi32(difference, d)]
}
