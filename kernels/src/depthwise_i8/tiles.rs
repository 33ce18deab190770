//! What the vector variants share: the places of the taps of several pixels.

use super::{Operands, Params};
use crate::pixels::Pixels;
use crate::windows::{Window, Windows};

/// Most taps of a kernel (11x11 has 121); larger ones are left to the portable variant.
const TAPS: usize = 128;
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
