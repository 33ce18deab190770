//! Tiles of `N` times `N` outputs, and the inputs that they see, two rows and columns more.

use core::ops::Range;

use crate::geometry::Geometry;
use crate::pixels::{Pixels, place};

/// Tiles that are computed together.
pub(crate) const TILES: usize = 6;

/// `N` rows and columns of outputs.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tile<const N: u32> {
    pub(crate) image: u32,
    pub(crate) row: u32,
    pub(crate) column: u32,
}

impl<const N: u32> Tile<N> {
    /// Rows and columns of inputs.
    const SIDE: u32 = N + 2;

    /// Row and column of the first input that it sees, which may lie in the padding.
    fn start(&self, g: &Geometry) -> [i32; 2] {
        [self.row.wrapping_sub(g.pad_top), self.column.wrapping_sub(g.pad_left)].map(u32::cast_signed)
    }

    /// The inputs from the first to the last that it sees and `over` more, where none lies in the padding.
    #[inline(always)]
    pub(crate) fn inside<'a, T>(&self, g: &Geometry, x: &'a [T], over: usize) -> Option<&'a [T]> {
        let [row, column] = self.start(g);
        let inner = |at: i32, size: u32| at >= 0 && at.cast_unsigned().wrapping_add(Self::SIDE) <= size;
        if !inner(row, g.in_height) || !inner(column, g.in_width) {
            return None;
        }
        let (width, channels) = (g.in_width as usize, g.in_channels as usize);
        let line = (self.image as usize).wrapping_mul(g.in_height as usize).wrapping_add(row as usize);
        let first = line.wrapping_mul(width).wrapping_add(column as usize).wrapping_mul(channels);
        let side = Self::SIDE as usize;
        let reach = width.wrapping_mul(side.wrapping_sub(1)).wrapping_add(side).wrapping_mul(channels);
        x.get(first..first.wrapping_add(reach).wrapping_add(over))
    }

    /// The input at a row and a column of those that it sees; none in the padding.
    #[inline(always)]
    pub(crate) fn pixel<'a, T>(&self, g: &Geometry, x: &'a [T], row: u32, column: u32) -> Option<&'a [T]> {
        let ([top, left], channels) = (self.start(g), g.in_channels as usize);
        let (row, column) = (top.cast_unsigned().wrapping_add(row), left.cast_unsigned().wrapping_add(column));
        if row >= g.in_height || column >= g.in_width {
            return None;
        }
        let line = (self.image as usize).wrapping_mul(g.in_height as usize).wrapping_add(row as usize);
        let first = line.wrapping_mul(g.in_width as usize).wrapping_add(column as usize).wrapping_mul(channels);
        x.get(first..first.wrapping_add(channels))
    }

    /// Copies the inputs into rows that are `pitch` apart; what lies in the padding is `padding`.
    #[cfg(any(test, target_arch = "x86_64"))]
    pub(crate) fn gather<T: Copy>(&self, g: &Geometry, x: &[T], padding: T, pitch: usize, to: &mut [T]) {
        let mut rows = crate::rows::rows_mut(to, pitch);
        for r in 0..Self::SIDE {
            for c in 0..Self::SIDE {
                let Some(to) = rows.next() else { return };
                match self.pixel(g, x, r, c) {
                    Some(x) => to.iter_mut().zip(x).for_each(|(to, &x)| *to = x),
                    None => to.fill(padding),
                }
            }
        }
    }
}

/// The tiles that have one of some pixels, in order. Where they lie does not depend on the pixels.
pub(crate) struct Tiles<'a, const N: u32> {
    g: &'a Geometry,
    pixels: Pixels,
    /// Rows of tiles over all images that are left, and the column.
    lines: Range<u32>,
    column: u32,
}

impl<'a, const N: u32> Tiles<'a, N> {
    pub(crate) fn new(g: &'a Geometry, pixels: Pixels) -> Self {
        let line = |pixel: u32| {
            let [image, row, _] = place(pixel, g.out_height, g.out_width);
            image.wrapping_mul(Self::rows(g)).wrapping_add(row.checked_div(N).unwrap_or(0))
        };
        let end = if pixels.is_empty() { 0 } else { line(pixels.end.wrapping_sub(1)).wrapping_add(1) };
        Self { g, lines: line(pixels.start)..end, pixels, column: 0 }
    }

