//! What the vector variants share: the inputs of several output pixels, gathered into one row each.
//!
//! Borders, strides, dilations and odd channel counts are dealt with here, once for all output channels, so that the inner
//! loops see nothing but rows. Small enough to stay in the first-level cache, a panel costs one pass over its inputs.
#![allow(unsafe_code)] // Writes through a pointer into memory that need not be initialized.

use core::hint::black_box;
use core::mem::MaybeUninit;
use core::ops::Range;

use super::span::Span;
use super::{Operands, Params, pack};
use crate::pixels::Pixels;
use crate::windows::{Window, Windows};

/// A convolution whose operands fit, with weights in blocks of 16 channels.
pub(super) struct Job<'a> {
    pub(super) params: &'a Params,
    pub(super) operands: &'a Operands<'a>,
    /// Inputs of an output: `KH * KW * I`.
    pub(super) depth: usize,
    pub(super) runs: Runs,
    /// Output channels.
    pub(super) channels: usize,
    /// The windows of the output pixels in order, and their number.
    pub(super) windows: Windows,
    pub(super) pixels: usize,
    /// The bias and the multipliers of the last block, zero beyond the channels.
    last: ([i32; 16], [f32; 16]),
    /// What lies in the padding.
    padding: [i8; BOUNCE],
    /// Whether the taps of a row are neighbours.
    dense: bool,
    /// Inputs of a row of taps, and input elements from row to row.
    line: usize,
    line_step: usize,
    /// The end of the starts of windows that can be read beyond their end.
    last_start: usize,
    /// Whether the windows are the input itself, in order, and whole groups of 4; then the first pixel.
    pub(super) flat: bool,
    first: usize,
}

/// What a block of 16 channels reads of a row: all of it, or at every tap the inputs of its own groups.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    pub(super) count: usize,
    /// Inputs of a run, and from one to the next.
    pub(super) inputs: usize,
    pub(super) step: usize,
    /// The inputs of a block, if not all have all inputs.
    span: Option<Span>,
}

impl Runs {
    fn new(params: &Params, depth: usize) -> Self {
        let g = &params.geometry;
        let groups = Span::of(g).filter(|_| pack::of_groups(params.layout));
        let Some(span) = groups else {
            return Self { count: 1, inputs: depth, step: depth, span: None };
        };
        Self {
            count: (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize),
            inputs: span.inputs,
            step: g.in_channels as usize,
            span: groups,
        }
    }

    /// The first input of the block that begins with this channel.
    pub(super) fn first(&self, channel: usize) -> usize {
        self.span.map_or(0, |span| span.first(channel))
    }

    /// Weights of a block, of which so many stand together.
    pub(super) fn weights(&self, together: usize) -> usize {
        self.steps(together).wrapping_mul(self.count).wrapping_mul(together).wrapping_mul(16)
    }

    /// Steps of a run, of so many inputs each.
    #[inline(always)]
    pub(super) fn steps(&self, together: usize) -> usize {
        self.inputs.div_ceil(together)
    }

    /// The first input of every run, and its weights.
    #[inline(always)]
    pub(super) fn places(
        self,
        weights: *const i8,
        together: usize,
    ) -> impl Iterator<Item = (usize, *const i8)> + Clone {
        let size = self.steps(together).wrapping_mul(together).wrapping_mul(16);
        (0..self.count).map(move |run| (run.wrapping_mul(self.step), weights.wrapping_add(run.wrapping_mul(size))))
    }
}

/// Where `P` rows begin, which the compiler takes as they are: else it makes each from the one before at every step, by
/// instructions that compete with the products.
#[inline(always)]
pub(super) fn starts<T, const P: usize>((x, pitch): (*const T, usize)) -> [*const T; P] {
    let mut starts = [x; P];
    for (p, start) in starts.iter_mut().enumerate() {
        *start = x.wrapping_add(p.wrapping_mul(pitch));
    }
    black_box(starts)
}

/// Bytes that a copy may read and elements that it may write beyond the end.
const OVER: usize = 64;
/// Inputs that are copied in one go where they cannot be read beyond the end.
const BOUNCE: usize = 256;

/// Memory of a panel: bytes, aligned to cache lines.
#[repr(align(64))]
pub(crate) struct Memory<const N: usize>([MaybeUninit<u8>; N]);

