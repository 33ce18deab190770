//! Cortex-M DSP: one channel times four pixels, or four channels times one pixel.
//!
//! The windows of the pixels are widened once to int16 pairs, in the order in which `sxtb16` leaves the bytes of a word of
//! weights, so that `smlad` multiplies two of them at a time: of every four values 0 and 2, then 1 and 3. Weights stay
//! int8 in rows and are widened as they are read, which the pixels share.
#![allow(unsafe_code)] // The calls of functions in assembly.

use core::ops::Range;

use super::dots_dsp::{add, widen, widened};
use super::{Operands, Params, layout};
use crate::geometry::Geometry;
use crate::pixels::Pixels;
use crate::round_dsp::{Target, pixels};
use crate::windows::{Window, Windows, inputs as tap_inputs};
use crate::{Isa, Level};

/// Values that are widened at a time: a stretch of one window, or of four.
const ROOM: usize = 1280;
/// Sums of a block of channels, which wait for the next stretch where a window is longer than one.
const SUMS: usize = 128;

/// Channels of a group and taps, at most, of windows that are widened tap by tap.
const NARROW: usize = 16;
const TAPS: usize = 25;

/// A stretch of `P` windows: for every four values the pair 0, 2 of each window, then the pair 1, 3 of each.
struct Wide([u32; ROOM / 2]);

/// Convolves with weights in rows; false where the core or the layout is another one, or a multiplier is no number.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let numbers = operands.multipliers.iter().all(|m| m.is_finite());
    if isa.level() < Level::Dsp || params.layout != layout::ROWS || !numbers {
        return false;
    }
    let g = &params.geometry;
    let row = g.weights().and_then(|n| n.checked_div(g.out_channels)).unwrap_or(0) as usize;
    if is_narrow(g, row) {
        narrow_groups(params, operands, row, pixels, y);
    } else {
        all(params, operands, row, pixels, y, None);
    }
    true
}

/// All pixels, with room for starts, which only groups of few channels pay for.
#[inline(never)]
fn narrow_groups(params: &Params, o: &Operands<'_>, row: usize, pixels: &Pixels, y: &mut [i8]) {
    all(params, o, row, pixels, y, Some(&mut [[0; TAPS]; 4]));
}

/// All pixels.
#[inline(never)]
fn all(params: &Params, o: &Operands<'_>, row: usize, pixels: &Pixels, y: &mut [i8], starts: Option<&mut Starts>) {
    let g = &params.geometry;
    let windows = Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start);
    let mut job = Job { params, o, row, windows, starts, wide: Wide([0; ROOM / 2]), sums: [0; SUMS] };
    let channels = g.out_channels as usize;
    let mut rest = y;
    loop {
        let four = channels.wrapping_mul(4);
        // A single pixel, as in a fully connected layer, has a kernel of its own.
        rest = match rest.len() {
            0 => return,
            n if n <= channels => job.tile::<1>(rest, channels),
            n => job.tile::<4>(rest, n.min(four)),
        };
    }
}

/// Whether windows are widened tap by tap: those of groups of few channels, in fours. Helium has its own way for them.
fn is_narrow(g: &Geometry, row: usize) -> bool {
    let inputs = g.group_inputs() as usize;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    !cfg!(feature = "helium") && g.groups > 1 && inputs & 3 == 0 && inputs <= NARROW && taps <= TAPS && row <= ROOM / 4
}

/// Where the taps of these windows start.
type Starts = [[usize; TAPS]; 4];

/// The length of a range; that of the standard library has a panic path.
fn length(range: &Range<usize>) -> usize {
    range.end.wrapping_sub(range.start)
}

/// A convolution whose operands fit, with its working memory.
struct Job<'a> {
    params: &'a Params,
    o: &'a Operands<'a>,
    /// Length of a row of weights.
    row: usize,
    windows: Windows,
    /// Where the taps of these windows start, where they are widened tap by tap.
    starts: Option<&'a mut Starts>,
    wide: Wide,
    /// `[channels][P]`
    sums: [i32; SUMS],
}

