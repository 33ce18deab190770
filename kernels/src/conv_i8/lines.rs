//! Which geometries weights in rows of taps, filled up to fours, hold: those whose windows, in lines of input, fit into the
//! memory of a band.

use super::layout;
use crate::geometry::{Axis, Geometry};

/// Bytes of a band's input: with the weights that pass over it, about a first-level cache.
pub(crate) const BYTES: usize = 48 << 10;
/// Bytes that a window's last four may reach beyond it.
pub(super) const OVER: usize = 3;
/// Bytes of a band's input where all weights of the layer are more than this too: every band reads them again, from the
/// third-level cache where they are many.
pub(crate) const ROOM: usize = 224 << 10;
/// Windows of a row that are worth their weights, where it has as many.
const SOME: u32 = 8;
/// Pixels of which a part of a row holds a multiple, where it holds more: those of whole tiles.
const TILES: u32 = 24;

/// Windows over rows and columns of pixels of so many bytes.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    pub(super) inputs: u32,
}

/// Whether the layout of rows of taps holds a geometry: one group, fours that lie in a row of input as in the weights, and
/// windows that fit into the memory of a band.
pub(super) fn holds(g: &Geometry) -> bool {
    let neighbours = g.dilation_width == 1 || g.in_channels.is_multiple_of(4);
    cfg!(feature = "std") && g.groups == 1 && neighbours && Shape::new(g).part(BYTES) > 0
}

/// How many windows of a row there is room for, all taps of each behind each other, as kernels with dilated columns have them in
/// the layout of tiles; `None` where that layout does not hold them: one group, whole fours, and some windows.
pub(super) fn dilated(g: &Geometry) -> Option<u32> {
    let pixels = (ROOM as u32).checked_div(g.kernel_height.checked_mul(g.kernel_width)?.checked_mul(g.in_channels)?)?;
    let most = pixels.checked_sub(1)?.checked_div(g.stride_width)?.wrapping_add(1);
    let plain = g.groups == 1 && g.in_channels.is_multiple_of(4);
    (cfg!(feature = "std") && plain && most >= SOME.min(g.out_width)).then_some(most)
}

/// As [`holds`], for several groups in blocks that have the inputs of their own groups. Those in pairs are for windows that
/// are gathered, in int16.
pub(super) fn holds_groups(g: &Geometry, layout: u32) -> bool {
    let taps = g.kernel_height.saturating_mul(g.kernel_width);
    let gathered = taps.saturating_mul(g.in_channels).saturating_mul(2) as usize <= BYTES;
    let fits = if layout == layout::O16G2 { gathered } else { Shape::new(g).part(BYTES) > 0 };
    cfg!(feature = "std") && super::span::Span::of(g).is_some() && fits
}

impl Shape {
    pub(super) fn new(g: &Geometry) -> Self {
        let (rows, columns, inputs) = (g.rows(), g.columns(), g.in_channels);
        let same = |axis: &Axis| (axis.kernel, axis.stride, axis.pad) == (1, 1, 0) && axis.input == axis.output;
        if same(&rows) && same(&columns) {
            // All pixels are one row.
            let all = g.batch.saturating_mul(rows.input).saturating_mul(columns.input);
            let (rows, columns) = (Axis { input: 1, output: 1, ..rows }, Axis { input: all, output: all, ..columns });
            return Self { rows, columns, inputs };
        }
        Self { rows, columns, inputs }
    }

    /// Input positions from the first to the last that `count` windows see, both counted.
    pub(super) fn extent(axis: &Axis, count: u32) -> u32 {
        let (taps, windows) = (axis.kernel.saturating_sub(1), count.saturating_sub(1));
        let taps = taps.saturating_mul(axis.dilation);
        windows.saturating_mul(axis.stride).saturating_add(taps).saturating_add(1)
    }

    /// The most windows of a part of a row that there is room for in so many bytes.
    pub(super) fn part(&self, room: usize) -> u32 {
        let line = room.checked_div(self.rows.kernel as usize).unwrap_or(0).saturating_sub(OVER);
        let columns = line.checked_div(self.inputs as usize).unwrap_or(0) as u32;
        let more = columns.checked_sub(Self::extent(&self.columns, 1));
        let most = more.map_or(0, |n| n.checked_div(self.columns.stride).unwrap_or(0).saturating_add(1));
        if most > TILES { most.wrapping_sub(most % TILES) } else { most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::convolutions;

    #[test]
    fn what_is_held_fits() {
        let g = convolutions()[5];
        assert!(holds(&g) && !holds(&Geometry { groups: 19, ..g }));
        let wide = Geometry { in_channels: 60_001, ..convolutions()[1] };
        assert!(!holds(&wide) && !holds(&Geometry { in_channels: 75, dilation_width: 2, ..g }));
        assert!(holds(&Geometry { in_channels: 76, dilation_width: 2, ..g }));
    }
}
