//! What the variants for weights in rows share. The columns of a row of outputs fall into as many phases as the stride has
//! steps: the same taps reach all pixels of a phase, and each of them reads one input pixel, which stays where it lies.
//!
//! A tap beside the input reads the zero point, so that `zero_point * Σ w` is subtracted once for a phase and every product
//! is one of bytes.

use super::{Operands, Params};
use crate::geometry::Geometry;
use crate::pixels::{Pixels, place};

/// Most taps of a kernel.
const TAPS: usize = 64;
/// Most input channels of a group.
pub(super) const INPUTS: usize = 1024;
/// Output channels at a time.
pub(super) const BLOCK: usize = 64;

/// Products with rows of weights, and the way to int8.
pub(super) trait Kernel {
    /// Adds `Σ x * w` to every sum; its weights are the first `x.len()` of each row of `row` bytes, of which the last one
    /// may end with them.
    fn add(&mut self, x: &[i8], weights: &[i8], row: usize, sums: &mut [i32]);

    /// The outputs of sums, of which there are as many as multipliers and outputs.
    fn finish(&self, sums: &[i32], multipliers: &[f32], y: &mut [i8]);
}

/// A tap that reaches a phase.
#[derive(Clone, Copy, Default)]
struct Tap {
    /// Its first weight in a row.
    weight: usize,
    /// The input element at column 0 of the input row that it reads.
    row: usize,
    /// The input column for the first pixel of the phase, maybe outside.
    column: i32,
}

/// Convolves; false where a group has too many input channels, or the kernel too many
/// taps.
pub(super) fn run(kernel: &mut impl Kernel, p: &Params, o: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let g = &p.geometry;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    if taps > TAPS || g.group_inputs() as usize > INPUTS {
        return false;
    }
    let zero_row = [p.input_zero_point as i8; INPUTS];
    let Some(zeros) = zero_row.get(..g.group_inputs() as usize) else { return false };
    let (channels, mut pixel, mut y) = (g.out_channels as usize, pixels.start, y);
    while pixel < pixels.end {
        let [image, row, column] = place(pixel, g.out_height, g.out_width);
        let count = g.out_width.wrapping_sub(column).min(pixels.end.wrapping_sub(pixel)).max(1);
        let Some((part, rest)) = y.split_at_mut_checked((count as usize).wrapping_mul(channels)) else { return true };
        for phase in 0..g.stride_width.min(count) {
            let mut found = [Tap::default(); TAPS];
            let taps = reaching(g, [image, row, column.wrapping_add(phase)], &mut found);
            let part = part.get_mut((phase as usize).wrapping_mul(channels)..).unwrap_or_default();
            for group in 0..g.groups as usize {
                Phase { p, o, taps, group, zeros }.channels(kernel, part);
            }
        }
        (y, pixel) = (rest, pixel.wrapping_add(count));
    }
    true
}

/// The taps that reach this output pixel and those in steps of the stride after it.
fn reaching<'a>(g: &Geometry, [image, row, column]: [u32; 3], found: &'a mut [Tap; TAPS]) -> &'a [Tap] {
    let (rows, columns) = (g.rows(), g.columns());
    let stride = columns.stride.cast_signed();
    let (mut slots, mut count) = (found.iter_mut(), 0usize);
    for kh in 0..g.kernel_height {
        let Some(r) = rows.source(row, kh) else { continue };
        let r = (image as usize).wrapping_mul(g.in_height as usize).wrapping_add(r as usize);
        let start = r.wrapping_mul(g.in_width as usize).wrapping_mul(g.in_channels as usize);
        for kw in 0..g.kernel_width {
            let distance = columns.pad.wrapping_add(column).cast_signed();
            let distance = distance.wrapping_sub(kw.wrapping_mul(columns.dilation).cast_signed());
            if distance.checked_rem_euclid(stride) != Some(0) {
                continue;
            }
            let tap = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            let weight = tap.wrapping_mul(g.group_inputs() as usize);
            let Some(slot) = slots.next() else { break };
            *slot = Tap { weight, row: start, column: distance.checked_div(stride).unwrap_or(0) };
            count = count.wrapping_add(1);
        }
    }
    found.get(..count).unwrap_or_default()
}

/// One group of the pixels of a phase.
struct Phase<'a> {
    p: &'a Params,
    o: &'a Operands<'a>,
    taps: &'a [Tap],
    group: usize,
    /// What a tap beside the input reads.
    zeros: &'a [i8],
}

impl Phase<'_> {
    /// All output channels of the group; the first pixel of the phase is at the start of `y`.
    fn channels(&self, kernel: &mut impl Kernel, y: &mut [i8]) {
        let outputs = self.p.geometry.group_outputs() as usize;
        let first = self.group.wrapping_mul(outputs);
        let mut done = 0usize;
        while done < outputs {
            let count = outputs.wrapping_sub(done).min(BLOCK);
            self.block(kernel, first.wrapping_add(done), count, y);
            done = done.wrapping_add(count);
        }
    }

    /// `count` output channels from `first` on, at most a block.
    fn block(&self, kernel: &mut impl Kernel, first: usize, count: usize, y: &mut [i8]) {
        let g = &self.p.geometry;
        let row = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize).wrapping_mul(self.zeros.len());
        let weights = self.o.weights.get(first.wrapping_mul(row)..).unwrap_or_default();
        let weights = weights.get(..count.wrapping_mul(row)).unwrap_or_default();
        let multipliers = self.o.multipliers.get(first..first.wrapping_add(count)).unwrap_or_default();
        let mut start = [0; BLOCK];
        let mut sums = [0; BLOCK];
        let (Some(start), Some(sums)) = (start.get_mut(..count), sums.get_mut(..count)) else { return };
        for tap in self.taps {
            kernel.add(self.zeros, weights.get(tap.weight..).unwrap_or_default(), row, start);
        }
        for (start, &bias) in start.iter_mut().zip(self.o.bias.get(first..).unwrap_or_default()) {
            *start = bias.wrapping_sub(*start);
        }
        // Pixels of the phase lie so many outputs apart.
        let pitch = (g.stride_width as usize).wrapping_mul(g.out_channels as usize);
        let mut rest = y;
        let mut pixel = 0i32;
        while let Some(y) = rest.get_mut(first..first.wrapping_add(count)) {
            // Not `copy_from_slice`, which can panic.
            sums.iter_mut().zip(start.iter()).for_each(|(to, &from)| *to = from);
            for tap in self.taps {
                let x = self.input(tap, tap.column.wrapping_add(pixel));
                kernel.add(x, weights.get(tap.weight..).unwrap_or_default(), row, sums);
            }
            kernel.finish(sums, multipliers, y);
            rest = rest.get_mut(pitch..).unwrap_or_default();
            pixel = pixel.wrapping_add(1);
        }
    }

    /// The input channels of the group at a column of the tap's row.
    fn input(&self, tap: &Tap, column: i32) -> &[i8] {
        let g = &self.p.geometry;
        let column = column.cast_unsigned();
        if column >= g.in_width {
            return self.zeros;
        }
        let pixel = tap.row.wrapping_add((column as usize).wrapping_mul(g.in_channels as usize));
        let start = pixel.wrapping_add(self.group.wrapping_mul(self.zeros.len()));
        self.o.x.get(start..start.wrapping_add(self.zeros.len())).unwrap_or(self.zeros)
    }
}
