//! AMX: tiles of two times 16 pixels and two times 16 channels, 64 inputs at a time.
//!
//! A tile's pixels lie in one row of the output, so that their inputs are equally far apart; a row is cut into tiles of
//! one size, and the last one computes some pixels again. Where all pixels are one row of input without borders, nothing is
//! copied.
#![allow(unsafe_code)] // Tiles, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

mod places;
mod store;
mod sums;

use core::mem::MaybeUninit;

use places::Place;
pub(crate) use places::Places;
use store::Outputs;
use sums::{Sums, TILE};

use crate::amx::{Shape, Tiles};
use crate::intrinsics::*;

use super::avx512_finish::Finish;
use super::avx512vnni::Part;
use super::bands::{BYTES, Job, Memory, ROOM};
use super::{Operands, Params, layout};
use crate::columns::Columns;
use crate::pixels::Pixels;
use crate::{Isa, Level};

/// Bytes that the last tile of a row of taps may reach beyond it.
const OVER: usize = 4 << 10;

/// Pairs of tiles up to which a strip asks for the next one's weights: more pairs read what comes late often enough.
const PAIRS: usize = 16;

/// Steps from which on outputs are stored between them; of fewer, the sums would wait.
const STEPS: usize = 2;

/// Lines for each that is asked for: the CPU itself fetches those between, and more than that at a time.
const EACH: usize = 4;

/// Whether it convolves with weights in this layout here.
pub(super) fn suits(isa: Isa, layout: u32) -> bool {
    isa.level() == Level::Amx && layout == layout::O16A4
}

