//! AMX: tiles of two times 16 pixels and two times 16 channels, 64 inputs at a time.
//!
//! A tile's pixels lie in one row of the output, so that their inputs are equally far apart; a row is cut into tiles of
//! one size, and the last one computes some pixels again. Where all pixels are one row of input without borders, nothing is
//! copied.
#![allow(unsafe_code)] // Tiles, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

mod pair;
mod places;
mod store;
mod strip;
mod sums;

use core::mem::MaybeUninit;
use core::ops::Range;

use places::Place;
pub(crate) use places::Places;
use store::Outputs;
use strip::Ahead;
use sums::{Left, Sums};

use crate::amx::{Shape, Tiles};

use super::avx512_finish::Finish;
use super::avx512vnni::Part;
use super::bands::{BYTES, Job, Memory, ROOM};
use super::{Operands, Params, layout};
use crate::columns::Columns;
use crate::pixels::Pixels;
use crate::{Isa, Level};

/// Bytes that the last tile of a row of taps may reach beyond it.
const OVER: usize = 4 << 10;

/// What is known of all sums.
mod kind {
    /// Nothing.
    pub(super) const ANY: u8 = 0;
    /// Their products with the multipliers fit into int32.
    pub(super) const SMALL: u8 = 1;
    /// They are less than 2^22 as well.
    pub(super) const NEAR: u8 = 2;
}

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

impl Work<'_> {
    /// All channels, 32 at a time; `y` has those of the pixels.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn run(&self, tiles: &mut Tiles, y: &mut Columns<'_>) {
        if self.rows == 0 || self.tiles == 0 {
            return;
        }
        match (self.finish.small, self.near()) {
            (true, true) => self.channels::<{ kind::NEAR }>(tiles, y),
            (true, false) => self.channels::<{ kind::SMALL }>(tiles, y),
            _ => self.channels::<{ kind::ANY }>(tiles, y),
        }
    }

    /// Whether all sums are less than 2^22, whatever the input and the weights.
    fn near(&self) -> bool {
        let inputs = (self.rows as usize).saturating_mul(self.tiles).saturating_mul(self.fours.wrapping_mul(4));
        // A part's zero point is not in the bias yet.
        let each = if self.part.is_none() { 1usize << 14 } else { 3 << 14 };
        let most = inputs.saturating_mul(each);
        let bias = || self.operands.bias.iter().fold(0, |most: u32, bias| most.max(bias.unsigned_abs()));
        most < 1 << 22 && most.saturating_add(bias() as usize) < 1 << 22
    }

    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn channels<const KIND: u8>(&self, tiles: &mut Tiles, y: &mut Columns<'_>) {
        let blocks = self.channels.div_ceil(16);
        let even = blocks & !1;
        self.blocks::<2, KIND>(0..even, tiles, y);
        self.blocks::<1, KIND>(even..blocks, tiles, y);
    }

    /// All pixels of these blocks, `B` at a time. While one pair of tiles multiplies, the sums of the last one are stored, and
    /// those of the one before it become outputs.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn blocks<const B: usize, const KIND: u8>(&self, blocks: Range<usize>, tiles: &mut Tiles, y: &mut Columns<'_>) {
        if blocks.is_empty() {
            return;
        }
        let mut memory = [const { Sums::NONE }; 2];
        let [sums, others] = &mut memory;
        let (mut sums, mut others) = (sums, others);
        let mut outputs = Outputs::<B>::new(self, y);
        let mut last = Left::default();
        for block in blocks.step_by(B) {
            let strip = self.strip::<B, KIND>(block);
            let mut places = self.places.clone();
            let mut ahead = Ahead::new(strip.weights, self.block, places.tiles().div_ceil(2));
            let mut pixel = 0usize;
            while let Some(a) = places.next() {
                let b = places.next();
                let left = Left::new(sums, [Some(a), b], places.joined(), B, (pixel, strip.channel));
                pixel = pixel.wrapping_add(left.rows.count_ones() as usize);
                let x = |place: Place| self.lines.wrapping_add(place.start);
                if let Some(b) = b {
                    self.pair::<2, B, KIND>(&strip, [x(a), x(b)], (&mut outputs, &mut ahead), tiles, &last);
                } else {
                    self.pair::<1, B, KIND>(&strip, [x(a)], (&mut outputs, &mut ahead), tiles, &last);
                }
                outputs.rest::<KIND>();
                outputs.begin(&last);
                last = left;
                core::mem::swap(&mut sums, &mut others);
            }
        }
        // SAFETY: the sums of the last tiles have room.
        unsafe { last.store(tiles) };
        outputs.rest::<KIND>();
        outputs.begin(&last);
        outputs.rest::<KIND>();
    }
}

/// The first and the last.
#[inline(always)]
fn ends<const N: usize>(all: [*const i8; N]) -> [*const i8; 2] {
    let first = all.first().copied().unwrap_or(core::ptr::null());
    [first, all.last().copied().unwrap_or(first)]
}
