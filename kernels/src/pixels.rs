//! Ranges of output pixels, so that several callers can share one operation.

use core::ops::Range;

use crate::{Isa, table_i8};

/// A number of output pixel: `(n * height + row) * width + column`.
pub(crate) type Pixels = Range<u32>;

/// Whether these are some of `all` pixels, and `len` is their number times `channels`.
pub(crate) fn fit(pixels: &Pixels, all: Option<u32>, channels: u32, len: usize) -> bool {
    let count = pixels.end.checked_sub(pixels.start).and_then(|n| n.checked_mul(channels));
    all.is_some_and(|all| pixels.end <= all) && count.is_some_and(|n| n as usize == len)
}

/// Image, row and column of a pixel of `[.., height, width]`; zeros for an empty image.
pub(crate) fn place(pixel: u32, height: u32, width: u32) -> [u32; 3] {
    let divide = |n: u32, by: u32| (n.checked_div(by).unwrap_or(0), n.checked_rem(by).unwrap_or(0));
    let (line, column) = divide(pixel, width);
    let (image, row) = divide(line, height);
    [image, row, column]
}

/// The pixels cut into blocks of at most `room` elements, each with the place of its elements among those of all. Blocks
/// end at multiples of `line` where one has room, else of the pixels that kernels compute at a time.
pub(crate) fn blocks(
    pixels: Pixels,
    channels: u32,
    room: u32,
    line: u32,
) -> impl Iterator<Item = (Pixels, Range<usize>)> {
    let most = room.checked_div(channels).unwrap_or(0);
    let mut rest = pixels.clone();
    core::iter::from_fn(move || {
        let end = rest.start.saturating_add(most);
        let aligned = |to: u32| end.wrapping_sub(end.checked_rem(to).unwrap_or(0));
        let tiles = end.wrapping_sub(most.checked_rem(6).unwrap_or(0));
        let end = [aligned(line), tiles, end].into_iter().find(|&end| end > rest.start).unwrap_or(end);
        let here = rest.start..end.min(rest.end);
        rest.start = here.end;
        let element = |pixel: u32| (pixel.wrapping_sub(pixels.start) as usize).wrapping_mul(channels as usize);
        (!here.is_empty()).then(|| (here.clone(), element(here.start)..element(here.end)))
    })
}

/// Bytes that lie near the core when they are looked up.
const NEAR: u32 = 1 << 16;

/// Computes these pixels block by block, and looks each block's elements up while they are near. A block ends with a line of
/// so many pixels, which kernels compute together.
pub(crate) fn looked_up(
    (isa, table): (Isa, &[i8; 256]),
    pixels: Pixels,
    (channels, line): (u32, u32),
    y: &mut [i8],
    mut compute: impl FnMut(&Pixels, &mut [i8]),
) {
    let room = NEAR.max(line.saturating_mul(channels));
    for (pixels, place) in blocks(pixels, channels, room, line) {
        let Some(y) = y.get_mut(place) else { return };
        compute(&pixels, y);
        table_i8::run_in_place(isa, table, y);
    }
}

/// The places of pixels in order.
pub(crate) fn places(pixels: Pixels, height: u32, width: u32) -> impl Iterator<Item = [u32; 3]> {
    pixels.map(move |pixel| place(pixel, height, width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn places_are_row_major() {
        let all: Vec<_> = places(0..24, 3, 4).collect();
        assert!(all.iter().copied().eq(crate::samples::pixels(2, 3, 4)));
        assert!(places(5..24, 3, 4).eq(all.into_iter().skip(5)));
        assert_eq!(place(7, 0, 0), [0, 0, 0]);
    }

    #[test]
    fn blocks_hold_every_pixel_once() {
        let all = |pixels, room, line| blocks(pixels, 3, room, line).collect::<Vec<_>>();
        assert_eq!(all(5..30, 40, 100), [(5..17, 0..36), (17..29, 36..72), (29..30, 72..75)]);
        assert_eq!(all(5..30, 40, 10), [(5..10, 0..15), (10..20, 15..45), (20..30, 45..75)]);
        assert_eq!(all(0..2, 3, 9), [(0..1, 0..3), (1..2, 3..6)]);
        assert!(all(0..2, 2, 9).is_empty() && blocks(0..2, 0, 9, 0).next().is_none());
    }

    #[test]
    fn ranges_have_to_lie_inside() {
        assert!(fit(&(2..5), Some(5), 7, 21) && fit(&(5..5), Some(5), 7, 0));
        assert!(!fit(&(2..6), Some(5), 7, 28) && !fit(&(2..5), Some(5), 7, 20) && !fit(&(2..5), None, 7, 21));
        assert!(!fit(&Pixels { start: 5, end: 2 }, Some(5), 7, 0));
    }
}