impl Job<'_> {
    /// The next `P` pixels, or those of them that the first `len` outputs hold; returns the outputs after them.
    fn tile<'y, const P: usize>(&mut self, y: &'y mut [i8], len: usize) -> &'y mut [i8] {
        let Some((here, rest)) = y.split_at_mut_checked(len) else { return &mut [] };
        let windows = self.windows.take::<P>();
        if let Some(all) = &mut self.starts {
            for (window, starts) in windows.iter().zip(all.iter_mut()) {
                self.windows.starts(window, starts);
            }
        }
        let outputs = self.params.geometry.group_outputs() as usize;
        for group in 0..self.params.geometry.groups as usize {
            let first = group.wrapping_mul(outputs);
            let end = first.wrapping_add(outputs);
            let mut channel = first;
            while channel < end {
                let block = channel..end.min(channel.wrapping_add(SUMS >> P.trailing_zeros()));
                self.block(&windows, group, block.clone(), channel == first);
                self.finish::<P>(block.clone(), here);
                channel = block.end;
            }
        }
        rest
    }

    /// The sums of a block of channels of one group.
    fn block<const P: usize>(&mut self, windows: &[Window; P], group: usize, block: Range<usize>, first: bool) {
        let sums = crate::rows::rows_mut(&mut self.sums, P);
        for (sums, &bias) in sums.zip(self.o.bias.get(block.clone()).unwrap_or_default()) {
            sums.fill(bias);
        }
        let stretch = ROOM >> P.trailing_zeros();
        let mut start = 0;
        while start < self.row {
            let end = self.row.min(start.wrapping_add(stretch));
            // What one stretch holds whole stays there for the blocks after the first.
            if first || self.row > stretch {
                self.widen(windows, group, start..end);
            }
            self.multiply::<P>(block.clone(), start..end);
            start = end;
        }
    }

    /// Adds the products of a stretch to the sums.
    #[inline(always)]
    fn multiply<const P: usize>(&mut self, block: Range<usize>, stretch: Range<usize>) {
        let at = block.start.wrapping_mul(self.row).wrapping_add(stretch.start);
        let weights = self.o.weights.get(at..).unwrap_or_default();
        let sums = self.sums.get_mut(..length(&block).wrapping_mul(P)).unwrap_or_default();
        add::<P>(weights, self.row, length(&stretch), &self.wide.0, sums);
    }

    /// Turns the sums of a block into outputs of the tile.
    #[inline(always)]
    fn finish<const P: usize>(&mut self, block: Range<usize>, y: &mut [i8]) {
        let (output, channels) = (&self.params.output, self.params.geometry.out_channels as usize);
        let multipliers = self.o.multipliers.get(block.clone()).unwrap_or_default();
        let target = Target::new(y.as_mut_ptr().wrapping_add(block.start), channels, output);
        let (sums, m) = (self.sums.as_ptr(), multipliers.as_ptr());
        let mut done = 0;
        if P == 4 && y.len() == channels.wrapping_mul(4) {
            // SAFETY: the tile has four rows of `channels` outputs, of which the block is a part.
            unsafe { pixels(sums, m, length(&block), &target) };
            return;
        }
        if P == 1 && length(&block) >= 4 {
            done = length(&block) & !3;
            // SAFETY: the tile has `channels` outputs, of which the block is a part.
            unsafe { crate::round_dsp::channels(sums, m, done >> 2, &target) };
        }
        let sums = crate::rows::rows(&self.sums, P);
        for ((channel, sums), &multiplier) in block.zip(sums).zip(multipliers).skip(done) {
            let outputs = crate::rows::every_mut(y.get_mut(channel..).unwrap_or_default(), channels);
            for (y, &sum) in outputs.zip(sums) {
                *y = output.of(sum, multiplier);
            }
        }
    }

    /// Widens whole windows of a group, from `channel` on.
    fn widen_narrow<const P: usize>(&mut self, channel: usize) {
        let g = &self.params.geometry;
        let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
        let (inputs, zeros) = (g.group_inputs() as usize, [self.params.input_zero_point as i8; NARROW]);
        let Some(zeros) = zeros.get(..inputs) else { return };
        for (p, starts) in self.starts.iter().flat_map(|all| all.iter()).take(P).enumerate() {
            let mut to = self.wide.0.as_mut_ptr().wrapping_add(p);
            for &start in starts.get(..taps).unwrap_or_default() {
                let values = tap_inputs(self.o.x, start, channel, inputs).unwrap_or(zeros);
                for four in values.as_chunks::<4>().0 {
                    let (even, odd) = widened(u32::from_le_bytes(four.map(i8::cast_unsigned)));
                    // SAFETY: there is room for the windows' words, which narrow windows fill at most.
                    unsafe { to.write(even) };
                    // SAFETY: as above.
                    unsafe { to.wrapping_add(P).write(odd) };
                    to = to.wrapping_add(2 * P);
                }
            }
        }
    }

    /// Widens a stretch of the windows' values for a group; what is missing to a multiple of four is zero.
    fn widen<const P: usize>(&mut self, windows: &[Window; P], group: usize, stretch: Range<usize>) {
        let g = &self.params.geometry;
        let inputs = g.group_inputs() as usize;
        let channel = group.wrapping_mul(inputs);
        if self.starts.is_some() {
            return self.widen_narrow::<P>(channel);
        }
        for (p, window) in windows.iter().enumerate() {
            let mut to = Widener::<P> { wide: &mut self.wide, window: p, at: 0, waiting: [0; 4], count: 0 };
            // Inside the input the taps of a row lie side by side.
            let whole = window.inner && g.groups == 1 && g.dilation_width == 1;
            let (run, columns) =
                if whole { (inputs.wrapping_mul(g.kernel_width as usize), 1) } else { (inputs, g.kernel_width) };
            let first = stretch.start.checked_div(run).unwrap_or(0);
            let mut start = first.wrapping_mul(run);
            let mut kh = (first as u32).checked_div(columns).unwrap_or(0);
            let mut kw = (first as u32).wrapping_sub(kh.wrapping_mul(columns));
            while start < stretch.end {
                let from = start.max(stretch.start).wrapping_sub(start);
                let end = stretch.end.wrapping_sub(start).min(run);
                let place = self.windows.tap(window, kh, kw).map(|place| place.wrapping_add(channel));
                let values = place.and_then(|p| self.o.x.get(p.wrapping_add(from)..p.wrapping_add(end)));
                match values {
                    Some(values) => to.put(values),
                    None => to.fill(self.params.input_zero_point as i8, end.wrapping_sub(from)),
                }
                start = start.wrapping_add(run);
                kw = kw.wrapping_add(1);
                if kw == columns {
                    (kw, kh) = (0, kh.wrapping_add(1));
                }
            }
            to.finish();
        }
    }
}

