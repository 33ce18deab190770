//! The windows of output pixels in order, for variants that gather input pixels instead of copying them.

use core::ops::Range;

use crate::geometry::Axis;
use crate::pixels::place;

/// Walks the output pixels row-major, batch outermost, without end.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    rows: Axis,
    columns: Axis,
    /// Elements of an input pixel.
    channels: usize,
    inner_rows: Range<u32>,
    inner_columns: Range<u32>,
    /// Input elements before this image.
    image: usize,
    row: u32,
    column: u32,
    /// The next window.
    window: Window,
    /// Whether the windows of this row have all their rows inside.
    inner_row: bool,
}

/// The start of a tap in the padding.
#[cfg(any(test, target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp")))]
pub(crate) const OUTSIDE: usize = usize::MAX;

/// `count` input elements from the `channel`-th of a tap on; `None` in the padding.
#[cfg(any(test, target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp")))]
#[inline(always)]
pub(crate) fn inputs(x: &[i8], start: usize, channel: usize, count: usize) -> Option<&[i8]> {
    let first = start.wrapping_add(channel);
    if start == OUTSIDE { None } else { x.get(first..first.wrapping_add(count)) }
}

/// The window of one output pixel.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Window {
    /// Input row and column of the first tap, negative in the padding.
    row: i32,
    column: i32,
    /// Input element of the first tap, as if the padding were there.
    pub(crate) start: isize,
    /// Whether every tap lies inside the input.
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64", feature = "dsp")), allow(dead_code))]
    pub(crate) inner: bool,
}

impl Windows {
    /// The windows of these axes over an input of `channels` channels, last, from output pixel `first` on.
    pub(crate) fn new(rows: Axis, columns: Axis, channels: u32, first: u32) -> Self {
        let (inner_rows, inner_columns, channels) = (rows.inner(), columns.inner(), channels as usize);
        let window = Window::default();
        let [image, row, column] = place(first, rows.output, columns.output);
        let pixels = (rows.input as usize).wrapping_mul(columns.input as usize);
        let image = (image as usize).wrapping_mul(pixels).wrapping_mul(channels);
        let inner_row = false;
        let mut all =
            Self { rows, columns, channels, inner_rows, inner_columns, image, row, column, window, inner_row };
        all.start_row();
        all
    }

    /// Puts the next window at this row and column.
    fn start_row(&mut self) {
        let (row, column) = (self.rows.start(self.row), self.columns.start(self.column));
        let pixel = (row as isize).wrapping_mul(self.columns.input as isize).wrapping_add(column as isize);
        let start = pixel.wrapping_mul(self.channels.cast_signed()).wrapping_add(self.image.cast_signed());
        self.window = Window { row, column, start, inner: false };
        self.inner_row = self.inner_rows.contains(&self.row);
    }

    /// Input elements from a tap to the one `rows` and `columns` of taps further.
    #[inline(always)]
    pub(crate) fn distance(&self, rows: u32, columns: u32) -> isize {
        let rows = (rows as usize).wrapping_mul(self.rows.dilation as usize).wrapping_mul(self.columns.input as usize);
        let columns = (columns as usize).wrapping_mul(self.columns.dilation as usize);
        rows.wrapping_add(columns).wrapping_mul(self.channels).cast_signed()
    }

    /// The input element of a tap, where that lies inside.
    #[inline(always)]
    pub(crate) fn tap(&self, window: &Window, rows: u32, columns: u32) -> Option<usize> {
        let row = window.row.wrapping_add(rows.wrapping_mul(self.rows.dilation).cast_signed());
        let column = window.column.wrapping_add(columns.wrapping_mul(self.columns.dilation).cast_signed());
        // A negative position is a large one without its sign.
        let inside = row.cast_unsigned() < self.rows.input && column.cast_unsigned() < self.columns.input;
        inside.then(|| window.start.wrapping_add(self.distance(rows, columns)).cast_unsigned())
    }

