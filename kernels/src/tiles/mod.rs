//! Matrix products of f32 in tiles, with weights of 32 or 16 bits, as the vector variants of convolutions, transposed convolutions and recurrent layers
//! share them.
//!
//! A tile is a few rows (output pixels) times a few vectors of output channels, all of whose sums are in registers from
//! the bias to the store. What its rows multiply is a list of [`Stretch`]es: places in the input, and the place in the
//! weights where they meet. Padding reads zeros, so that all rows of a tile take the same steps. An output is one chain of
//! products in the order of the list, whatever tile it lies in.

mod panel;

pub(crate) use panel::{Panel, Pass};

use core::mem::MaybeUninit;

/// Most elements of a stretch that reads padding.
pub(crate) const LONGEST: usize = 1024;

/// What padding reads.
static ZEROS: [f32; LONGEST] = [0.0; LONGEST];

/// Most stretches of a tile.
pub(crate) const STRETCHES: usize = 128;

/// What the rows of a tile read for a run of weights.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<const P: usize> {
    /// The first element of every row, `len` of them.
    x: [*const f32; P],
    /// The first weight of a channel.
    first: usize,
    /// Elements.
    len: usize,
}

/// The stretches of a tile.
pub(crate) struct Stretches<'a, const P: usize> {
    x: &'a [f32],
    all: [MaybeUninit<Stretch<P>>; STRETCHES],
    /// The first so many are there.
    count: usize,
}

impl<'a, const P: usize> Stretches<'a, P> {
    /// None yet, of this input.
    #[inline(always)]
    pub(crate) fn new(x: &'a [f32]) -> Self {
        Self { x, all: [const { MaybeUninit::uninit() }; STRETCHES], count: 0 }
    }

    /// Forgets all.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// Adds `len` elements for every row, from its start in the input on, or zeros; the weights begin at `first`. `None`
    /// where that is outside the input, or the list is full.
    #[inline(always)]
    pub(crate) fn push(&mut self, starts: [Option<usize>; P], first: usize, len: usize) -> Option<()> {
        if starts.iter().all(Option::is_some) {
            return self.push_part(&starts, 0, first, len);
        }
        let mut skip = 0;
        while skip < len {
            let part = len.wrapping_sub(skip).min(LONGEST);
            self.push_part(&starts, skip, first, part)?;
            skip = skip.wrapping_add(part);
        }
        Some(())
    }

    /// Adds `len` elements for every row, the first from `start` on and each `step` further; the weights begin at `first`.
    /// `None` where that is outside the input, or the list is full.
    #[inline(always)]
    pub(crate) fn push_rows(&mut self, start: usize, step: usize, first: usize, len: usize) -> Option<()> {
        let reach = step.wrapping_mul(P.wrapping_sub(1)).wrapping_add(len);
        let mut next = self.x.get(start..)?.get(..reach)?.as_ptr();
        let mut x = [core::ptr::null(); P];
        for to in &mut x {
            *to = next;
            next = next.wrapping_add(step);
        }
        self.all.get_mut(self.count)?.write(Stretch { x, first, len });
        self.count = self.count.wrapping_add(1);
        Some(())
    }

    #[inline(always)]
    fn push_part(&mut self, starts: &[Option<usize>; P], skip: usize, first: usize, len: usize) -> Option<()> {
        let mut x = [core::ptr::null(); P];
        for (to, start) in x.iter_mut().zip(starts) {
            let slice = match start.map(|start| start.wrapping_add(skip)) {
                Some(start) => self.x.get(start..start.wrapping_add(len))?,
                None => ZEROS.get(..len)?,
            };
            *to = slice.as_ptr();
        }
        self.all.get_mut(self.count)?.write(Stretch { x, first: first.wrapping_add(skip), len });
        self.count = self.count.wrapping_add(1);
        Some(())
    }
}

/// The rows of a tile of a number of vectors, falling. Twelve sums fill 16 registers, 24 fill 32.
pub(crate) fn sizes(lanes: usize, vectors: usize) -> &'static [usize] {
    match (lanes, vectors) {
        (16, 4) => &[6, 5, 4, 3, 2, 1],
        (16, 3) => &[8, 6, 4, 3, 2, 1],
        (16, 1 | 2) => &[12, 8, 6, 4, 2, 1],
        (_, 2) => &[6, 5, 4, 3, 2, 1],
        (_, 1) => &[8, 6, 4, 3, 2, 1],
        _ => &[1],
    }
}

