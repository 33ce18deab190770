//! Cortex-M DSP: channel by channel. Some rows of a channel are gathered into a plane with their padding, so that windows
//! lie in it as they would in a picture of one channel.
#![allow(unsafe_code)] // The calls of functions in assembly.

use core::ops::Range;

use super::rows_dsp::{Rows, far, gather, near};
use super::{Operands, Params};
use crate::rows::every_mut;
use crate::{Isa, Level};

/// Bytes of the plane.
const PLANE: usize = 2048;
/// Bytes after a row of the plane that are read and not used.
const SLACK: usize = 4;
/// Most taps of a kernel; larger ones are left to the portable variant.
const TAPS: usize = 128;

/// Convolves; false where the core is another one, a window's rows do not fit, or a multiplier is no number.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, y: &mut [i8]) -> bool {
    let g = &params.geometry;
    let numbers = operands.multipliers.iter().all(|m| m.is_finite());
    if isa.level() < Level::Dsp || !numbers {
        return false;
    }
    let reach = |kernel: u32, dilation: u32| (kernel.wrapping_sub(1) as usize).wrapping_mul(dilation as usize);
    let (height, width) =
        (reach(g.kernel_height, g.dilation_height), reach(g.kernel_width, g.dilation_width).wrapping_add(1));
    let columns = (g.out_width.wrapping_sub(1) as usize).wrapping_mul(g.stride_width as usize);
    let width = columns.saturating_add(width).saturating_add(SLACK);
    let taps = (g.kernel_height as usize).saturating_mul(g.kernel_width as usize);
    let room = PLANE.checked_div(width).unwrap_or(0);
    if room <= height || taps > TAPS {
        return false;
    }
    let band = room.wrapping_sub(height).wrapping_sub(1).checked_div(g.stride_height as usize).unwrap_or(0);
    let band = band.wrapping_add(1).min(g.out_height as usize);
    let plane = [params.input_zero_point as i8; PLANE];
    let mut job = Job { params, o: operands, width, band, height, weights: [0; TAPS], plane };
    let image = (g.out_height as usize).wrapping_mul(g.out_width as usize).wrapping_mul(g.out_channels as usize);
    for (n, y) in crate::rows::rows_mut(y, image).enumerate() {
        for channel in 0..g.out_channels as usize {
            job.channel(n, channel, y);
        }
    }
    true
}

/// A convolution whose operands fit, with its working memory.
struct Job<'a> {
    params: &'a Params,
    o: &'a Operands<'a>,
    /// Bytes of a row of the plane.
    width: usize,
    /// Most rows of output whose windows the plane holds.
    band: usize,
    /// Rows from the first of a window to its last.
    height: usize,
    /// Of one channel.
    weights: [i8; TAPS],
    plane: [i8; PLANE],
}

