//! Every channel by itself: what a pixel's taps see of some channels is multiplied at once, by vectors that the compiler makes of
//! the target's instructions.

use core::ops::Range;

use super::Job;
use super::product::Finish;
use crate::Isa;
use crate::geometry::Geometry;
use crate::rows::rows_mut;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::simd::{self, Body, Kernel, Simd};
use crate::windows::{Window, Windows};

/// Channels that are computed together.
const TOGETHER: usize = 16;
/// Taps of which it is known where they lie.
const TAPS: usize = 64;

/// Output pixels, whose outputs are `y`.
pub(super) struct Depthwise<'a, 'y, F: Finish> {
    pub(super) job: &'a Job<'a>,
    /// `w - w_zero`, `[KH][KW][C]`.
    pub(super) weights: &'a [i16],
    pub(super) finish: &'a F,
    pub(super) pixels: Range<u32>,
    pub(super) y: &'y mut [F::Y],
}

/// Some taps of a window, those that lie inside: where they begin in the input, and their weights.
struct Inside {
    all: [(usize, usize); TAPS],
    count: usize,
}

impl Inside {
    /// Those of the taps from `first` on, as many as there is room for; the tap behind them.
    #[inline(always)]
    fn fill(&mut self, g: &Geometry, (windows, window): (&Windows, &Window), first: u32) -> u32 {
        self.count = 0;
        let mut row = first.checked_div(g.kernel_width).unwrap_or(0);
        let mut column = first.wrapping_sub(row.wrapping_mul(g.kernel_width));
        let mut tap = first;
        while row < g.kernel_height && self.count < TAPS {
            if let (Some(start), Some(to)) = (windows.tap(window, row, column), self.all.get_mut(self.count)) {
                let weights = (tap as usize).wrapping_mul(g.out_channels as usize);
                (*to, self.count) = ((start, weights), self.count.wrapping_add(1));
            }
            (column, tap) = (column.wrapping_add(1), tap.wrapping_add(1));
            if column == g.kernel_width {
                (row, column) = (row.wrapping_add(1), 0);
            }
        }
        tap
    }
}

impl<F: Finish> Depthwise<'_, '_, F> {
    /// Computes them.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(super) fn run(self, isa: Isa) {
        if isa.level() == crate::Level::Portable {
            self.all();
        } else {
            simd::run(isa, self);
        }
    }

    /// Computes them.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(super) fn run(self, _: Isa) {
        self.all();
    }

    #[inline(always)]
    fn all(self) {
        let Self { job, weights, finish, pixels, y } = self;
        let g = &job.geometry;
        let (channels, taps) = (g.out_channels as usize, g.kernel_height.wrapping_mul(g.kernel_width));
        let mut windows = Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start);
        let mut inside = Inside { all: [(0, 0); TAPS], count: 0 };
        for y in rows_mut(y, channels) {
            let window = windows.next();
            let place = (&windows, &window);
            let behind = inside.fill(g, place, 0);
            let mut channel = 0usize;
            while channel < channels {
                // The last ones begin earlier.
                let first = channel.min(channels.saturating_sub(TOGETHER));
                let (mut sums, mut next) = ([0i32; TOGETHER], behind);
                if behind < taps && channel > 0 {
                    next = inside.fill(g, place, 0);
                }
                loop {
                    for &(x, w) in inside.all.get(..inside.count).unwrap_or_default() {
                        sums = add(job, (x.wrapping_add(first), w.wrapping_add(first)), weights, sums);
                    }
                    if next >= taps {
                        break;
                    }
                    next = inside.fill(g, place, next);
                }
                finish.several(&sums, first, y.get_mut(first..).unwrap_or_default());
                channel = first.wrapping_add(TOGETHER);
            }
        }
    }
}

/// Sums with the products of a tap, whose inputs and weights begin at these places.
#[inline(always)]
fn add(job: &Job<'_>, (x, w): (usize, usize), weights: &[i16], sums: [i32; TOGETHER]) -> [i32; TOGETHER] {
    let (x, w) = (job.x.get(x..).unwrap_or_default(), weights.get(w..).unwrap_or_default());
    let (x, w) = match (x.first_chunk(), w.first_chunk()) {
        (Some(x), Some(w)) => (*x, *w),
        _ => (first_of(x), first_of(w)),
    };
    let zero = i16::from(job.x_zero ^ job.flip);
    let mut sums = sums;
    for ((sum, x), w) in sums.iter_mut().zip(x).zip(w) {
        let difference = i16::from(x ^ job.flip).wrapping_sub(zero);
        *sum = sum.wrapping_add(i32::from(difference).wrapping_mul(w.into()));
    }
    sums
}

/// The first ones, zeros behind them.
fn first_of<T: Copy + Default>(all: &[T]) -> [T; TOGETHER] {
    let mut some = [T::default(); TOGETHER];
    some.iter_mut().zip(all).for_each(|(to, &from)| *to = from);
    some
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<F: Finish> Kernel for Depthwise<'_, '_, F> {
    fn run<S: Simd>(self, simd: S) {
        simd.enter(self);
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<F: Finish> Body for Depthwise<'_, '_, F> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.all();
    }
}
