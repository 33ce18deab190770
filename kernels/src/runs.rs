//! Runs of windows that the vector variants of channel-wise operations (depthwise convolutions, pools) share: output
//! pixels of one row whose taps inside the input are the same.

use core::ops::Range;

use crate::geometry::Axis;
use crate::pixels::{Pixels, place};

/// A run of neighbouring output pixels with the same taps. All places and steps are in elements of NHWC tensors.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Run {
    /// The first channel of the first pixel's first tap in x.
    pub(crate) x: usize,
    /// The first channel of the first pixel in y.
    pub(crate) y: usize,
    /// Kernel row and column of the first tap; for weights, of which pools have none.
    #[cfg_attr(all(target_arch = "arm", not(feature = "helium")), allow(dead_code))]
    pub(crate) first: [usize; 2],
    /// Tap rows and columns; either may be none.
    pub(crate) taps: [usize; 2],
    /// From tap row to tap row, and from tap column to tap column.
    pub(crate) steps: [usize; 2],
    /// Pixels.
    pub(crate) pixels: usize,
    /// From pixel to pixel in x.
    pub(crate) pixel_step: usize,
    /// Output row and column of the first pixel.
    pub(crate) place: [u32; 2],
}

impl Run {
    /// Whether every tap of every pixel with this many channels lies inside slices of these lengths.
    pub(crate) fn fits(&self, channels: usize, x_len: usize, y_len: usize) -> bool {
        let [rows, columns] = self.taps;
        let y_end = self.pixels.checked_mul(channels).and_then(|n| n.checked_add(self.y));
        let reach = |n: usize, step: usize| n.saturating_sub(1).checked_mul(step);
        let x_end = || {
            let last = reach(rows, self.steps[0])?.checked_add(reach(columns, self.steps[1])?)?;
            last.checked_add(reach(self.pixels, self.pixel_step)?)?.checked_add(channels)?.checked_add(self.x)
        };
        let inside = rows == 0 || columns == 0 || x_end().is_some_and(|n| n <= x_len);
        inside && y_end.is_some_and(|n| n <= y_len)
    }
}

/// Calls `each` with every run of some output pixels of `[batch, rows, columns, channels]`: of at most `run` pixels. y begins
/// with the first pixel.
pub(crate) fn part(pixels: &Pixels, rows: &Axis, columns: &Axis, channels: u32, run: u32, mut each: impl FnMut(&Run)) {
    let channels = channels as usize;
    let (mut y, mut left) = (0usize, pixels.len() as u32);
    let [mut image, mut row, mut column] = place(pixels.start, rows.output, columns.output);
    while left > 0 {
        let tap_rows = rows.taps(row);
        let first_row = image.wrapping_mul(rows.input) as usize;
        let first_row = first_row.wrapping_add(rows.position(row, tap_rows.start));
        while column < columns.output && left > 0 {
            let (together, tap_columns) = together(columns, column, run, left);
            let pixel = first_row.wrapping_mul(columns.input as usize);
            let pixel = pixel.wrapping_add(columns.position(column, tap_columns.start));
            each(&Run {
                x: pixel.wrapping_mul(channels),
                y,
                first: [tap_rows.start as usize, tap_columns.start as usize],
                taps: [tap_rows.len(), tap_columns.len()],
                steps: [
                    (rows.dilation as usize).wrapping_mul(columns.input as usize).wrapping_mul(channels),
                    (columns.dilation as usize).wrapping_mul(channels),
                ],
                pixels: together as usize,
                pixel_step: (columns.stride as usize).wrapping_mul(channels),
                place: [row, column],
            });
            y = y.wrapping_add(channels.wrapping_mul(together as usize));
            (column, left) = (column.wrapping_add(together), left.wrapping_sub(together));
        }
        (row, column) = (row.wrapping_add(1), 0);
        if row >= rows.output {
            (image, row) = (image.wrapping_add(1), 0);
        }
    }
}

/// How many pixels from `column` on go together, at most `left`, and their tap columns.
fn together(columns: &Axis, column: u32, run: u32, left: u32) -> (u32, Range<u32>) {
    let inner = columns.inner();
    if inner.contains(&column) {
        (inner.end.wrapping_sub(column).min(run).min(left).max(1), 0..columns.kernel)
    } else {
        // At the borders dilated kernels have neighbours that see the same taps.
        let taps = columns.taps(column);
        let most = columns.output.wrapping_sub(column).min(run).min(left);
        let others = (1..most).take_while(|&k| columns.taps(column.wrapping_add(k)) == taps);
        (others.count().wrapping_add(1) as u32, taps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{depthwise_convolutions, each_tap};
    use std::vec::Vec;

    #[test]
    fn runs_hold_every_tap_of_every_pixel_once() {
        for g in depthwise_convolutions().iter().filter(|g| g.out_channels < 10) {
            for run in [1, 2, 4] {
                let channels = g.in_channels as usize;
                let mut all = Vec::new();
                part(&(0..g.pixels().unwrap()), &g.rows(), &g.columns(), g.in_channels, run, |w| {
                    assert!(w.fits(channels, g.inputs().unwrap() as usize, g.outputs().unwrap() as usize));
                    assert!((1..=run as usize).contains(&w.pixels));
                    for pixel in 0..w.pixels {
                        for (r, c) in (0..w.taps[0]).flat_map(|r| (0..w.taps[1]).map(move |c| (r, c))) {
                            let x = w.x + pixel * w.pixel_step + r * w.steps[0] + c * w.steps[1];
                            let tap = (w.first[0] + r) * g.kernel_width as usize + w.first[1] + c;
                            all.push((w.y + pixel * channels, tap, x));
                        }
                    }
                });
                let mut want = Vec::new();
                for (k, place) in crate::samples::pixels(g.batch, g.out_height, g.out_width).enumerate() {
                    each_tap(g, place, |tap, pixel| want.push((k * channels, tap, pixel * channels)));
                }
                assert_eq!(all, want, "{g:?}");
            }
        }
    }

    #[test]
    fn runs_outside_are_known() {
        let g = depthwise_convolutions()[1];
        let mut last = None;
        part(&(0..g.pixels().unwrap()), &g.rows(), &g.columns(), g.in_channels, 1, |w| last = Some(*w));
        let (w, x, y) = (last.unwrap(), g.inputs().unwrap() as usize, g.outputs().unwrap() as usize);
        let channels = g.in_channels as usize;
        assert!(w.fits(channels, x, y));
        assert!(!w.fits(channels, x - 1, y) && !w.fits(channels, x, y - 1) && !w.fits(channels + 1, x, y));
        assert!(!Run { x: usize::MAX, ..w }.fits(channels, x, y));
        assert!(!Run { steps: [usize::MAX; 2], ..w }.fits(channels, x, y));
    }
}
