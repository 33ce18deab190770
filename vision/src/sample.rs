//! Numbers of a map between its places.

use crate::number::clamp;
use crate::prepare::Placement;
use crate::values::Map;

/// The four places of a map around a point, with their weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    rows: [usize; 2],
    columns: [usize; 2],
    down: f32,
    across: f32,
}

impl Sample {
    /// Around the centre of a picture's pixel; `None` where the pixel is not part of the input.
    pub fn at(map: &Map<'_>, placement: &Placement, input: [u32; 2], y: usize, x: usize) -> Option<Self> {
        let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
        let used = &placement.picture;
        let inside = |v: f32, from: u32, size: u32| v > from as f32 && v < from.saturating_add(size) as f32;
        if !inside(px, used.x, used.width) || !inside(py, used.y, used.height) {
            return None;
        }
        let (ix, iy) = placement.to_input(px, py);
        let [height, width] = input;
        let (rows, down) = between(iy * (map.height as f32 / height as f32), map.height);
        let (columns, across) = between(ix * (map.width as f32 / width as f32), map.width);
        Some(Self { rows, columns, down, across })
    }

    /// The interpolated number of channel `c`.
    pub fn value(&self, map: &Map<'_>, c: usize) -> f32 {
        let [top, bottom] = self.rows.map(|y| {
            let [left, right] = self.columns.map(|x| map.get(y, x, c).unwrap_or(0.0));
            left + (right - left) * self.across
        });
        top + (bottom - top) * self.down
    }
}

/// The two places around a position whose place `i` has its centre at `i + 0.5`, and how far the position is from the
/// first to the second.
fn between(position: f32, size: usize) -> ([usize; 2], f32) {
    let last = size.saturating_sub(1);
    let position = clamp(position - 0.5, 0.0, last as f32);
    let first = (position as usize).min(last);
    ([first, first.saturating_add(1).min(last)], position - first as f32)
}
