//! Which windows AMX's tiles take.

/// The most tiles of joined rows: finding out what is asked for takes a while.
const TOGETHER: usize = 4;

/// Walks the windows of a band in tiles, each of which takes windows that are equally far apart: of one row, or of joined rows,
/// where windows that nobody asked for stand between the rows, as many as the border has columns.
#[derive(Clone)]
pub(crate) struct Places {
    /// Bytes from window to window, and from tile to tile of them.
    step: usize,
    /// Bytes from row to row, where rows are not joined.
    line_step: usize,
    /// Windows of a row, and of a row with those that nobody asked for.
    windows: usize,
    pitch: usize,
    /// Windows that a tile can begin or end with: of a row or of all joined rows.
    all: usize,
    /// Windows of a tile, and tiles.
    rows: usize,
    tiles: usize,
    /// Of joined rows: which windows of each tile are asked for.
    asked: [u16; TOGETHER],
    /// Where the row begins, its next window, and windows left that are asked for.
    line: usize,
    next: usize,
    left: usize,
}

/// The windows of a tile: where the first begins, and which ones are new and asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) new: u16,
}

impl Places {
    /// So many windows of a row of `windows`, `step` bytes apart, from number `first` on.
    pub(crate) fn row(windows: usize, step: usize, first: usize, left: usize) -> Self {
        let tiles = windows.div_ceil(16).max(1);
        let rows = windows.div_ceil(tiles).max(1);
        let (pitch, all) = (windows, windows);
        Self { step, line_step: 0, windows, pitch, all, rows, tiles, asked: [0; TOGETHER], line: 0, next: first, left }
    }

    /// So many windows of rows of `windows`, from number `first` of a row on; `step` bytes from window to window, and
    /// `line_step` from row to row of them.
    pub(super) fn band((step, line_step): (usize, usize), windows: usize, first: usize, left: usize) -> Self {
        let lines = first.wrapping_add(left).div_ceil(windows.max(1));
        let row = Self::row(windows, step, first, left);
        let alone = Self { line_step, tiles: row.tiles.wrapping_mul(lines), ..row };
        let pitch = line_step.checked_div(step).unwrap_or(0);
        let all = lines.wrapping_sub(1).wrapping_mul(pitch).wrapping_add(windows);
        let tiles = all.wrapping_sub(first).div_ceil(16);
        let even = lines > 1 && pitch >= windows && pitch.wrapping_mul(step) == line_step;
        if !even || tiles > TOGETHER || tiles >= alone.tiles {
            return alone;
        }
        let mut joined = Self { pitch, all, rows: all.min(16), tiles, ..alone };
        joined.ask();
        joined
    }

    /// Bytes from window to window.
    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// Windows of a tile.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Tiles, or more.
    pub(super) fn tiles(&self) -> usize {
        self.tiles
    }

    /// Whether rows are joined.
    pub(super) fn joined(&self) -> bool {
        self.all != self.windows
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Place> {
        if self.left == 0 {
            return None;
        }
        let begin = self.next.min(self.all.wrapping_sub(self.rows));
        let start = self.line.wrapping_add(begin.wrapping_mul(self.step));
        let first = self.next.wrapping_sub(begin);
        if self.joined() {
            return self.next_joined(start);
        }
        let count = self.rows.wrapping_sub(first).min(self.left);
        self.left = self.left.wrapping_sub(count);
        self.next = self.next.wrapping_add(count);
        if self.next >= self.windows {
            (self.next, self.line) = (0, self.line.wrapping_add(self.line_step));
        }
        Some(Place { start, new: ones(first, count) })
    }

    /// The next tile of joined rows.
    #[inline(always)]
    fn next_joined(&mut self, start: usize) -> Option<Place> {
        let [new, b, c, d] = self.asked;
        self.asked = [b, c, d, 0];
        self.left = self.left.wrapping_sub(new.count_ones() as usize);
        self.next = self.next.wrapping_add(self.rows);
        Some(Place { start, new })
    }

    /// Finds out which windows of the tiles of joined rows are asked for.
    #[inline(never)]
    fn ask(&mut self) {
        let (mut next, mut left) = (self.next, self.left);
        for new in &mut self.asked {
            // The last tile begins before what the one before it has left.
            let begin = next.min(self.all.wrapping_sub(self.rows));
            let mut at = next.wrapping_sub(begin);
            while at < self.rows && left > 0 {
                let column = begin.wrapping_add(at).checked_rem(self.pitch).unwrap_or(0);
                let Some(here) = self.windows.checked_sub(column).filter(|&here| here > 0) else {
                    at = at.wrapping_add(self.pitch.wrapping_sub(column));
                    continue;
                };
                let count = here.min(self.rows.wrapping_sub(at)).min(left);
                *new |= ones(at, count);
                (at, left) = (at.wrapping_add(count), left.wrapping_sub(count));
            }
            next = begin.wrapping_add(self.rows);
        }
    }
}

/// So many bits from bit `first` on.
pub(super) fn ones(first: usize, count: usize) -> u16 {
    ((1u32.wrapping_shl(count as u32)).wrapping_sub(1)).wrapping_shl(first as u32) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Where the windows that are asked for begin, in order.
    fn starts(mut places: Places) -> Vec<usize> {
        let mut all = Vec::new();
        while let Some(place) = places.next() {
            assert!(place.new != 0 || places.joined());
            let new = (0..places.rows()).filter(|&k| place.new >> k & 1 == 1);
            all.extend(new.map(|k| place.start + k * places.step()));
            assert_eq!(u32::from(place.new) >> places.rows(), 0);
        }
        all
    }

    #[test]
    fn every_window_is_taken_once_and_in_order() {
        for windows in [1, 2, 5, 7, 14, 15, 16, 17, 33, 56] {
            for (step, pitch) in [(4, windows), (4, windows + 2), (8, 2 * windows + 1)] {
                let line_step = step * pitch;
                for first in [0, windows / 2, windows - 1] {
                    for left in [1, windows, 3 * windows + 1, 7 * windows] {
                        let places = Places::band((step, line_step), windows, first, left);
                        let window = |k: usize| (k / windows) * line_step + k % windows * step;
                        let want: Vec<_> = (first..first + left).map(window).collect();
                        assert_eq!(starts(places), want, "{windows} {step} {pitch} {first} {left}");
                    }
                }
            }
            let want: Vec<_> = (windows / 3..windows).map(|k| k * 6).collect();
            assert_eq!(starts(Places::row(windows, 6, windows / 3, windows - windows / 3)), want);
        }
    }

    #[test]
    fn rows_of_small_maps_are_joined() {
        let small = Places::band((512, 9 * 512), 7, 0, 49);
        assert!(small.joined() && small.tiles() == 4 && small.rows() == 16);
        let large = Places::band((64, 58 * 64), 56, 0, 56 * 13);
        assert!(!large.joined() && large.rows() == 14);
    }
}
