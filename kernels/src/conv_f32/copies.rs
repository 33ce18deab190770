//! Windows of few channels at a border, copied: a tile reads one stretch instead of one for every tap.
#![allow(unsafe_code)] // Loads and stores of vectors.

use crate::geometry::Geometry;
use crate::simd::Simd;
use crate::windows::{Window, Windows};

/// Most elements of a window, and of a row of its taps.
const MOST: usize = 160;
const ROW: usize = 24;
/// Elements from window to window: what the last vector writes behind a window is included.
const PITCH: usize = MOST + 16;

/// Whether the windows of a convolution of one group are copied where one of a tile is not inside.
pub(super) fn suit(g: &Geometry) -> bool {
    let row = (g.kernel_width as usize).saturating_mul(g.in_channels as usize);
    g.groups == 1 && g.dilation_width == 1 && row <= ROW && row.saturating_mul(g.kernel_height as usize) <= MOST
}

/// The windows of `P` pixels.
pub(super) struct Copies<const P: usize>([[f32; PITCH]; P]);

impl<const P: usize> Copies<P> {
    /// Zeros.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([[0.0; PITCH]; P])
    }

    /// All elements.
    #[inline(always)]
    pub(super) fn elements(&self) -> &[f32] {
        self.0.as_flattened()
    }

    /// Where the windows start.
    #[inline(always)]
    pub(super) fn starts() -> [Option<usize>; P] {
        let mut starts = [None; P];
        for (p, start) in starts.iter_mut().enumerate() {
            *start = Some(p.wrapping_mul(PITCH));
        }
        starts
    }

    /// Copies the windows of a tile; what lies in the padding is zero.
    #[inline(always)]
    pub(super) fn fill<S: Simd>(&mut self, simd: S, g: &Geometry, x: &[f32], windows: &Windows, tile: &[Window; P]) {
        let (channels, width) = (g.in_channels as usize, g.kernel_width as usize);
        let row = width.wrapping_mul(channels);
        let all = row.wrapping_mul(g.kernel_height as usize);
        for (to, window) in self.0.iter_mut().zip(tile) {
            if let Some(to) = to.get_mut(..all).filter(|_| !window.inner) {
                to.fill(0.0);
            }
            let columns = windows.columns_inside(window);
            let len = columns.len().wrapping_mul(channels);
            let mut first = (columns.start as usize).wrapping_mul(channels);
            for r in 0..g.kernel_height {
                if windows.holds_row(window, r) {
                    let start = window.start.wrapping_add(windows.distance(r, columns.start)).cast_unsigned();
                    let from = x.get(start..start.wrapping_add(len)).unwrap_or_default();
                    copy(simd, from, to.get_mut(first..).unwrap_or_default());
                }
                first = first.wrapping_add(row);
            }
        }
    }
}

/// Copies whole vectors, zeros behind the last element, as far as there is room.
#[inline(always)]
fn copy<S: Simd>(simd: S, mut from: &[f32], mut to: &mut [f32]) {
    while !from.is_empty() && to.len() >= S::LANES {
        let count = from.len().min(S::LANES);
        // SAFETY: as many elements are loaded as there are, and there is room for a vector.
        unsafe { simd.store(to.as_mut_ptr(), simd.load_first(from.as_ptr(), count)) };
        from = from.get(count..).unwrap_or_default();
        to = to.get_mut(count..).unwrap_or_default();
    }
}