/// Convolves with weights in O16A4, and looks outputs up in registers where the CPU has VBMI; false where the CPU or the layout
/// is another one. Of every pixel `y` has the output channels.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut Columns<'_>) -> bool {
    if !suits(isa, params.layout) || operands.table.is_some() && !isa.has_vbmi() {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it; with a table it has VBMI.
    unsafe {
        if operands.weights.len() > ROOM {
            all::<{ ROOM + OVER }>(Job::new(params, operands, pixels, 0, ROOM), y);
        } else {
            all::<{ BYTES + OVER }>(Job::new(params, operands, pixels, 0, BYTES), y);
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
unsafe fn all<const N: usize>(mut job: Job<'_>, y: &mut Columns<'_>) {
    let mut memory = Memory::<N>::new();
    if cfg!(feature = "emulated") {
        memory.0.fill(MaybeUninit::new(0));
    }
    let operands = job.operands;
    // SAFETY: the caller's promise.
    let finish = unsafe { Finish::of(&job) };
    let (count, fours) = job.tiles();
    let (mut tiles, mut done) = (None, 0usize);
    while let Some(band) = job.next() {
        let Some(mut here) = y.of_rows(done..done.wrapping_add(band.pixels)) else { return };
        let lines = job.in_place(&band, count.wrapping_mul(fours).wrapping_mul(4)).unwrap_or_else(|| {
            job.fill(&band, &mut memory.0, |from, to| {
                to.iter_mut().zip(from).for_each(|(to, from)| _ = to.write(from.cast_unsigned()));
            });
            // All lines of the band have been written.
            memory.0.as_ptr().cast()
        });
        let (step, line_step) = job.steps(&band);
        let places = Places::band((step, line_step), band.windows as usize, band.window as usize, band.pixels);
        let shape = Shape { rows: places.rows() as u8, fours: fours as u8 };
        // SAFETY: this is only entered on a CPU that has AMX.
        let tiles = tiles.get_or_insert_with(|| unsafe { Tiles::new(shape) });
        tiles.shape(shape);
        let taps = job.taps(&band);
        let work = Work {
            operands,
            finish: &finish,
            channels: job.channels,
            block: job.block,
            part: None,
            lines,
            rows: taps.rows,
            row_step: taps.row_step,
            tiles: count,
            fours,
            places,
        };
        work.run(tiles, &mut here);
        done = done.wrapping_add(band.pixels);
    }
}

/// Pixels, whose input is there.
pub(crate) struct Work<'a> {
    pub(crate) operands: &'a Operands<'a>,
    pub(crate) finish: &'a Finish,
    /// Output channels.
    pub(crate) channels: usize,
    /// Bytes of weights from one block of 16 channels to the next.
    pub(crate) block: usize,
    /// The part of the weights that is used, if not all of it.
    pub(crate) part: Option<Part>,
    /// The input.
    pub(crate) lines: *const i8,
    /// Rows of taps, input bytes from one to the next, and tiles of each, of so many fours.
    pub(crate) rows: u32,
    pub(crate) row_step: usize,
    pub(crate) tiles: usize,
    pub(crate) fours: usize,
    pub(crate) places: Places,
}

/// What `B` blocks of 16 channels share over all pixels.
struct Strip<const B: usize> {
    /// The blocks' weights.
    weights: [*const i8; B],
    /// What the sums start at.
    bias: [[i32; 16]; B],
    /// Of the four vectors that are packed together.
    multipliers: [__m512; 4],
    /// First channel, and the mask of those that exist.
    channel: usize,
    mask: u64,
}

/// Asks for the weights of the next strip while one is multiplied: from the third-level cache they would come too late.
struct Ahead {
    next: *const i8,
    /// Lines for every step.
    lines: usize,
}

impl Ahead {
    /// Behind these weights, which all of so many pairs of tiles read.
    #[inline(always)]
    fn new<const B: usize>(weights: [*const i8; B], block: usize, pairs: usize) -> Self {
        let lines = if pairs > PAIRS { 0 } else { (16 * B / EACH).div_ceil(pairs.max(1)) };
        Self { next: ends(weights)[1].wrapping_add(block), lines }
    }

    #[inline(always)]
    fn step(&mut self) {
        for _ in 0..self.lines {
            // SAFETY: every CPU of this architecture has SSE, and asking for a line never fails.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(self.next) };
            self.next = self.next.wrapping_add(64 * EACH);
        }
    }
}

impl Work<'_> {
    /// All channels, 32 at a time; `y` has those of the pixels.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn run(&self, tiles: &mut Tiles, y: &mut Columns<'_>) {
        if self.finish.small { self.channels::<true>(tiles, y) } else { self.channels::<false>(tiles, y) }
    }

    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn channels<const SMALL: bool>(&self, tiles: &mut Tiles, y: &mut Columns<'_>) {
        let blocks = self.channels.div_ceil(16);
        let mut block = 0usize;
        while block < blocks {
            if blocks.wrapping_sub(block) > 1 {
                self.pixels::<2, SMALL>(&self.strip(block), tiles, y);
                block = block.wrapping_add(1);
            } else {
                self.pixels::<1, SMALL>(&self.strip(block), tiles, y);
            }
            block = block.wrapping_add(1);
        }
    }

    /// `B` blocks.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn strip<const B: usize>(&self, block: usize) -> Strip<B> {
        let (operands, channel) = (self.operands, block.wrapping_mul(16));
        let count = self.channels.wrapping_sub(channel).min(16 * B);
        let mut strip = Strip {
            weights: [core::ptr::null(); B],
            bias: [[0; 16]; B],
            multipliers: [_mm512_setzero_ps(); 4],
            channel,
            mask: u64::MAX >> (64usize.wrapping_sub(count) & 63),
        };
        for (k, (weights, bias)) in strip.weights.iter_mut().zip(&mut strip.bias).enumerate() {
            let place = block.wrapping_add(k).wrapping_mul(self.block);
            let mut all = operands.weights.get(place..place.wrapping_add(self.block)).unwrap_or_default();
            if let Some(part) = &self.part {
                all = all.get(part.before..part.before.wrapping_add(part.bytes)).unwrap_or_default();
                *bias = part.less(all);
            }
            *weights = all.as_ptr();
            let from = operands.bias.get(channel.wrapping_add(k.wrapping_mul(16))..).unwrap_or_default();
            bias.iter_mut().zip(from).for_each(|(to, &from)| *to = to.wrapping_add(from));
        }
        for (k, to) in strip.multipliers.iter_mut().enumerate() {
            // Where several pixels share a vector of bytes, they come again.
            let first = channel.wrapping_add(k.checked_rem(B).unwrap_or(0).wrapping_mul(16));
            let from = operands.multipliers.get(first..).unwrap_or_default();
            let mut all = [0.0; 16];
            all.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            // SAFETY: the array holds 16 floats.
            *to = unsafe { _mm512_maskz_loadu_ps(u16::MAX, all.as_ptr()) };
        }
        strip
    }

    /// All pixels of a strip.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn pixels<const B: usize, const SMALL: bool>(&self, strip: &Strip<B>, tiles: &mut Tiles, y: &mut Columns<'_>) {
        let mut places = self.places.clone();
        let mut memory = [const { Sums::NONE }; 2];
        let [sums, last] = &mut memory;
        // Tiles multiply while the sums of those before them are stored.
        let (mut sums, mut last) = (sums, last);
        let mut outputs = Outputs::new(self.finish, strip, y);
        let mut ahead = Ahead::new(strip.weights, self.block, places.tiles().div_ceil(2));
        let x = |place: Place| self.lines.wrapping_add(place.start);
        while let Some(a) = places.next() {
            let first = u64::from(a.new).wrapping_shl(TILE);
            let rows = if let Some(b) = places.next() {
                let second = if places.joined() { 2 * TILE } else { Sums::second(a.new, b.new) };
                let to = [sums.row(TILE), sums.row(second)];
                self.sums::<2, B, SMALL>(strip, [x(a), x(b)], (&mut outputs, &mut ahead), tiles, to);
                first | u64::from(b.new).wrapping_shl(second)
            } else {
                let to = [sums.row(TILE); 2];
                self.sums::<1, B, SMALL>(strip, [x(a)], (&mut outputs, &mut ahead), tiles, to);
                first
            };
            outputs.rest::<SMALL>();
            outputs.begin(sums.row(0), rows);
            core::mem::swap(&mut sums, &mut last);
        }
        outputs.rest::<SMALL>();
    }

    /// The sums of `A` tiles of pixels, whose windows begin at `x`; stores what was before.
    #[inline(always)]
    fn sums<const A: usize, const B: usize, const SMALL: bool>(
        &self,
        strip: &Strip<B>,
        x: [*const i8; A],
        (outputs, ahead): (&mut Outputs<'_, '_, B>, &mut Ahead),
        tiles: &mut Tiles,
        [to0, to1]: [*mut i32; 2],
    ) {
        // Tiles have 16 pixels at most.
        let steps = self.tiles.wrapping_mul(self.rows as usize);
        let each = if steps < STEPS { 0 } else { (8 * B).div_ceil(steps.max(1)) };
        let ([x0, x1], [w0, w1]) = (ends(x), ends(strip.weights));
        let [bias0, bias1] = ends(strip.bias.each_ref().map(|bias| bias.as_ptr().cast()));
        // SAFETY: every row of a tile of sums is loaded from the same 16.
        unsafe {
            tiles.load::<0>(bias0, 0);
            if B > 1 {
                tiles.load::<1>(bias1, 0);
            }
            if A > 1 {
                tiles.load::<2>(bias0, 0);
            }
            if A > 1 && B > 1 {
                tiles.load::<3>(bias1, 0);
            }
        }
        let (step, width) = (self.places.step(), self.fours.wrapping_mul(4));
        let (mut row, mut rows, mut weight) = (0usize, self.rows, 0usize);
        while rows > 0 {
            let (mut place, mut left) = (row, self.tiles);
            while left > 0 {
                // SAFETY: the lines hold as many windows as a tile has rows, so far apart, and what is read beyond the last
                // row of taps; a block of weights has 64 bytes for every four inputs.
                unsafe {
                    tiles.load::<6>(w0.wrapping_add(weight), 64);
                    tiles.load::<4>(x0.wrapping_add(place), step);
                    tiles.multiply::<0, 4, 6>();
                    if B > 1 {
                        tiles.load::<7>(w1.wrapping_add(weight), 64);
                        tiles.multiply::<1, 4, 7>();
                    }
                    if A > 1 {
                        tiles.load::<5>(x1.wrapping_add(place), step);
                        tiles.multiply::<2, 5, 6>();
                    }
                    if A > 1 && B > 1 {
                        tiles.multiply::<3, 5, 7>();
                    }
                }
                ahead.step();
                for _ in 0..each {
                    outputs.step::<SMALL>();
                }
                weight = weight.wrapping_add(width.wrapping_mul(16));
                (place, left) = (place.wrapping_add(width), left.wrapping_sub(1));
            }
            (row, rows) = (row.wrapping_add(self.row_step), rows.wrapping_sub(1));
        }
        // SAFETY: there is room for 16 rows of 32 sums.
        unsafe {
            tiles.store::<0>(to0, 128);
            if B > 1 {
                tiles.store::<1>(to0.wrapping_add(16), 128);
            }
            if A > 1 {
                tiles.store::<2>(to1, 128);
            }
            if A > 1 && B > 1 {
                tiles.store::<3>(to1.wrapping_add(16), 128);
            }
        }
    }
}

impl Part {
    /// What the zero point adds to the sums of a block with these weights, negated.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn less(&self, weights: &[i8]) -> [i32; 16] {
        // Unsigned bytes: the zero point above -128, and 128.
        let (each, top) = (_mm512_set1_epi8(self.zero_point.wrapping_add(128) as i8), _mm512_set1_epi8(-128));
        let mut sums = [_mm512_setzero_si512(); 2];
        for w in weights.as_chunks::<64>().0 {
            // SAFETY: the array holds 64 bytes.
            let w = unsafe { _mm512_loadu_epi8(w.as_ptr()) };
            let [a, b] = sums;
            sums = [_mm512_dpbusd_epi32(a, each, w), _mm512_dpbusd_epi32(b, top, w)];
        }
        let ([a, b], mut less) = (sums, [0; 16]);
        // SAFETY: the array holds 16 numbers.
        unsafe { _mm512_storeu_epi32(less.as_mut_ptr(), _mm512_sub_epi32(b, a)) };
        less
    }
}

/// The first and the last.
#[inline(always)]
fn ends<const N: usize>(all: [*const i8; N]) -> [*const i8; 2] {
    let first = all.first().copied().unwrap_or(core::ptr::null());
    [first, all.last().copied().unwrap_or(first)]
}
