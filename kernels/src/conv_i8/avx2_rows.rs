//! AVX2 for weights in rows, and so for several groups: the window of a pixel is gathered into one row, as the weights of
//! every channel are one.
#![allow(unsafe_code)] // The entry into code that needs the instruction set.

use super::{Operands, Params, layout};
use crate::dots_avx2::dots;
use crate::pixels::Pixels;
use crate::windows::{Window, Windows};
use crate::{Isa, Level};

/// The longest row of weights; longer ones are left to the portable variant.
const LONGEST: usize = 8192;

/// Convolves with weights in rows; false where the CPU or the layout is another one or the rows are too long.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let g = &params.geometry;
    let row = g.weights().and_then(|n| n.checked_div(g.out_channels)).map_or(0, |n| n as usize);
    if isa.level() < Level::Avx2 || params.layout != layout::ROWS || row == 0 || row > LONGEST {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, operands, row, pixels, y) };
    true
}

/// All pixels; `row` is the length of a row of weights.
#[target_feature(enable = "avx2")]
fn all(params: &Params, o: &Operands<'_>, row: usize, pixels: &Pixels, y: &mut [i8]) {
    let g = &params.geometry;
    let mut windows = Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start);
    let mut patch = [0; LONGEST];
    let Some(patch) = patch.get_mut(..row) else { return };
    for y in crate::rows::rows_mut(y, g.out_channels as usize) {
        let window = windows.next();
        for (group, y) in crate::rows::rows_mut(y, g.group_outputs() as usize).enumerate() {
            gather(params, o.x, &windows, (window, group), patch);
            channels(params, o, group, patch, y);
        }
    }
}

/// Gathers the input channels of a group at every tap of a window.
#[inline(always)]
fn gather(params: &Params, x: &[i8], windows: &Windows, (window, group): (Window, usize), patch: &mut [i8]) {
    let g = &params.geometry;
    let inputs = g.group_inputs() as usize;
    let mut taps = crate::rows::rows_mut(patch, inputs);
    for kh in 0..g.kernel_height {
        for kw in 0..g.kernel_width {
            let Some(tap) = taps.next() else { return };
            let start = windows.tap(&window, kh, kw).map(|start| start.wrapping_add(group.wrapping_mul(inputs)));
            match start.and_then(|start| x.get(start..start.wrapping_add(inputs))) {
                Some(pixel) => tap.iter_mut().zip(pixel).for_each(|(to, from)| *to = *from),
                None => tap.fill(params.input_zero_point as i8),
            }
        }
    }
}

/// The output channels of a group.
#[inline]
#[target_feature(enable = "avx2")]
fn channels(params: &Params, o: &Operands<'_>, group: usize, patch: &[i8], y: &mut [i8]) {
    let first = group.wrapping_mul(y.len());
    let row = |channel: usize| {
        let start = channel.wrapping_mul(patch.len());
        o.weights.get(start..start.wrapping_add(patch.len())).unwrap_or_default()
    };
    let finish = |channel: usize, sum: i32| {
        let bias = o.bias.get(channel).copied().unwrap_or(0);
        params.output.of(bias.wrapping_add(sum), o.multipliers.get(channel).copied().unwrap_or(0.0))
    };
    let mut channel = first;
    let (fours, rest) = y.as_chunks_mut::<4>();
    for y in fours {
        let rows =
            [row(channel), row(channel.wrapping_add(1)), row(channel.wrapping_add(2)), row(channel.wrapping_add(3))];
        for (y, sum) in y.iter_mut().zip(dots(patch, 0, rows)) {
            *y = finish(channel, sum);
            channel = channel.wrapping_add(1);
        }
    }
    for y in rest {
        let [sum] = dots(patch, 0, [row(channel)]);
        *y = finish(channel, sum);
        channel = channel.wrapping_add(1);
    }
}
