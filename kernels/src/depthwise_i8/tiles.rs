//! What the vector variants share: the places of the taps of several pixels, and the walk over pixels and channels.
#![allow(unsafe_code)] // A part of the channels is computed by a function that relies on the walk.

use super::{Operands, Params};
use crate::pixels::Pixels;
use crate::windows::{Window, Windows};

/// Most taps of a kernel (11x11 has 121); larger ones are left to the portable variant.
pub(super) const TAPS: usize = 128;
/// Channels for which places are looked up together.
pub(super) const GROUP: usize = 256;
/// Channels before a group that a vector may reach back to, and after it that it may reach on to.
const MARGIN: usize = 32;

/// A convolution whose operands fit.
pub(super) struct Job<'a> {
    pub(super) params: &'a Params,
    pub(super) operands: &'a Operands<'a>,
    pub(super) channels: usize,
    /// Input elements from the first tap to every other, and their number.
    distances: [isize; TAPS],
    taps: usize,
    /// Pixels of padding.
    padding: [i8; MARGIN + GROUP + MARGIN],
    pub(super) windows: Windows,
}

/// The taps of `P` pixels.
pub(super) struct Places<const P: usize> {
    taps: [[*const i8; P]; TAPS],
    count: usize,
}

impl<const P: usize> Places<P> {
    /// Room for the taps of as many pixels, all of them in the padding.
    pub(super) fn new(job: &Job<'_>) -> Self {
        Self { taps: [[job.padding.as_ptr().wrapping_add(MARGIN); P]; TAPS], count: job.taps }
    }

    /// For every tap, where its channels lie.
    #[inline(always)]
    pub(super) fn taps(&self) -> &[[*const i8; P]] {
        self.taps.get(..self.count).unwrap_or(&[])
    }

    /// Finds the taps of these windows at channel `group`, which exists. From there on [`GROUP`] channels may be read, as
    /// far as they exist, and 16 before it, if there are so many.
    #[inline(always)]
    pub(super) fn find(&mut self, job: &Job<'_>, windows: &[Window; P], group: usize) {
        let x = job.operands.x.as_ptr().wrapping_add(group);
        let taps = self.taps.iter_mut().take(self.count);
        if windows.iter().all(|window| window.inner) {
            for (taps, &distance) in taps.zip(&job.distances) {
                for (place, window) in taps.iter_mut().zip(windows) {
                    *place = x.wrapping_offset(window.start).wrapping_offset(distance);
                }
            }
            return;
        }
        let padding = job.padding.as_ptr().wrapping_add(MARGIN);
        let mut taps = taps;
        for kh in 0..job.params.geometry.kernel_height {
            for (kw, taps) in (0..job.params.geometry.kernel_width).zip(&mut taps) {
                for (place, window) in taps.iter_mut().zip(windows) {
                    *place = job.windows.tap(window, kh, kw).map_or(padding, |tap| x.wrapping_add(tap));
                }
            }
        }
    }
}

impl<'a> Job<'a> {
    /// `None` for kernels with too many taps.
    pub(super) fn new(params: &'a Params, operands: &'a Operands<'a>, pixels: &Pixels) -> Option<Self> {
        let g = &params.geometry;
        let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
        let windows = Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start);
        let mut distances = [0; TAPS];
        if taps > distances.len() {
            return None;
        }
        let all = (0..g.kernel_height).flat_map(|kh| (0..g.kernel_width).map(move |kw| (kh, kw)));
        for (distance, (kh, kw)) in distances.iter_mut().zip(all) {
            *distance = windows.distance(kh, kw);
        }
        let padding = [params.input_zero_point as i8; MARGIN + GROUP + MARGIN];
        Some(Self { params, operands, channels: g.out_channels as usize, distances, taps, padding, windows })
    }
}

/// Some channels at a time, of four pixels or of one.
#[cfg(target_arch = "x86_64")]
pub(super) trait Part {
    /// How many channels.
    const WIDTH: usize;

    /// The channels from `channel` on, which lies `offset` after the places.
    ///
    /// # Safety
    /// The CPU has the instruction set. These channels exist and belong to the group of the places, or lie less than
    /// [`Part::WIDTH`] before it.
    unsafe fn part<const P: usize>(job: &Job<'_>, places: &Places<P>, channel: usize, offset: isize, y: &mut [i8]);
}

/// All pixels, whose channels are as many as a part has at least.
///
/// # Safety
/// The CPU has the instruction set of the part.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn all<K: Part>(job: &Job<'_>, y: &mut [i8]) {
    let (mut windows, mut fours, mut ones) = (job.windows.clone(), Places::<4>::new(job), Places::<1>::new(job));
    let mut pixels = y.chunks_exact_mut(job.channels.wrapping_mul(4).max(1));
    for y in &mut pixels {
        // SAFETY: the caller's promise.
        unsafe { tile::<K, 4>(job, &windows.take(), &mut fours, y) };
    }
    for y in pixels.into_remainder().chunks_exact_mut(job.channels.max(1)) {
        // SAFETY: the caller's promise.
        unsafe { tile::<K, 1>(job, &windows.take(), &mut ones, y) };
    }
}

/// `P` pixels, all channels.
///
/// # Safety
/// As for [`all`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn tile<K: Part, const P: usize>(job: &Job<'_>, windows: &[Window; P], places: &mut Places<P>, y: &mut [i8]) {
    let mut group = 0;
    while group < job.channels {
        places.find(job, windows, group);
        let end = job.channels.min(group + GROUP);
        let mut channel = group;
        while channel < end {
            // The last channels may have been computed in part before: they come out the same.
            let first = channel.min(job.channels - K::WIDTH);
            let offset = first.cast_signed() - group.cast_signed();
            // SAFETY: so many channels exist from `first` on, which lies in the group or less than so many before it.
            unsafe { K::part(job, places, first, offset, y) };
            channel += K::WIDTH;
        }
        group = end;
    }
}