    /// Rows of tiles in an image.
    #[inline(always)]
    fn rows(g: &Geometry) -> u32 {
        g.out_height.div_ceil(N)
    }

    /// So many tiles are left at most.
    #[inline(always)]
    pub(crate) fn left(&self) -> usize {
        let line = self.g.out_width.div_ceil(N) as usize;
        self.lines.len().wrapping_mul(line).wrapping_sub(self.column.checked_div(N).unwrap_or(0) as usize)
    }

    /// The pixels of a row of a tile that exist and are asked for: where the first lies among those asked for, in which of
    /// its columns, and how many there are.
    #[inline(always)]
    pub(crate) fn outputs(&self, tile: &Tile<N>, row: u32) -> (usize, u32, u32) {
        let row = tile.row.wrapping_add(row);
        if row >= self.g.out_height {
            return (0, 0, 0);
        }
        let line = tile.image.wrapping_mul(self.g.out_height).wrapping_add(row).wrapping_mul(self.g.out_width);
        let end = line.wrapping_add(self.g.out_width.min(tile.column.wrapping_add(N))).min(self.pixels.end);
        let left = line.wrapping_add(tile.column);
        let first = left.max(self.pixels.start);
        let place = first.wrapping_sub(self.pixels.start) as usize;
        (place, first.wrapping_sub(left), end.saturating_sub(first))
    }
}

impl<const N: u32> Iterator for Tiles<'_, N> {
    type Item = Tile<N>;

    fn next(&mut self) -> Option<Tile<N>> {
        while !self.lines.is_empty() {
            let [image, line, _] = place(self.lines.start, Self::rows(self.g), 1);
            let tile = Tile { image, row: line.wrapping_mul(N), column: self.column };
            self.column = self.column.wrapping_add(N);
            if self.column >= self.g.out_width {
                (self.column, self.lines.start) = (0, self.lines.start.wrapping_add(1));
            }
            if (0..N).any(|row| self.outputs(&tile, row).2 > 0) {
                return Some(tile);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::convolutions;
    use std::vec::Vec;

    fn hold_every_pixel_once<const N: u32>() {
        let sizes = [(2, 5, 7), (1, 4, 6), (3, 1, 1), (1, 2, 9)];
        for (batch, out_height, out_width) in sizes {
            let g = Geometry { batch, out_height, out_width, ..convolutions()[4] };
            let all = batch * out_height * out_width;
            for pixels in [0..all, 1..all, 0..all.div_ceil(2), all / 3..all - all / 4] {
                let tiles = Tiles::<N>::new(&g, pixels.clone());
                assert!(tiles.left() >= Tiles::<N>::new(&g, pixels.clone()).count());
                let mut seen = std::vec![0; pixels.len()];
                for tile in Tiles::<N>::new(&g, pixels.clone()) {
                    for row in 0..N {
                        let (first, column, count) = tiles.outputs(&tile, row);
                        for k in 0..count {
                            let pixel = pixels.start + first as u32 + k;
                            let want = [tile.image, tile.row + row, tile.column + column + k];
                            assert_eq!(place(pixel, out_height, out_width), want);
                            seen[first + k as usize] += 1;
                        }
                    }
                }
                assert!(seen.iter().all(|&n| n == 1), "{pixels:?} {g:?}");
            }
        }
    }

    #[test]
    fn tiles_hold_every_pixel_once() {
        hold_every_pixel_once::<2>();
        hold_every_pixel_once::<4>();
    }

    #[test]
    fn both_ways_to_the_inputs_agree() {
        let g = Geometry { in_height: 6, in_width: 5, in_channels: 3, ..convolutions()[4] };
        let x: Vec<i32> = (1..=90).collect();
        let tile = Tile::<2> { image: 0, row: 2, column: 1 };
        let mut all = [0; 48];
        tile.gather(&g, &x, 0, 3, &mut all);
        let inside = tile.inside(&g, &x, 0).unwrap();
        let (line, found) = (15, (0..4).flat_map(|r| inside[r * 15..r * 15 + 12].to_vec()));
        assert!(found.eq(all) && inside.len() == 3 * line + 12);
        assert!(Tile { row: 0, ..tile }.inside(&g, &x, 0).is_none());
        Tile { row: 0, ..tile }.gather(&g, &x, -7, 3, &mut all);
        assert!(all[..12].iter().all(|&v| v == -7) && all[12] == 1);
    }
}