/// The vectors of a group that most channels get, for this number of rows. A row alone has no other to share weights
/// with: it takes as many sums as hide the latency.
pub(crate) fn group(lanes: usize, rows: usize) -> usize {
    match (rows, lanes) {
        (1, _) => 8,
        (_, 16) => 4,
        _ => 2,
    }
}

/// Enters a body `$body<WEIGHT, ROWS, VECTORS>` of these fields for a tile of [`sizes`].
macro_rules! enter_tile {
    ($simd:ident, $lanes:expr, $vectors:expr, $rows:expr, $body:ident $fields:tt) => {
        if $lanes == 16 {
            $crate::tiles::enter_tile!(@ $simd, $vectors, $rows, $body $fields,
                1: 12 8 6 4 2 1, 2: 12 8 6 4 2 1, 3: 8 6 4 3 2 1, 4: 6 5 4 3 2 1, 5: 1, 6: 1, 7: 1, 8: 1)
        } else {
            $crate::tiles::enter_tile!(@ $simd, $vectors, $rows, $body $fields,
                1: 8 6 4 3 2 1, 2: 6 5 4 3 2 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1)
        }
    };
    (@ $simd:ident, $v:expr, $r:expr, $body:ident $fields:tt, $($vectors:literal: $($rows:literal)*),*) => {
        match ($v, $r) {
            $($(($vectors, $rows) => {
                $crate::tiles::enter_tile!(@@ $simd, $body, $rows, $vectors, $fields);
            })*)*
            _ => {}
        }
    };
    (@@ $simd:ident, $body:ident, $rows:literal, $vectors:literal, { $($field:tt)* }) => {
        $simd.enter($body::<_, $rows, $vectors> { $($field)* })
    };
}
pub(crate) use enter_tile;

/// The next tiles' rows, of `left`, and their number: one of `sizes`, which fall from the most that a tile holds to 1. The
/// last two tiles are of nearly one size.
pub(crate) fn next_tiles(sizes: &[usize], left: usize) -> (usize, usize) {
    let most = sizes.first().copied().unwrap_or(1);
    let whole = left.checked_div(most).unwrap_or(0);
    let rest = left.wrapping_sub(whole.wrapping_mul(most));
    let alike = if rest > 0 { whole.saturating_sub(1) } else { whole };
    if alike > 0 {
        return (most, alike);
    }
    let wanted = if left > most { left.div_ceil(2) } else { left };
    (sizes.iter().copied().find(|&n| n <= wanted).unwrap_or(1), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn tiles_hold_every_row_once() {
        let sizes = [6, 5, 4, 3, 2, 1];
        let tiles = |mut left: usize| {
            let mut all = Vec::new();
            while left > 0 {
                let (size, count) = next_tiles(&sizes, left);
                all.extend(std::vec![size; count]);
                left -= size * count;
            }
            all
        };
        assert_eq!(tiles(7), [4, 3]);
        assert_eq!(tiles(13), [6, 4, 3]);
        assert_eq!(tiles(1), [1]);
        assert!((1..40).all(|n| tiles(n).iter().sum::<usize>() == n));
    }

    #[test]
    fn stretches_outside_the_input_are_refused() {
        let x = [0.0; 9];
        let mut list = Stretches::<2>::new(&x);
        assert!(list.push([Some(0), None], 0, 9).is_some());
        assert!(list.push([Some(1), None], 0, 9).is_none());
        assert!(list.push([Some(usize::MAX), Some(0)], 0, 4).is_none());
        assert_eq!(list.count, 1);
        assert!(list.push_rows(1, 4, 0, 4).is_some() && list.push_rows(1, 5, 0, 4).is_none());
        list.count = 1;
        for _ in 1..STRETCHES {
            assert!(list.push([Some(5), Some(0)], 0, 4).is_some());
        }
        assert!(list.push([Some(5), Some(0)], 0, 4).is_none());
    }
}
