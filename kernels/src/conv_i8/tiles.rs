//! What the vector variants share: the walk over O16I4 weights and the places of the input pixels beside them.

use super::{Operands, Params};
use crate::pixels::Pixels;
use crate::windows::{Window, Windows};

/// A convolution whose operands fit, with weights in O16I4.
pub(super) struct Job<'a> {
    pub(super) params: &'a Params,
    pub(super) operands: &'a Operands<'a>,
    /// Bytes of weights from one block of 16 channels to the next: 64 for every step.
    pub(super) block_bytes: usize,
    /// Whole groups of 4 input channels, and the channels after them.
    fours: usize,
    rest: usize,
    /// A row of padding, as long as the longest stretch of it.
    padding: [i8; PADDING],
    pub(super) windows: Windows,
    /// Output pixels.
    pub(super) pixels: usize,
}

/// Channels of the row of padding.
const PADDING: usize = 256;

impl<'a> Job<'a> {
    pub(super) fn new(params: &'a Params, operands: &'a Operands<'a>, pixels: &Pixels) -> Self {
        let g = &params.geometry;
        let inputs = g.in_channels as usize;
        let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
        Self {
            params,
            operands,
            block_bytes: taps.wrapping_mul(inputs.div_ceil(4)).wrapping_mul(64),
            fours: inputs >> 2,
            rest: inputs & 3,
            padding: [params.input_zero_point as i8; PADDING],
            windows: Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start),
            pixels: pixels.len(),
        }
    }

    /// Blocks of 16 output channels.
    pub(super) fn blocks(&self) -> usize {
        (self.params.geometry.out_channels as usize).div_ceil(16)
    }

    /// The weights of a block; empty past the last.
    pub(super) fn block(&self, block: usize) -> &'a [i8] {
        let first = block.wrapping_mul(self.block_bytes);
        self.operands.weights.get(first..first.wrapping_add(self.block_bytes)).unwrap_or(&[])
    }
}

/// Walks the taps of `P` windows as stretches of input that lie beside weights without a gap.
///
/// Where every window lies inside the input, a stretch is a whole row of taps, or a tap with channels left over: its last
/// step reads on into what follows in the input, and meets weights of zero. Elsewhere it is a part of one tap, read from
/// the input or from the row of padding.
pub(super) struct Stretches<'a, const P: usize> {
    job: &'a Job<'a>,
    windows: [Window; P],
    inner: bool,
    /// Stretches in a row of taps, and steps in a stretch (in a tap on the border).
    runs: u32,
    steps: usize,
    /// The next stretch.
    row: u32,
    run: u32,
    done: usize,
    /// The last channels of a tap, filled up to 4.
    words: [[i8; 4]; P],
}

/// A stretch: `4 * steps` readable bytes of every pixel.
pub(super) struct Stretch<const P: usize> {
    pub(super) x: [*const i8; P],
    pub(super) steps: usize,
}

impl<'a, const P: usize> Stretches<'a, P> {
    /// A walk over these windows; all together its stretches have a step for every 64 bytes of a block of weights.
    #[inline(always)]
    pub(super) fn new(job: &'a Job<'a>, windows: [Window; P]) -> Self {
        let (g, all) = (&job.params.geometry, job.fours.wrapping_add(usize::from(job.rest != 0)));
        let dense = job.rest == 0 && g.dilation_width == 1;
        let (runs, steps) = if dense { (1, all.wrapping_mul(g.kernel_width as usize)) } else { (g.kernel_width, all) };
        let last = job.windows.distance(g.kernel_height.wrapping_sub(1), runs.wrapping_sub(1)).cast_unsigned();
        let reach = last.wrapping_add(steps.wrapping_mul(4));
        let fits = |w: &Window| w.inner && w.start.cast_unsigned().wrapping_add(reach) <= job.operands.x.len();
        let inner = windows.iter().all(fits);
        let (runs, steps) = if inner { (runs, steps) } else { (g.kernel_width, all) };
        Self { job, windows, inner, runs, steps, row: 0, run: 0, done: 0, words: [[0; 4]; P] }
    }

    /// The next stretch; what it points to lives until the one after it is asked for.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Stretch<P>> {
        if self.row >= self.job.params.geometry.kernel_height {
            return None;
        }
        let stretch = if self.inner { self.inside() } else { self.border() };
        self.done = self.done.wrapping_add(stretch.steps);
        if self.done >= self.steps {
            self.done = 0;
            self.run = self.run.wrapping_add(1);
            if self.run >= self.runs {
                self.run = 0;
                self.row = self.row.wrapping_add(1);
            }
        }
        Some(stretch)
    }

    #[inline(always)]
    fn inside(&self) -> Stretch<P> {
        let x = self.job.operands.x.as_ptr();
        // `new` has seen that every stretch of these windows lies within the input.
        let x = x.wrapping_offset(self.job.windows.distance(self.row, self.run));
        Stretch { x: self.windows.map(|window| x.wrapping_offset(window.start)), steps: self.steps }
    }

    #[inline(always)]
    fn border(&mut self) -> Stretch<P> {
        let (job, done) = (self.job, self.done.wrapping_mul(4));
        let left = job.fours.wrapping_sub(self.done);
        if left == 0 {
            return self.last_word();
        }
        let steps = left.min(PADDING / 4);
        // A loop and not a map: its closure would stay a call, around which all sums would be saved.
        let mut x = [job.padding.as_ptr(); P];
        for (x, window) in x.iter_mut().zip(&self.windows) {
            let start = job.windows.tap(window, self.row, self.run).map(|tap| tap.wrapping_add(done));
            let inside = start.and_then(|start| job.operands.x.get(start..start.wrapping_add(steps.wrapping_mul(4))));
            *x = inside.map_or(*x, <[i8]>::as_ptr);
        }
        Stretch { x, steps }
    }

    /// The channels of a tap after its last whole four.
    #[inline(always)]
    fn last_word(&mut self) -> Stretch<P> {
        let (job, done) = (self.job, self.done.wrapping_mul(4));
        for (window, word) in self.windows.iter().zip(&mut self.words) {
            let start = job.windows.tap(window, self.row, self.run).map(|tap| tap.wrapping_add(done));
            let inside = start.and_then(|start| job.operands.x.get(start..start.wrapping_add(job.rest)));
            for (to, &from) in word.iter_mut().zip(inside.unwrap_or(&job.padding)).take(job.rest) {
                *to = from;
            }
        }
        Stretch { x: self.words.each_ref().map(|word| word.as_ptr()), steps: 1 }
    }
}
