//! The vector variant for 32 registers: rows of pixels go together, two vectors of channels at a time, so that what the rows
//! of a kernel share stays in the nearest cache. Tiles are up to eight pixels; where a kernel of three or five columns moves on
//! by one or two, they share their inputs too.
#![allow(unsafe_code)] // Loads and stores of vectors.

use super::vector::{Data, Depthwise};
use crate::runs::{self, Run};
use crate::simd::{Body, Load, Simd};

/// Most runs that go together: a row is three.
const RUNS: usize = 24;
/// Bytes of inputs of the runs that go together.
const CHUNK: usize = 128 << 10;

/// Columns of taps that are multiplied together, and columns from pixel to pixel: for all other runs one, of its own.
const KINDS: [[usize; 2]; 5] = [[3, 1], [3, 2], [5, 1], [5, 2], OTHER];
const OTHER: [usize; 2] = [1, 1];

/// Computes some pixels.
pub(super) fn rows<S: Simd, W: Load>(simd: S, all: Depthwise<'_, '_, W>) {
    let Depthwise { data, pixels, y } = all;
    let g = &data.params.geometry;
    let channels = g.in_channels as usize;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    if data.bias.len() != channels || data.weights.len() != taps.wrapping_mul(channels) {
        return;
    }
    let mut group = Group { runs: [(Run::default(), OTHER); RUNS], count: 0, bytes: 0 };
    runs::part(&pixels, &g.rows(), &g.columns(), g.in_channels, u32::MAX, |run| {
        if run.fits(channels, data.x.len(), y.len()) {
            group.push(run, g.stride_height as usize);
        }
        if group.is_full() {
            group.compute(simd, data, y);
        }
    });
    group.compute(simd, data, y);
}

/// Runs that go together, all of which fit.
struct Group {
    /// With their kinds.
    runs: [(Run, [usize; 2]); RUNS],
    /// The first so many are there.
    count: usize,
    /// Bytes of new inputs, more or less.
    bytes: usize,
}

impl Group {
    fn push(&mut self, run: &Run, rows: usize) {
        if let Some(to) = self.runs.get_mut(self.count) {
            *to = (*run, kind(run));
            self.count = self.count.wrapping_add(1);
            let new = run.pixels.wrapping_mul(run.pixel_step).wrapping_mul(rows).wrapping_mul(size_of::<f32>());
            self.bytes = self.bytes.wrapping_add(new);
        }
    }

    fn is_full(&self) -> bool {
        self.count == RUNS || self.bytes >= CHUNK
    }

    /// Computes all channels of all runs, which are gone then.
    fn compute<S: Simd, W: Load>(&mut self, simd: S, data: Data<'_, W>, y: &mut [f32]) {
        simd.enter(Channels { runs: self.runs.get(..self.count).unwrap_or_default(), data, y });
        (self.count, self.bytes) = (0, 0);
    }
}

/// Runs that go together.
struct Channels<'a, 'y, W> {
    runs: &'a [(Run, [usize; 2])],
    data: Data<'a, W>,
    y: &'y mut [f32],
}

impl<W: Load> Body for Channels<'_, '_, W> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { runs, data, y } = self;
        let (mut channel, two) = (0usize, 2usize.wrapping_mul(S::LANES));
        while let Some(left @ 1..) = data.bias.len().checked_sub(channel) {
            let count = if left >= two { two } else { left.min(S::LANES) };
            for columns in KINDS {
                if runs.iter().any(|run| run.1 == columns) {
                    let part = Part { data, runs, channel, count, y };
                    if count == two {
                        part.compute::<S, 2, true>(simd, columns);
                    } else if count == S::LANES {
                        part.compute::<S, 1, true>(simd, columns);
                    } else {
                        part.compute::<S, 1, false>(simd, columns);
                    }
                }
            }
            channel = channel.wrapping_add(count);
        }
    }
}

/// The kind of a run.
fn kind(run: &Run) -> [usize; 2] {
    let is = |&[taps, apart]: &[usize; 2]| taps == run.taps[1] && apart.wrapping_mul(run.steps[1]) == run.pixel_step;
    KINDS.into_iter().find(is).unwrap_or(OTHER)
}

/// Some vectors of channels of the runs of one kind, which fit into the operands.
struct Part<'a, 'y, W> {
    data: Data<'a, W>,
    runs: &'a [(Run, [usize; 2])],
    channel: usize,
    /// Channels: whole vectors, or less than one.
    count: usize,
    y: &'y mut [f32],
}

impl<W: Load> Part<'_, '_, W> {
    /// Computes `V` vectors of channels, which are full or not.
    #[inline(always)]
    fn compute<S: Simd, const V: usize, const FULL: bool>(self, simd: S, columns: [usize; 2]) {
        match columns {
            [3, 1] => self.all::<S, V, FULL, 3, 1>(simd),
            [3, 2] => self.all::<S, V, FULL, 3, 2>(simd),
            [5, 1] => self.all::<S, V, FULL, 5, 1>(simd),
            [5, 2] => self.all::<S, V, FULL, 5, 2>(simd),
            _ => self.all::<S, V, FULL, 1, 1>(simd),
        }
    }