/// Writes the values of one window.
struct Widener<'a, const P: usize> {
    wide: &'a mut Wide,
    window: usize,
    /// Values written, in whole fours.
    at: usize,
    /// Values that wait for the rest of their four.
    waiting: [i8; 4],
    count: usize,
}

impl<const P: usize> Widener<'_, P> {
    #[inline(always)]
    fn put(&mut self, values: &[i8]) {
        let mut values = values;
        while self.count != 0 {
            let Some((&first, rest)) = values.split_first() else { return };
            self.one(first);
            values = rest;
        }
        let (fours, rest) = values.as_chunks::<4>();
        self.fours(fours);
        for &value in rest {
            self.one(value);
        }
    }

    /// Whole fours, where none waits.
    #[inline(always)]
    fn fours(&mut self, fours: &[[i8; 4]]) {
        let first = (self.at >> 2).wrapping_mul(2 * P).wrapping_add(self.window);
        let words = fours.len().wrapping_mul(2 * P);
        let room = self.wide.0.get_mut(first..).unwrap_or_default();
        if !fours.is_empty() && words.wrapping_sub(self.window) <= room.len() {
            // SAFETY: the words of these fours lie within the room: those of other windows end with it.
            unsafe { widen(fours.as_ptr().cast(), fours.len(), room.as_mut_ptr(), 4 * P) };
            self.at = self.at.wrapping_add(fours.len().wrapping_mul(4));
        }
    }

    /// One value, at any place.
    #[inline(always)]
    fn one(&mut self, value: i8) {
        if let Some(place) = self.waiting.get_mut(self.count) {
            *place = value;
        }
        self.count = self.count.wrapping_add(1);
        if self.count == 4 {
            self.count = 0;
            self.fours(&[self.waiting]);
        }
    }

    /// The same value several times.
    fn fill(&mut self, value: i8, count: usize) {
        let some = [value; 32];
        let mut left = count;
        while left > 0 {
            let now = left.min(some.len());
            self.put(some.get(..now).unwrap_or_default());
            left = left.wrapping_sub(now);
        }
    }

    /// Zeros up to a multiple of four.
    fn finish(&mut self) {
        while self.count != 0 {
            self.one(0);
        }
    }
}
