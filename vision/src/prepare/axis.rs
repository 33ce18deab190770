//! One axis of a resize: which pixels a new pixel is made of, with integer weights.

/// From `from` pixels to `to` pixels; both are at least 1 and at most 65,535.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    from: u32,
    to: u32,
}

/// The pixels behind a new pixel: one with weight `first`, then `inner` of weight `each`, then one of weight `last`
/// (none where it is 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taps {
    start: u32,
    first: u32,
    inner: u32,
    each: u32,
    last: u32,
}

impl Axis {
    pub fn new(from: u32, to: u32) -> Self {
        Self { from, to }
    }

    /// The sum of the weights of every pixel's taps.
    pub fn weight(&self) -> u32 {
        if self.to < self.from { self.from } else { self.to.wrapping_mul(2) }
    }

    /// The taps of pixel `at`; `None` outside.
    pub fn taps(&self, at: u32) -> Option<Taps> {
        if at >= self.to {
            return None;
        }
        if self.to < self.from { self.area(at) } else { self.between(at) }
    }

    /// Getting smaller: the old pixels that the new one covers, by the covered part. In units of 1 / `to` of an old pixel
    /// the new one covers `at * from .. (at + 1) * from`, and an old pixel is `to` units long.
    fn area(&self, at: u32) -> Option<Taps> {
        let (from, to) = (self.from, self.to);
        let (begin, end) = (at.checked_mul(from)?, at.checked_add(1)?.checked_mul(from)?);
        let start = begin.checked_div(to)?;
        let final_pixel = end.checked_sub(1)?.checked_div(to)?;
        let first = start.checked_add(1)?.checked_mul(to)?.min(end).checked_sub(begin)?;
        let inner = final_pixel.checked_sub(start)?.saturating_sub(1);
        let last = if final_pixel > start { end.checked_sub(final_pixel.checked_mul(to)?)? } else { 0 };
        Some(Taps { start, first, inner, each: to, last })
    }

    /// Getting larger (or staying): between the two old pixels whose centres are next to the new one's, in units of
    /// 1 / (2 `to`) of an old pixel.
    fn between(&self, at: u32) -> Option<Taps> {
        let unit = self.weight();
        let centre = u64::from(at).wrapping_mul(2).wrapping_add(1).wrapping_mul(u64::from(self.from));
        let one = |start| Some(Taps { start, first: unit, inner: 0, each: 0, last: 0 });
        let Some(position) = centre.checked_sub(u64::from(self.to)) else { return one(0) };
        let start = position.checked_div(u64::from(unit))? as u32;
        let part = position.checked_rem(u64::from(unit))? as u32;
        if start.checked_add(1)? >= self.from {
            return one(self.from.saturating_sub(1));
        }
        Some(Taps { start, first: unit.wrapping_sub(part), inner: 0, each: 0, last: part })
    }
}

impl Taps {
    /// Calls `f` with every pixel and its weight.
    #[inline]
    pub fn each(&self, mut f: impl FnMut(u32, u32)) {
        f(self.start, self.first);
        let next = self.start.wrapping_add(1);
        let end = next.wrapping_add(self.inner);
        (next..end).for_each(|pixel| f(pixel, self.each));
        if self.last > 0 {
            f(end, self.last);
        }
    }

    /// Calls `f` with every run of pixels that have the same weight: first pixel, count, weight.
    #[inline]
    pub fn runs(&self, mut f: impl FnMut(u32, u32, u32)) {
        f(self.start, 1, self.first);
        let next = self.start.wrapping_add(1);
        if self.inner > 0 {
            f(next, self.inner, self.each);
        }
        if self.last > 0 {
            f(next.wrapping_add(self.inner), 1, self.last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn weights_add_up_and_stay_inside() {
        for from in [1, 2, 3, 5, 7, 64, 65_535] {
            for to in [1, 2, 3, 5, 7, 64, 65_535] {
                let axis = Axis::new(from, to);
                for at in [0, 1, to / 2, to - 1].into_iter().filter(|&a| a < to) {
                    let mut sum = 0u64;
                    let mut by_runs = 0u64;
                    axis.taps(at).unwrap().each(|pixel, weight| {
                        assert!(pixel < from, "{from} -> {to} at {at}: {pixel}");
                        sum += u64::from(weight);
                    });
                    axis.taps(at).unwrap().runs(|_, count, weight| by_runs += u64::from(count) * u64::from(weight));
                    assert_eq!((sum, by_runs), (u64::from(axis.weight()), sum), "{from} -> {to} at {at}");
                }
                assert_eq!(axis.taps(to), None);
            }
        }
    }

    #[test]
    fn halves_thirds_and_doubles() {
        let taps = |from, to, at| {
            let mut found = Vec::new();
            Axis::new(from, to).taps(at).unwrap().each(|p, w| found.push((p, w)));
            found
        };
        assert_eq!(taps(4, 2, 1), [(2, 2), (3, 2)]);
        assert_eq!(taps(3, 2, 0), [(0, 2), (1, 1)]);
        assert_eq!(taps(3, 2, 1), [(1, 1), (2, 2)]);
        assert_eq!(taps(5, 5, 3), [(3, 10)]);
        // The new pixel at 1 of 4 lies a quarter of the way from 0 to 1.
        assert_eq!(taps(2, 4, 1), [(0, 6), (1, 2)]);
        assert_eq!((taps(2, 4, 0), taps(2, 4, 3)), ([(0, 8)].to_vec(), [(1, 8)].to_vec()));
    }
}
