//! What the pixels of a tile multiply with a stretch of weights: one row of f16 for every pixel.

use core::ops::Range;

use super::{BLOCK, Params};
use crate::windows::{Window, Windows};

/// Most products of a stretch, a multiple of [`BLOCK`].
pub(super) const LENGTH: usize = 16 * BLOCK;

/// A row of a tile, by its bits.
pub(super) type Row = [u16; LENGTH];

/// Gathers the inputs of a window that meet the weights `range`, at most [`LENGTH`] of them, and zeros behind them up to the
/// next multiple of 8. `halve` rounds f32 to the bits of f16; both slices are of one length.
#[inline(always)]
pub(super) fn gather(
    params: &Params,
    x: &[f32],
    (windows, window): (&Windows, &Window),
    range: &Range<usize>,
    row: &mut Row,
    halve: impl Fn(&[f32], &mut [u16]),
) {
    let g = &params.geometry;
    let inputs = g.in_channels as usize;
    let line = inputs.wrapping_mul(g.kernel_width as usize);
    let first = range.start.checked_div(line).unwrap_or(0);
    let mut place = first.wrapping_mul(line);
    for kh in first as u32..g.kernel_height {
        let mut kw = 0;
        while kw < g.kernel_width && place < range.end {
            let (start, taps) = windows.run(window, kh, kw);
            let end = place.wrapping_add(inputs.wrapping_mul(taps as usize));
            // The part of these taps that the stretch has.
            let part = place.max(range.start)..end.min(range.end);
            if !part.is_empty() {
                let skipped = part.start.wrapping_sub(place);
                let to = part.start.wrapping_sub(range.start)..part.end.wrapping_sub(range.start);
                let Some(to) = row.get_mut(to) else { return };
                let from = start.map(|start| start.wrapping_add(skipped));
                match from.and_then(|from| x.get(from..from.wrapping_add(to.len()))) {
                    Some(from) => halve(from, to),
                    None => to.fill(0),
                }
            }
            place = end;
            kw = kw.wrapping_add(taps);
        }
    }
    if let Some(rest) = row.get_mut(range.len()..range.len().next_multiple_of(8)) {
        rest.fill(0);
    }
}
