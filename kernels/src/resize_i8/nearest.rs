//! One tap of weight 1 along both axes: every output pixel is an input pixel.

use core::ops::Range;

use super::{Params, Table};
use crate::rows::rows_mut;

/// Copies the pixels; false where there are more taps or other weights.
pub(super) fn run(
    params: &Params,
    x: &[i8],
    rows: &Table<'_>,
    columns: &Table<'_>,
    lines: &Range<u32>,
    y: &mut [i8],
) -> bool {
    let p = &params.sizes;
    let plain = |table: &Table<'_>| table.weights.iter().all(|&w| w == 1.0);
    if p.row_taps != 1 || p.column_taps != 1 || !plain(rows) || !plain(columns) {
        return false;
    }
    let channels = p.channels as usize;
    let mut pixels = rows_mut(y, channels);
    for line in lines.clone() {
        let (n, row) = p.place(line);
        let row = rows.index.get(row as usize).copied().unwrap_or(0).min(p.in_height.wrapping_sub(1));
        let row = n.wrapping_mul(p.in_height).wrapping_add(row) as usize;
        for &column in columns.index {
            let pixel = row.wrapping_mul(p.in_width as usize);
            let pixel = pixel.wrapping_add(column.min(p.in_width.wrapping_sub(1)) as usize);
            let start = pixel.wrapping_mul(channels);
            let from = x.get(start..start.wrapping_add(channels)).unwrap_or_default();
            pixels.next().unwrap_or_default().iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }
    true
}