/// Memory of a panel for 6 windows of 3x3x512 in int16.
pub(crate) const NEAR: usize = (57 << 10) + OVER * 2;
/// Memory of a panel for 6 windows of 7x7x512 in int16, which many weights pass together.
pub(super) const FAR: usize = (304 << 10) + OVER * 2;

impl<const N: usize> Memory<N> {
    pub(crate) const fn new() -> Self {
        Self([MaybeUninit::uninit(); N])
    }
}

/// A panel of elements of type `T`.
pub(crate) struct Panel<T> {
    /// The first row.
    pub(crate) rows: *mut T,
    /// Elements from row to row.
    pub(crate) pitch: usize,
    /// How many rows there is room for, at least one.
    pub(crate) capacity: usize,
    /// Elements of a row, a multiple of 4: less than the depth where not even one whole row has room.
    pub(crate) length: usize,
}

impl<T> Panel<T> {
    /// A panel for rows of this depth; `flat` ones follow each other without a gap.
    pub(crate) fn new<const N: usize>(memory: &mut Memory<N>, depth: usize, flat: bool) -> Self {
        let line = 64usize.checked_div(size_of::<T>()).unwrap_or(64);
        let most = N.wrapping_sub(OVER * 2).checked_div(size_of::<T>()).unwrap_or(0);
        let length = depth.next_multiple_of(4).min(most.wrapping_sub(line));
        // One line more than needed keeps rows of a power of two out of each other's sets of the cache.
        let pitch = length.next_multiple_of(line).wrapping_add(line).min(most);
        let pitch = if flat && length == depth { length } else { pitch };
        Self { rows: memory.0.as_mut_ptr().cast(), pitch, capacity: most.checked_div(pitch).unwrap_or(1), length }
    }
}

