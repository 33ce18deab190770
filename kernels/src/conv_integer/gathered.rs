//! Shared by all vector variants: the window of a pixel is gathered once, as `x - x_zero` in int16, for all output channels
//! of a group, whose sums the compiler makes of the target's instructions. With `d` of these differences,
//! `Σ d * (w - zero) = Σ d * w - zero * Σ d`, also where sums wrap.

use super::{Operands, Params};
use crate::rows::{rows, rows_mut};
use crate::windows::{Window, Windows};

/// Differences that are gathered at a time: whole taps.
const ROOM: usize = 1024;

/// Convolves; false where the channels of a tap do not fit.
pub(super) fn run(params: &Params, o: &Operands<'_>, y: &mut [i32]) -> bool {
    let g = &params.geometry;
    let inputs = g.group_inputs() as usize;
    if inputs > ROOM {
        return false;
    }
    let mut windows = Windows::new(g.rows(), g.columns(), g.in_channels, 0);
    let mut room = [0; ROOM];
    y.fill(0);
    for y in rows_mut(y, g.out_channels as usize) {
        let window = windows.next();
        for (group, y) in rows_mut(y, g.group_outputs() as usize).enumerate() {
            pixel(params, o, (&windows, &window, group), &mut room, y);
        }
    }
    true
}

/// The outputs of a group at one pixel, which are zero before.
fn pixel(params: &Params, o: &Operands<'_>, place: (&Windows, &Window, usize), room: &mut [i16; ROOM], y: &mut [i32]) {
    let g = &params.geometry;
    let inputs = g.group_inputs() as usize;
    let most = ROOM.checked_div(inputs).unwrap_or(0);
    let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
    let row = taps.wrapping_mul(inputs);
    let weights = o.weights.get(place.2.wrapping_mul(y.len()).wrapping_mul(row)..).unwrap_or_default();
    let zero_points = o.zero_points.get(place.2.wrapping_mul(y.len())..).unwrap_or_default();
    let mut tap = 0;
    while tap < taps && most > 0 {
        let count = taps.wrapping_sub(tap).min(most);
        let part = room.get_mut(..count.wrapping_mul(inputs)).unwrap_or_default();
        gather(params, o, place, tap, part);
        let total = part.iter().fold(0i32, |sum, &d| sum.wrapping_add(d.into()));
        let start = tap.wrapping_mul(inputs);
        for ((y, weights), &zero) in y.iter_mut().zip(rows(weights, row)).zip(zero_points) {
            let weights = weights.get(start..start.wrapping_add(part.len())).unwrap_or_default();
            *y = y.wrapping_add(dot(part, weights)).wrapping_sub(zero.wrapping_mul(total));
        }
        tap = tap.wrapping_add(count);
    }
}

/// `Σ d * w`, wrapping.
#[inline(always)]
fn dot(differences: &[i16], weights: &[i8]) -> i32 {
    let products = differences.iter().zip(weights).map(|(&d, &w)| i32::from(d).wrapping_mul(w.into()));
    products.fold(0, i32::wrapping_add)
}

/// The differences of the taps from `first` on; zero in the padding.
#[inline(always)]
fn gather(
    params: &Params,
    o: &Operands<'_>,
    (windows, window, group): (&Windows, &Window, usize),
    first: usize,
    to: &mut [i16],
) {
    let g = &params.geometry;
    let inputs = g.group_inputs() as usize;
    let zero = params.number(o.x_zero);
    let mut kh = (first as u32).checked_div(g.kernel_width).unwrap_or(0);
    let mut kw = (first as u32).wrapping_sub(kh.wrapping_mul(g.kernel_width));
    for tap in rows_mut(to, inputs) {
        let start = windows.tap(window, kh, kw).map(|start| start.wrapping_add(group.wrapping_mul(inputs)));
        match start.and_then(|start| o.x.get(start..start.wrapping_add(inputs))) {
            Some(x) => tap.iter_mut().zip(x).for_each(|(to, &x)| *to = params.number(x).wrapping_sub(zero) as i16),
            None => tap.fill(0),
        }
        kw = kw.wrapping_add(1);
        if kw == g.kernel_width {
            (kh, kw) = (kh.wrapping_add(1), 0);
        }
    }
}
