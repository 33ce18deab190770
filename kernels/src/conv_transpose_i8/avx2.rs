//! AVX2: the input pixels that reach an output times the weights of 4 channels at a time.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.

use super::{Operands, Params};
use crate::dots_avx2::dots;
use crate::pixels::{Pixels, places};
use crate::{Isa, Level};

/// Most taps of a kernel; larger ones are left to the portable variant.
const TAPS: usize = 128;

/// Convolves; false where the CPU has not the instruction set or the kernel is too large.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let g = &params.geometry;
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    if isa.level() < Level::Avx2 || taps > TAPS {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, operands, pixels, y) };
    true
}

/// A tap through which an input pixel reaches the output.
#[derive(Clone, Copy, Default)]
struct Tap<'a> {
    /// The pixel's channels.
    x: &'a [i8],
    /// The tap's place among those of the kernel.
    place: usize,
}

#[target_feature(enable = "avx2")]
fn all(params: &Params, o: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
    let g = &params.geometry;
    let mut taps = [Tap::default(); TAPS];
    let places = places(pixels.clone(), g.out_height, g.out_width);
    for (place, y) in places.zip(crate::rows::rows_mut(y, g.out_channels as usize)) {
        let count = reaching(params, o.x, place, &mut taps);
        let taps = taps.get(..count).unwrap_or_default();
        for (group, y) in crate::rows::rows_mut(y, g.group_outputs() as usize).enumerate() {
            channels(params, o, group, taps, y);
        }
    }
}

/// Finds the taps that reach an output; returns their number.
fn reaching<'a>(params: &Params, x: &'a [i8], [n, row, column]: [u32; 3], taps: &mut [Tap<'a>; TAPS]) -> usize {
    let g = &params.geometry;
    let (rows, columns, channels) = (g.rows(), g.columns(), g.in_channels as usize);
    let mut count = 0usize;
    for kh in 0..g.kernel_height {
        let Some(r) = rows.source(row, kh) else { continue };
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(r as usize);
        for kw in 0..g.kernel_width {
            let Some(c) = columns.source(column, kw) else { continue };
            let start = r.wrapping_mul(g.in_width as usize).wrapping_add(c as usize).wrapping_mul(channels);
            let place = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
            if let (Some(slot), Some(x)) = (taps.get_mut(count), x.get(start..start.wrapping_add(channels))) {
                *slot = Tap { x, place };
                count = count.wrapping_add(1);
            }
        }
    }
    count
}

/// The output channels of a group.
#[inline]
#[target_feature(enable = "avx2")]
fn channels(params: &Params, o: &Operands<'_>, group: usize, taps: &[Tap<'_>], y: &mut [i8]) {
    let mut channel = group.wrapping_mul(y.len());
    let (fours, rest) = y.as_chunks_mut::<4>();
    for y in fours {
        for (y, sum) in y.iter_mut().zip(sums::<4>(params, o, (group, channel), taps)) {
            *y = finish(params, o, channel, sum);
            channel = channel.wrapping_add(1);
        }
    }
    for y in rest {
        let [sum] = sums::<1>(params, o, (group, channel), taps);
        *y = finish(params, o, channel, sum);
        channel = channel.wrapping_add(1);
    }
}

/// The sums of `R` channels from `channel` on, without bias.
#[inline]
#[target_feature(enable = "avx2")]
fn sums<const R: usize>(
    params: &Params,
    o: &Operands<'_>,
    (group, channel): (usize, usize),
    taps: &[Tap<'_>],
) -> [i32; R] {
    let g = &params.geometry;
    let inputs = g.group_inputs() as usize;
    let row = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize).wrapping_mul(inputs);
    let first = group.wrapping_mul(inputs);
    let mut sums = [0i32; R];
    for tap in taps {
        let x = tap.x.get(first..first.wrapping_add(inputs)).unwrap_or_default();
        let mut start = channel.wrapping_mul(row).wrapping_add(tap.place.wrapping_mul(inputs));
        let mut rows: [&[i8]; R] = [&[]; R];
        for slot in &mut rows {
            *slot = o.weights.get(start..start.wrapping_add(inputs)).unwrap_or_default();
            start = start.wrapping_add(row);
        }
        for (sum, more) in sums.iter_mut().zip(dots(x, params.input_zero_point as i16, rows)) {
            *sum = sum.wrapping_add(more);
        }
    }
    sums
}

fn finish(params: &Params, o: &Operands<'_>, channel: usize, sum: i32) -> i8 {
    let bias = o.bias.get(channel).copied().unwrap_or(0);
    params.output.of(bias.wrapping_add(sum), o.multipliers.get(channel).copied().unwrap_or(0.0))
}