impl Job<'_> {
    /// One channel of an image.
    fn channel(&mut self, n: usize, channel: usize, y: &mut [i8]) {
        let g = self.params.geometry;
        let channels = g.out_channels as usize;
        let all = crate::rows::every(self.o.weights.get(channel..).unwrap_or_default(), channels);
        for (to, &from) in self.weights.iter_mut().zip(all) {
            *to = from;
        }
        let row_outputs = (g.out_width as usize).wrapping_mul(channels);
        let mut row = 0;
        while row < g.out_height as usize {
            let count = self.band.min((g.out_height as usize).wrapping_sub(row));
            let rows = count.wrapping_sub(1).wrapping_mul(g.stride_height as usize).wrapping_add(self.height);
            self.fill(n, channel, row, rows.wrapping_add(1));
            let start = row.wrapping_mul(row_outputs);
            let end = start.wrapping_add(count.wrapping_mul(row_outputs));
            let y = y.get_mut(start..end).unwrap_or_default();
            let three = g.kernel_height == 3 && g.kernel_width == 3 && g.dilation_height == 1 && g.dilation_width == 1;
            if three && matches!(g.stride_width, 1 | 2) {
                self.three(channel, count, y);
            } else {
                self.any(channel, count, y);
            }
            row = row.wrapping_add(count);
        }
    }

    /// Gathers the first `rows` rows of the plane for windows from output row `row` on.
    fn fill(&mut self, n: usize, channel: usize, row: usize, rows: usize) {
        let g = &self.params.geometry;
        let channels = g.in_channels as usize;
        let zero = self.params.input_zero_point as i8;
        let first = g.rows().start(row as u32);
        let left = (g.pad_left as usize).min(self.width);
        let count = (g.in_width as usize).min(self.width.wrapping_sub(left));
        let image = n.wrapping_mul(g.in_height as usize);
        for (k, to) in crate::rows::rows_mut(&mut self.plane, self.width).take(rows).enumerate() {
            let row = first.wrapping_add(k as i32).cast_unsigned();
            if row >= g.in_height {
                to.fill(zero);
                continue;
            }
            let pixel = image.wrapping_add(row as usize).wrapping_mul(g.in_width as usize);
            let from = self.o.x.get(pixel.wrapping_mul(channels).wrapping_add(channel)..).unwrap_or_default();
            // What lies before and after holds the zero point from the start.
            let Some(to) = to.get_mut(left..left.wrapping_add(count)) else { return };
            // SAFETY: the row has at least `count` pixels from here on, each of `channels` bytes.
            unsafe { gather(from.as_ptr(), channels, to.as_mut_ptr(), count) };
        }
    }

    /// Rows of outputs of a 3x3 kernel.
    fn three(&self, channel: usize, rows: usize, y: &mut [i8]) {
        let (g, output) = (&self.params.geometry, &self.params.output);
        let [a, b, c, d, e, f, h, i, j, ..] = self.weights;
        let pair = |low: i8, high: i8| u32::from(low as u16) | (u32::from(high as u16) << 16);
        let bias = self.o.bias.get(channel).copied().unwrap_or(0);
        let mut all = Rows {
            x: self.plane.as_ptr(),
            width: self.width,
            outer: [pair(a, c), pair(d, f), pair(h, j)],
            middle: [pair(b, e), pair(i, 0)],
            stride: g.out_channels as usize,
            y: y.as_mut_ptr().wrapping_add(channel),
            pairs: (g.out_width >> 1) as usize,
            odd: g.out_width & 1,
            bias: [bias; 2],
            zero_point: output.zero_point,
            low: output.low,
            high: output.high,
            multiplier: self.o.multipliers.get(channel).copied().unwrap_or(0.0),
            rows,
            row_step: self.width.wrapping_mul(g.stride_height as usize),
        };
        // SAFETY: `fill` has gathered the rows of all windows, every one with `SLACK` bytes more; `y` holds `rows` rows.
        unsafe { if g.stride_width == 1 { near(&mut all) } else { far(&mut all) } };
    }

    /// Rows of outputs of any kernel.
    fn any(&self, channel: usize, rows: usize, y: &mut [i8]) {
        let g = &self.params.geometry;
        let bias = self.o.bias.get(channel).copied().unwrap_or(0);
        let multiplier = self.o.multipliers.get(channel).copied().unwrap_or(0.0);
        let mut outputs = every_mut(y.get_mut(channel..).unwrap_or_default(), g.out_channels as usize);
        for row in 0..rows {
            let first = row.wrapping_mul(g.stride_height as usize).wrapping_mul(self.width);
            for column in 0..g.out_width as usize {
                let start = first.wrapping_add(column.wrapping_mul(g.stride_width as usize));
                let Some(y) = outputs.next() else { return };
                *y = self.params.output.of(self.window(start, bias), multiplier);
            }
        }
    }

    /// The sum of the window that starts here.
    #[inline(always)]
    fn window(&self, start: usize, bias: i32) -> i32 {
        let g = &self.params.geometry;
        let rows = Range { start: 0, end: g.kernel_height as usize };
        let (mut sum, mut start) = (bias, start);
        for weights in rows.zip(crate::rows::rows(&self.weights, g.kernel_width as usize)) {
            let x = crate::rows::every(self.plane.get(start..).unwrap_or_default(), g.dilation_width as usize);
            for (&x, &w) in x.zip(weights.1) {
                sum = sum.wrapping_add(i32::from(x).wrapping_mul(i32::from(w)));
            }
            start = start.wrapping_add(self.width.wrapping_mul(g.dilation_height as usize));
        }
        sum
    }
}