    /// Where every tap starts, in order; [`OUTSIDE`] in the padding. For kernels that visit the taps once for every group.
    #[cfg(any(test, target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp")))]
    #[inline(never)]
    pub(crate) fn starts(&self, window: &Window, starts: &mut [usize]) {
        let mut starts = starts.iter_mut();
        for rows in 0..self.rows.kernel {
            for columns in 0..self.columns.kernel {
                let Some(start) = starts.next() else { return };
                *start = self.tap(window, rows, columns).unwrap_or(OUTSIDE);
            }
        }
    }

    /// The taps from column `columns` on in this row of taps that lie side by side inside the input, or side by side
    /// outside: where the first one starts, if inside, and how many there are, at least one.
    #[inline(always)]
    pub(crate) fn run(&self, window: &Window, rows: u32, columns: u32) -> (Option<usize>, u32) {
        let left = self.columns.kernel.wrapping_sub(columns);
        let start = self.tap(window, rows, columns);
        if self.columns.dilation != 1 {
            return (start, 1);
        }
        let column = window.column.wrapping_add(columns.cast_signed());
        let row = window.row.wrapping_add(rows.wrapping_mul(self.rows.dilation).cast_signed());
        let to_border = match column {
            _ if row.cast_unsigned() >= self.rows.input => left,
            ..0 => column.unsigned_abs(),
            _ => match self.columns.input.checked_sub(column.cast_unsigned()) {
                Some(inside @ 1..) => inside,
                _ => left,
            },
        };
        (start, left.min(to_border))
    }