    /// Computes the runs of a kind in tiles, `T` columns of taps at a time, of pixels that are `D` columns apart.
    #[inline(always)]
    fn all<S: Simd, const V: usize, const FULL: bool, const T: usize, const D: usize>(mut self, simd: S) {
        for (run, _) in self.runs.iter().filter(|run| run.1 == [T, D]) {
            let mut pixel = 0usize;
            while let Some(left @ 1..) = run.pixels.checked_sub(pixel) {
                // Of 3 that are left, the one before them is computed again.
                let back = usize::from(left == 3 && pixel > 0);
                pixel = pixel.wrapping_sub(back);
                // SAFETY: the run fits, weights and bias hold all taps and channels, and these pixels exist.
                unsafe {
                    pixel = pixel.wrapping_add(match left.wrapping_add(back) {
                        8.. => self.tile::<S, 8, V, FULL, T, D>(simd, run, pixel),
                        4.. => self.tile::<S, 4, V, FULL, T, D>(simd, run, pixel),
                        2 | 3 => self.tile::<S, 2, V, FULL, T, D>(simd, run, pixel),
                        _ => self.tile::<S, 1, V, FULL, T, D>(simd, run, pixel),
                    });
                }
            }
        }
    }

    /// `P` pixels of a run from `pixel` on, `V` vectors of channels. Returns `P`.
    ///
    /// # Safety
    /// The run lies inside x and y, its taps are those of the kernel, the operands have the lengths of the parameters, and
    /// the pixels exist. The run's kind is `[T, D]`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const P: usize, const V: usize, const FULL: bool, const T: usize, const D: usize>(
        &mut self,
        simd: S,
        run: &Run,
        pixel: usize,
    ) -> usize {
        let Data { params, x, weights, bias } = self.data;
        let (channels, count) = (bias.len(), self.count);
        let load = |from: *const f32| {
            // SAFETY: the caller's promise; as many lanes are loaded as there are channels.
            unsafe { if FULL { simd.load(from) } else { simd.load_first(from, count) } }
        };
        let mut first = [simd.splat(0.0); V];
        for (v, first) in first.iter_mut().enumerate() {
            *first = load(bias.as_ptr().wrapping_add(self.channel + v * S::LANES));
        }
        let mut sums = [first; P];
        let step = if T == 1 { run.pixel_step } else { run.steps[1] };
        let x = x.as_ptr().wrapping_add(run.x + pixel * run.pixel_step + self.channel);
        for row in 0..run.taps[0] {
            let mut column = 0;
            while column < run.taps[1] {
                let tap = (run.first[0] + row) * params.geometry.kernel_width as usize + run.first[1] + column;
                let weights = weights.as_ptr().wrapping_add(tap * channels + self.channel);
                let x = x.wrapping_add(row * run.steps[0] + column * run.steps[1]);
                let mut factors = [[simd.splat(0.0); V]; T];
                for (t, factors) in factors.iter_mut().enumerate() {
                    for (v, factor) in factors.iter_mut().enumerate() {
                        let from = weights.wrapping_add(t * channels + v * S::LANES);
                        // SAFETY: as above.
                        *factor = unsafe { if FULL { W::load(simd, from) } else { W::load_first(simd, from, count) } };
                    }
                }
                // What pixel `p` reads for tap `t` lies `D * p + t` columns from the first.
                let vectors = |place: usize| {
                    let mut all = [simd.splat(0.0); V];
                    for (v, input) in all.iter_mut().enumerate() {
                        *input = load(x.wrapping_add(place * step + v * S::LANES));
                    }
                    all
                };
                if T <= 3 && D == 1 {
                    for place in 0..P + T - 1 {
                        let inputs = vectors(place);
                        for (t, factors) in factors.iter().enumerate() {
                            let Some(sums) = place.checked_sub(t).and_then(|p| sums.get_mut(p)) else { continue };
                            add(simd, sums, &inputs, factors);
                        }
                    }
                } else {
                    let mut window = [[simd.splat(0.0); V]; T];
                    for (t, inputs) in window.iter_mut().skip(D).enumerate() {
                        *inputs = vectors(t);
                    }
                    for (p, sums) in sums.iter_mut().enumerate() {
                        for t in 0..T {
                            let inputs = window.get(t + D).copied().unwrap_or_else(|| vectors(D * p + t));
                            if let Some(to) = window.get_mut(t) {
                                *to = inputs;
                            }
                        }
                        for (inputs, factors) in window.iter().zip(&factors) {
                            add(simd, sums, inputs, factors);
                        }
                    }
                }
                column += T;
            }
        }
        let (low, high) = (simd.splat(params.low), simd.splat(params.high));
        let y = self.y.as_mut_ptr().wrapping_add(run.y + pixel * channels + self.channel);
        for (p, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                let (to, sum) = (y.wrapping_add(p * channels + v * S::LANES), simd.min(high, simd.max(low, sum)));
                // SAFETY: the caller's promise; as many lanes are stored as there are channels.
                unsafe { if FULL { simd.store(to, sum) } else { simd.store_first(to, count, sum) } };
            }
        }
        P
    }
}

/// Adds products of vectors.
#[inline(always)]
fn add<S: Simd, const V: usize>(simd: S, sums: &mut [S::F32; V], inputs: &[S::F32; V], factors: &[S::F32; V]) {
    for ((sum, &input), &factor) in sums.iter_mut().zip(inputs).zip(factors) {
        *sum = simd.fma(input, factor, *sum);
    }
}