impl<'a> Job<'a> {
    pub(super) fn new(params: &'a Params, operands: &'a Operands<'a>, pixels: &Pixels) -> Self {
        let g = &params.geometry;
        let (channels, channels_in) = (g.out_channels as usize, g.in_channels as usize);
        let line = channels_in.wrapping_mul(g.kernel_width as usize);
        let line_step = channels_in.wrapping_mul(g.in_width as usize).wrapping_mul(g.dilation_height as usize);
        let reach = line_step.wrapping_mul((g.kernel_height as usize).wrapping_sub(1));
        let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
        let strides = g.stride_height == 1 && g.stride_width == 1;
        let pads = (g.pad_top, g.pad_left, g.out_height, g.out_width) == (0, 0, g.in_height, g.in_width);
        let mut last = ([0; 16], [0.0; 16]);
        let first = channels.wrapping_sub(1) & !15;
        for (to, &from) in last.0.iter_mut().zip(operands.bias.get(first..).unwrap_or_default()) {
            *to = from;
        }
        for (to, &from) in last.1.iter_mut().zip(operands.multipliers.get(first..).unwrap_or_default()) {
            *to = from;
        }
        let depth = taps.wrapping_mul(channels_in);
        Self {
            params,
            operands,
            depth,
            runs: Runs::new(params, depth),
            channels,
            windows: Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start),
            pixels: pixels.len(),
            last,
            padding: [params.input_zero_point as i8; BOUNCE],
            dense: g.dilation_width == 1,
            line,
            line_step,
            last_start: operands.x.len().saturating_sub(reach.wrapping_add(line).wrapping_add(OVER)),
            flat: taps == 1 && strides && pads && g.in_channels.is_multiple_of(4),
            first: pixels.start as usize,
        }
    }

    /// The windows from pixel `pixel` of this job on.
    pub(super) fn windows_from(&self, pixel: usize) -> Windows {
        let g = &self.params.geometry;
        Windows::new(g.rows(), g.columns(), g.in_channels, self.first.wrapping_add(pixel) as u32)
    }

    /// The bias and the multipliers of the 16 channels from `channel` on, a multiple of 16.
    #[inline(always)]
    pub(super) fn requantization(&self, channel: usize) -> (&[i32; 16], &[f32; 16]) {
        let bias = self.operands.bias.get(channel..).and_then(<[i32]>::first_chunk);
        let multipliers = self.operands.multipliers.get(channel..).and_then(<[f32]>::first_chunk);
        bias.zip(multipliers).unwrap_or((&self.last.0, &self.last.1))
    }

    /// Gathers the inputs `part` of a window into `row`; what is left of the last 4 bytes becomes zeros. `copy(from, to, n)`
    /// converts `n` inputs, reading and writing at most [`OVER`] more.
    ///
    /// # Safety
    /// `row` has room for the part and [`OVER`] more elements.
    #[inline(always)]
    pub(super) unsafe fn gather<T>(
        &self,
        window: &Window,
        part: &Range<usize>,
        row: *mut T,
        copy: impl Fn(*const i8, *mut T, usize),
    ) {
        let start = window.start.cast_unsigned();
        if window.inner && self.dense && part.len() == self.depth && start < self.last_start {
            let (mut x, mut to) = (self.operands.x.as_ptr().wrapping_add(start), row);
            for _ in 0..self.params.geometry.kernel_height {
                copy(x, to, self.line);
                (x, to) = (x.wrapping_add(self.line_step), to.wrapping_add(self.line));
            }
        } else {
            self.gather_pieces(window, part, row, &copy);
        }
        // SAFETY: the caller's promise.
        unsafe { row.wrapping_add(part.len()).cast::<u32>().write_unaligned(0) };
    }

    /// As [`Job::gather`], where parts of the window lie in the padding, are not neighbours, or are not asked for.
    #[inline(never)]
    fn gather_pieces<T>(
        &self,
        window: &Window,
        part: &Range<usize>,
        row: *mut T,
        copy: &impl Fn(*const i8, *mut T, usize),
    ) {
        let g = &self.params.geometry;
        let channels = g.in_channels as usize;
        let mut at = 0usize;
        for kh in 0..g.kernel_height {
            let mut kw = 0;
            while kw < g.kernel_width {
                let (start, taps) = self.windows.run(window, kh, kw);
                let len = (taps as usize).wrapping_mul(channels);
                let (from, to) = (at.max(part.start), at.wrapping_add(len).min(part.end));
                if from < to {
                    let start = start.map(|start| start.wrapping_add(from.wrapping_sub(at)));
                    let place = row.wrapping_add(from.wrapping_sub(part.start));
                    self.piece(start, place, to.wrapping_sub(from), copy);
                }
                (at, kw) = (at.wrapping_add(len), kw.wrapping_add(taps));
            }
        }
    }

    /// Copies `n` inputs from `start` on, or as much padding.
    #[inline(always)]
    fn piece<T>(&self, start: Option<usize>, to: *mut T, n: usize, copy: &impl Fn(*const i8, *mut T, usize)) {
        let readable = |start: usize| self.operands.x.get(start..start.wrapping_add(n).wrapping_add(OVER));
        match start.map(readable) {
            Some(Some(x)) => copy(x.as_ptr(), to, n),
            None if n <= BOUNCE - OVER => copy(self.padding.as_ptr(), to, n),
            _ => self.bounced(start, to, n, copy),
        }
    }

    /// Copies what lies too near the end of the input, or a long stretch of padding.
    #[cold]
    #[inline(never)]
    fn bounced<T>(&self, start: Option<usize>, to: *mut T, n: usize, copy: &impl Fn(*const i8, *mut T, usize)) {
        let (mut buffer, mut done) = (self.padding, 0);
        while done < n {
            let len = n.wrapping_sub(done).min(BOUNCE - OVER);
            if let Some(start) = start.map(|start| start.wrapping_add(done)) {
                let x = self.operands.x.get(start..start.wrapping_add(len)).unwrap_or_default();
                buffer.iter_mut().zip(x).for_each(|(to, &from)| *to = from);
            }
            copy(buffer.as_ptr(), to.wrapping_add(done), len);
            done = done.wrapping_add(len);
        }
    }

    /// The inputs of the `count` pixels from `pixel` (of this job) on, where all rows of the panel are one stretch of input
    /// that can be read [`OVER`] further.
    #[inline(always)]
    pub(super) fn stretch(&self, pixel: usize, count: usize) -> Option<&[i8]> {
        let start = self.first.wrapping_add(pixel).wrapping_mul(self.depth);
        let len = count.wrapping_mul(self.depth);
        let x = self.operands.x.get(start..start.wrapping_add(len).wrapping_add(OVER)).filter(|_| self.flat)?;
        x.get(..len)
    }
}