    /// Whether a row of taps lies inside.
    #[inline(always)]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(crate) fn holds_row(&self, window: &Window, row: u32) -> bool {
        let row = window.row.wrapping_add(row.wrapping_mul(self.rows.dilation).cast_signed());
        row.cast_unsigned() < self.rows.input
    }

    /// The columns of taps that lie inside, of a kernel without gaps.
    #[inline(always)]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(crate) fn columns_inside(&self, window: &Window) -> Range<u32> {
        let kernel = self.columns.kernel;
        let end = self.columns.input.cast_signed().wrapping_sub(window.column).max(0).cast_unsigned();
        window.column.min(0).unsigned_abs().min(kernel)..end.min(kernel)
    }

    /// Whether every column of taps lies inside.
    #[inline(always)]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(crate) fn holds_columns(&self, window: &Window) -> bool {
        let reach = self.columns.kernel.wrapping_sub(1).wrapping_mul(self.columns.dilation);
        let last = window.column.wrapping_add(reach.cast_signed());
        window.column >= 0 && last.cast_unsigned() < self.columns.input
    }

    /// The next window.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Window {
        let inner = self.inner_row && self.inner_columns.contains(&self.column);
        let window = Window { inner, ..self.window };
        self.column = self.column.wrapping_add(1);
        if self.column < self.columns.output {
            let stride = self.columns.stride;
            self.window.column = window.column.wrapping_add(stride.cast_signed());
            let elements = (stride as usize).wrapping_mul(self.channels);
            self.window.start = window.start.wrapping_add(elements.cast_signed());
        } else {
            self.next_row();
        }
        window
    }

    /// The next `P` windows.
    #[inline(always)]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", feature = "dsp")))]
    pub(crate) fn take<const P: usize>(&mut self) -> [Window; P] {
        let mut all = [Window::default(); P];
        let end = self.column.wrapping_add(P as u32);
        if end >= self.columns.output {
            for window in &mut all {
                *window = self.next();
            }
            return all;
        }
        // All of them and the one behind them lie in this row.
        let (mut next, stride) = (self.window, self.columns.stride);
        let elements = (stride as usize).wrapping_mul(self.channels).cast_signed();
        for (window, column) in all.iter_mut().zip(self.column..) {
            *window = Window { inner: self.inner_row && self.inner_columns.contains(&column), ..next };
            next.column = next.column.wrapping_add(stride.cast_signed());
            next.start = next.start.wrapping_add(elements);
        }
        (self.window, self.column) = (next, end);
        all
    }

    /// Where the next `P` windows start, and how far each is from the one before it, if they lie in one row with all their
    /// taps inside and are not its last: they are passed then.
    #[inline(always)]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(crate) fn take_inner<const P: usize>(&mut self) -> Option<(usize, usize)> {
        let end = self.column.wrapping_add(P as u32);
        let inner = self.inner_row && self.column >= self.inner_columns.start && end <= self.inner_columns.end;
        if !inner || end >= self.columns.output {
            return None;
        }
        let (start, stride) = (self.window.start.cast_unsigned(), self.columns.stride);
        let elements = (stride as usize).wrapping_mul(self.channels);
        self.window.column = self.window.column.wrapping_add(stride.wrapping_mul(P as u32).cast_signed());
        self.window.start = self.window.start.wrapping_add(elements.wrapping_mul(P).cast_signed());
        self.column = end;
        Some((start, elements))
    }

    #[inline(never)]
    fn next_row(&mut self) {
        self.column = 0;
        self.row = self.row.wrapping_add(1);
        if self.row >= self.rows.output {
            self.row = 0;
            let pixels = (self.rows.input as usize).wrapping_mul(self.columns.input as usize);
            self.image = self.image.wrapping_add(pixels.wrapping_mul(self.channels));
        }
        self.start_row();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{convolutions, each_tap, pixels};

    #[test]
    fn taps_are_those_of_the_definition() {
        for g in convolutions() {
            let mut windows = Windows::new(g.rows(), g.columns(), g.in_channels, 0);
            for (k, place) in pixels(g.batch, g.out_height, g.out_width).enumerate() {
                let window = windows.next();
                let first = Windows::new(g.rows(), g.columns(), g.in_channels, k as u32).next();
                assert_eq!((window.row, window.column, window.start), (first.row, first.column, first.start));
                let mut want = std::vec![None; (g.kernel_height * g.kernel_width) as usize];
                each_tap(&g, place, |tap, pixel| want[tap] = Some(pixel * g.in_channels as usize));
                assert_eq!(window.inner, want.iter().all(Option::is_some));
                for kh in 0..g.kernel_height {
                    let mut runs = std::vec::Vec::new();
                    while runs.len() < g.kernel_width as usize {
                        let (start, taps) = windows.run(&window, kh, runs.len() as u32);
                        let tap = |k: u32| start.map(|start| start + (k * g.in_channels) as usize);
                        runs.extend((0..taps).map(tap));
                    }
                    let width = g.kernel_width as usize;
                    assert_eq!(runs, want[kh as usize * width..][..width], "{place:?} {g:?}");
                }
                let mut starts = std::vec![7; want.len()];
                windows.starts(&window, &mut starts);
                assert!(starts.iter().zip(&want).all(|(&start, want)| start == want.unwrap_or(OUTSIDE)));
                for (k, &want) in want.iter().enumerate() {
                    let (kh, kw) = (k as u32 / g.kernel_width, k as u32 % g.kernel_width);
                    assert_eq!(windows.tap(&window, kh, kw), want, "{place:?} {k} {g:?}");
                    if let Some(want) = want {
                        assert_eq!(window.start + windows.distance(kh, kw), want as isize);
                    }
                }
            }
        }
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn inner_windows_of_a_row_are_taken_together() {
        for g in convolutions() {
            let new = || Windows::new(g.rows(), g.columns(), g.in_channels, 0);
            let (mut windows, mut single, mut left) = (new(), new(), g.pixels().unwrap());
            while left > 0 {
                let taken = if left >= 3 { windows.take_inner::<3>() } else { None };
                let Some((start, step)) = taken else {
                    let (one, other) = (windows.next(), single.next());
                    assert_eq!((one.start, one.inner), (other.start, other.inner));
                    left -= 1;
                    continue;
                };
                for k in 0..3 {
                    let window = single.next();
                    assert!(window.inner && window.start == (start + k * step).cast_signed(), "{g:?}");
                }
                left -= 3;
            }
        }
    }

    #[test]
    fn inputs_are_inside_or_none() {
        let x = [1, 2, 3, 4];
        assert_eq!(inputs(&x, 1, 1, 2), Some(&[3, 4][..]));
        assert_eq!(inputs(&x, 1, 2, 2), None);
        assert_eq!(inputs(&x, OUTSIDE, 2, 1), None);
    }
}
