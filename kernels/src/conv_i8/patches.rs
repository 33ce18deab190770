//! What vector variants for weights in rows, and so for several groups, share: the window of a pixel is gathered into one
//! row, as the weights of every channel are one.

use super::{Operands, Params};
use crate::geometry::Geometry;
use crate::pixels::Pixels;
use crate::rows::rows_mut;
use crate::windows::{OUTSIDE, Window, Windows, inputs};

/// The longest row of weights; longer ones are left to the portable variant.
pub(super) const LONGEST: usize = 8192;

/// The most taps of windows whose starts are found once for all groups.
const TAPS: usize = 64;

/// The length of a row of weights.
pub(super) fn row(g: &Geometry) -> usize {
    g.weights().and_then(|n| n.checked_div(g.out_channels)).map_or(0, |n| n as usize)
}

/// Convolves all pixels. `patch` is room for a row; `four` and `one` are its products with so many rows of weights.
#[inline(always)]
pub(super) fn all(
    params: &Params,
    o: &Operands<'_>,
    pixels: &Pixels,
    patch: &mut [i8],
    y: &mut [i8],
    four: impl Fn(&[i8], [&[i8]; 4]) -> [i32; 4],
    one: impl Fn(&[i8], &[i8]) -> [i32; 1],
) {
    let g = &params.geometry;
    let mut windows = Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start);
    let mut starts = [OUTSIDE; TAPS];
    for y in rows_mut(y, g.out_channels as usize) {
        let window = windows.next();
        let starts = starts.get_mut(..(g.kernel_height as usize).wrapping_mul(g.kernel_width as usize));
        let starts = starts.filter(|_| g.groups > 1).map(|starts| {
            windows.starts(&window, starts);
            &*starts
        });
        for (group, y) in rows_mut(y, g.group_outputs() as usize).enumerate() {
            match starts {
                Some(starts) => gather_at(params, o.x, starts, group, patch),
                None => gather(params, o.x, &windows, (window, group), patch),
            }
            channels(params, o, group, patch, y, (&four, &one));
        }
    }
}

/// Gathers the input channels of a group at every tap of a window.
#[inline(always)]
fn gather(params: &Params, x: &[i8], windows: &Windows, (window, group): (Window, usize), patch: &mut [i8]) {
    let g = &params.geometry;
    let inputs = g.group_inputs() as usize;
    let mut taps = rows_mut(patch, inputs);
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

/// Gathers the input channels of a group at taps that start here.
#[inline(always)]
fn gather_at(params: &Params, x: &[i8], starts: &[usize], group: usize, patch: &mut [i8]) {
    let count = params.geometry.group_inputs() as usize;
    for (tap, &start) in rows_mut(patch, count).zip(starts) {
        match inputs(x, start, group.wrapping_mul(count), count) {
            Some(pixel) => copy(pixel, tap),
            None => tap.fill(params.input_zero_point as i8),
        }
    }
}

/// Copies the channels of a tap, which in groups are few: the sizes of one or two words without a call.
#[inline(always)]
fn copy(from: &[i8], to: &mut [i8]) {
    match (from.len(), from.first_chunk::<4>(), from.last_chunk::<4>(), to) {
        (4, Some(four), _, [a, b, c, d]) => [*a, *b, *c, *d] = *four,
        (8, Some(first), Some(last), [a, b, c, d, e, f, g, h]) => {
            [*a, *b, *c, *d] = *first;
            [*e, *f, *g, *h] = *last;
        }
        (.., to) => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
    }
}

/// The output channels of a group.
#[inline(always)]
fn channels(
    params: &Params,
    o: &Operands<'_>,
    group: usize,
    patch: &[i8],
    y: &mut [i8],
    (four, one): (&impl Fn(&[i8], [&[i8]; 4]) -> [i32; 4], &impl Fn(&[i8], &[i8]) -> [i32; 1]),
) {
    let row = |channel: usize| {
        let start = channel.wrapping_mul(patch.len());
        o.weights.get(start..start.wrapping_add(patch.len())).unwrap_or_default()
    };
    let finish = |channel: usize, sum: i32| {
        let bias = o.bias.get(channel).copied().unwrap_or(0);
        params.output.of(bias.wrapping_add(sum), o.multipliers.get(channel).copied().unwrap_or(0.0))
    };
    let mut channel = group.wrapping_mul(y.len());
    let (fours, rest) = y.as_chunks_mut::<4>();
    for y in fours {
        let rows =
            [row(channel), row(channel.wrapping_add(1)), row(channel.wrapping_add(2)), row(channel.wrapping_add(3))];
        for (y, sum) in y.iter_mut().zip(four(patch, rows)) {
            *y = finish(channel, sum);
            channel = channel.wrapping_add(1);
        }
    }
    for y in rest {
        let [sum] = one(patch, row(channel));
        *y = finish(channel, sum);
        channel = channel.wrapping_add(1);
    }
}
