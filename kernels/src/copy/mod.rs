//! Copies a box of elements between two strided places: transposes, slices (also reversed), splits, broadcasts,
//! concatenations, paddings.
//!
//! Element `i` of the box goes from `x[x_offset + Σ i[k] * x_strides[k]]` to `y[y_offset + Σ i[k] * y_strides[k]]`, in
//! row-major order of `i`. What the box does not reach in `y` keeps its value.

#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod avx2;
#[cfg(feature = "std")]
mod blocks;
mod portable;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod sse2;
pub(crate) mod strided;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

use core::ops::Range;

use crate::Isa;
use crate::columns::Columns;
use crate::walk::product;

/// What to copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// Bytes of an element: 1, 2, 4 or 8.
    pub element_bytes: u32,
    /// Sizes of the box, outermost first, the unused ones 1.
    pub sizes: [u32; 6],
    /// Strides in elements; negative ones reverse, 0 repeats.
    pub x_strides: [i32; 6],
    /// Strides in elements.
    pub y_strides: [u32; 6],
    /// First element read.
    pub x_offset: u32,
    /// First element written.
    pub y_offset: u32,
}

impl Params {
    /// Whether the box stays within `x_bytes` and `y_bytes` bytes and is no larger than `y`, which bounds the time.
    pub fn check(&self, x_bytes: usize, y_bytes: usize) -> bool {
        let Some(shift) = shift(self.element_bytes) else { return false };
        let y_strides = self.y_strides.map(i64::from);
        let elements = product(&self.sizes).filter(|&n| n > 0);
        elements.is_some_and(|n| n as usize <= y_bytes >> shift)
            && inside(&self.sizes, self.x_strides.map(i64::from), self.x_offset, x_bytes >> shift)
            && inside(&self.sizes, y_strides, self.y_offset, y_bytes >> shift)
    }

    /// The outermost axis with more than one slice and its stride in y, where every slice is written within its own stretch
    /// of so many elements.
    pub fn outermost(&self) -> Option<(usize, u32)> {
        let axis = self.sizes.iter().position(|&size| size > 1)?;
        let stride = *self.y_strides.get(axis)?;
        let inner = self.sizes.iter().zip(&self.y_strides).skip(axis.wrapping_add(1));
        let reach = inner.map(|(&size, &stride)| u64::from(size).saturating_sub(1).saturating_mul(u64::from(stride)));
        let last = reach.fold(u64::from(self.y_offset), u64::saturating_add);
        (last < u64::from(stride)).then_some((axis, stride))
    }

    /// Only these slices along [`Params::outermost`], into the part of y that begins with the stretch of the first.
    pub fn slices(&self, slices: Range<u32>) -> Option<Self> {
        let (axis, _) = self.outermost()?;
        let mut part = *self;
        *part.sizes.get_mut(axis)? = slices.end.checked_sub(slices.start)?;
        let step = i64::from(*self.x_strides.get(axis)?).checked_mul(i64::from(slices.start))?;
        part.x_offset = u32::try_from(i64::from(self.x_offset).checked_add(step)?).ok()?;
        Some(part)
    }

    /// The box as one transpose of two axes, where it is one.
    #[cfg(feature = "std")]
    pub fn across(&self) -> Option<Across> {
        portable::across(self)
    }

    /// Only threads ask.
    #[cfg(not(feature = "std"))]
    pub fn across(&self) -> Option<Across> {
        None
    }

    /// Whether the innermost axis is dense on both sides.
    pub fn in_rows(&self) -> bool {
        let mut dense = true;
        for ((&size, &x), &y) in self.sizes.iter().zip(&self.x_strides).zip(&self.y_strides) {
            // From the outermost on, since a reversed zip of arrays keeps a panic path: the last one counts.
            if size > 1 {
                dense = (x, y) == (1, 1);
            }
        }
        dense
    }
}

/// A box of which rows of x become columns of a matrix in y.
#[derive(Clone, Debug)]
pub struct Across {
    /// Bytes before those columns in every row of the matrix.
    pub first: usize,
    /// How many columns, each of one element.
    pub count: u32,
    /// Bytes from row to row of the matrix.
    pub pitch: usize,
    /// What is read for them.
    #[cfg(feature = "std")]
    from: blocks::Side,
    /// The rows of the matrix that are written.
    #[cfg(feature = "std")]
    rows: Range<usize>,
}

/// The binary logarithm of an element's size, where there are such elements.
pub(crate) fn shift(element_bytes: u32) -> Option<u32> {
    matches!(element_bytes, 1 | 2 | 4 | 8).then(|| element_bytes.trailing_zeros())
}

/// Whether a box with these strides, of no size zero, stays within `len` elements.
fn inside(sizes: &[u32; 6], strides: [i64; 6], offset: u32, len: usize) -> bool {
    let (mut least, mut greatest) = (i64::from(offset), i64::from(offset));
    for (&size, stride) in sizes.iter().zip(strides) {
        // Sizes and strides are of 32 bits: neither the product nor six of them together leave 64 bits by much.
        let Some(reach) = i64::from(size).saturating_sub(1).checked_mul(stride) else { return false };
        least = least.saturating_add(reach.min(0));
        greatest = greatest.saturating_add(reach.max(0));
    }
    least >= 0 && u64::try_from(greatest).is_ok_and(|greatest| greatest < len as u64)
}

/// Copies. A box that leaves `x` or `y` (in bytes) leaves `y` as it is.
pub fn run(isa: Isa, params: &Params, x: &[u8], y: &mut [u8]) {
    if params.check(x.len(), y.len()) {
        portable::run(isa, params, x, y);
    }
}

/// Copies only the elements from number `first` on of every row of [`Params::across`], as many as `y` has columns of that
/// matrix. What leaves `x` or `y` leaves `y` as it is.
#[cfg(feature = "std")]
pub fn run_columns(isa: Isa, params: &Params, first: u32, x: &[u8], y: &mut Columns<'_>) {
    if let Some(across) = params.across().filter(|across| across.pitch == y.pitch()) {
        portable::run_across(isa, params, &across, first, x, y);
    }
}

/// Only threads ask.
#[cfg(not(feature = "std"))]
pub fn run_columns(_: Isa, _: &Params, _: u32, _: &[u8], _: &mut Columns<'_>) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn exact(p: &Params, x: &[u8], y: &mut [u8]) {
        let n: u32 = p.sizes.iter().product();
        let bytes = p.element_bytes as usize;
        for flat in 0..n {
            let (mut rest, mut from, mut to) = (flat, i64::from(p.x_offset), i64::from(p.y_offset));
            for axis in (0..6).rev() {
                let i = i64::from(rest % p.sizes[axis]);
                rest /= p.sizes[axis];
                from += i * i64::from(p.x_strides[axis]);
                to += i * i64::from(p.y_strides[axis]);
            }
            let (from, to) = (from as usize * bytes, to as usize * bytes);
            y[to..to + bytes].copy_from_slice(&x[from..from + bytes]);
        }
    }

    fn battery(p: &Params, x_len: usize, y_len: usize) {
        for element_bytes in [1, 2, 4, 8] {
            let p = Params { element_bytes, ..*p };
            let x: Vec<u8> = (0..x_len * element_bytes as usize).map(|k| (k * 7 % 253) as u8).collect();
            let mut want = std::vec![0xEE; y_len * element_bytes as usize];
            exact(&p, &x, &mut want);
            for isa in Isa::available() {
                let mut y = std::vec![0xEE; want.len()];
                run(isa, &p, &x, &mut y);
                assert_eq!(y, want, "{p:?}");
                slices_agree(isa, &p, &x, &want);
                columns_agree(isa, &p, &x, &want);
            }
        }
    }

    /// Slices copied by themselves give what all together give.
    fn slices_agree(isa: Isa, p: &Params, x: &[u8], want: &[u8]) {
        let Some((axis, stride)) = p.outermost() else { return };
        let (count, bytes) = (p.sizes[axis], (stride * p.element_bytes) as usize);
        for first in 0..count {
            let mut y = std::vec![0xEE; want.len()];
            let middle = first.div_ceil(2);
            for slices in [0..middle, middle..count] {
                let to = (slices.start as usize * bytes).min(y.len())..(slices.end as usize * bytes).min(y.len());
                run(isa, &p.slices(slices).unwrap(), x, &mut y[to]);
            }
            assert_eq!(y, want, "{first} {p:?}");
        }
    }

    /// Columns copied by themselves give what all together give.
    fn columns_agree(isa: Isa, p: &Params, x: &[u8], want: &[u8]) {
        let Some(across) = p.across() else { return };
        let (count, bytes) = (across.count as usize, p.element_bytes as usize);
        for cut in [0, 1, count / 2, count] {
            let mut y = std::vec![0xEE; want.len().next_multiple_of(across.pitch)];
            let (_, columns) = Columns::new(&mut y, across.pitch).unwrap().split_at(across.first).unwrap();
            let (mut left, rest) = columns.split_at(cut * bytes).unwrap();
            let (mut right, _) = rest.split_at((count - cut) * bytes).unwrap();
            run_columns(isa, p, 0, x, &mut left);
            run_columns(isa, p, cut as u32, x, &mut right);
            assert_eq!(y[..want.len()], *want, "{cut} {p:?}");
        }
    }

    fn params(sizes: [u32; 6], x: ([i32; 6], u32), y: ([u32; 6], u32)) -> Params {
        let (x_strides, x_offset) = x;
        Params { element_bytes: 1, sizes, x_strides, y_strides: y.0, x_offset, y_offset: y.1 }
    }

    #[test]
    fn every_movement_follows_the_definition() {
        let dense = |s: [u32; 6]| {
            let mut strides = [1; 6];
            (0..5).rev().for_each(|k| strides[k] = strides[k + 1] * s[k + 1]);
            strides
        };
        // The whole, in one run.
        let s = [1, 1, 2, 3, 4, 5];
        battery(&params(s, (dense(s).map(|n| n as i32), 0), (dense(s), 0)), 120, 120);
        // A transpose of four axes.
        battery(&params(s, ([0, 0, 5, 40, 10, 1], 0), (dense(s), 0)), 120, 120);
        let t = [1, 1, 4, 5, 3, 2];
        battery(&params(t, ([0, 0, 5, 1, 20, 60], 0), (dense(t), 0)), 120, 120);
        // A slice of the middle, and the same place written to.
        let cut = [1, 1, 1, 2, 2, 3];
        battery(&params(cut, ([0, 0, 60, 20, 5, 1], 26), (dense(cut), 0)), 120, 12);
        battery(&params(cut, ([0, 0, 12, 6, 3, 1], 0), ([0, 0, 60, 20, 5, 1], 26)), 12, 120);
        // Reversed, with a step, repeated.
        battery(&params([1, 1, 1, 1, 3, 4], ([0, 0, 0, 0, -8, -2], 23), ([0, 0, 0, 0, 4, 1], 0)), 24, 12);
        battery(&params([1, 1, 1, 2, 3, 4], ([0, 0, 0, 0, 0, 1], 0), ([0, 0, 0, 12, 4, 1], 0)), 4, 24);
        battery(&params([1, 1, 1, 2, 3, 4], ([0, 0, 0, 1, 0, 0], 0), ([0, 0, 0, 12, 4, 1], 0)), 2, 24);
        // Every pixel and every row twice, also between others.
        let twice = [1, 5, 2, 9, 2, 3];
        battery(&params(twice, ([0, 27, 0, 3, 0, 1], 0), ([0, 108, 54, 6, 3, 1], 0)), 135, 540);
        battery(&params(twice, ([0, 27, 0, 3, 0, 1], 0), ([0, 180, 90, 10, 5, 1], 2)), 135, 900);
        // What is written again keeps the last element.
        battery(&params([1, 1, 9, 2, 3, 4], ([0, 0, 24, 12, 4, 1], 0), ([0, 0, 1, 13, 4, 1], 0)), 216, 230);
        // Six axes, none of which merges.
        battery(&params([2; 6], ([1, 2, 4, 8, 16, 32], 0), ([32, 16, 8, 4, 2, 1], 0)), 64, 64);
        // Blocks of two transposed axes, with what is left over on both sides.
        battery(&params([1, 1, 1, 2, 19, 83], ([0, 0, 0, 1577, 1, 19], 0), ([0, 0, 0, 1577, 83, 1], 0)), 3154, 3154);
        battery(&params([1, 1, 1, 2, 83, 19], ([0, 0, 0, 1577, 19, 1], 0), ([0, 0, 0, 1577, 1, 83], 0)), 3154, 3154);
        battery(&params([1, 1, 1, 1, 16, 64], ([0, 0, 0, 0, 1, 20], 3), ([0, 0, 0, 0, 70, 1], 5)), 1300, 1130);
        battery(&params([1, 1, 1, 1, 16, 75], ([0, 0, 0, 0, 1, 20], 3), ([0, 0, 0, 0, 90, 1], 99)), 1500, 1530);
        battery(&params([1, 1, 1, 5, 7, 33], ([0, 0, 0, 231, 33, 1], 0), ([0, 0, 0, 7, 1, 50], 4)), 1155, 1700);
        // Rows of y that overlap keep what is written last.
        battery(&params([1, 1, 1, 1, 40, 50], ([0, 0, 0, 0, 1, 40], 0), ([0, 0, 0, 0, 3, 1], 1)), 2000, 2100);
        // One element.
        battery(&params([1; 6], ([9; 6], 3), ([9; 6], 2)), 4, 3);
    }

    #[test]
    fn rows_of_every_length_are_copied() {
        for len in (1..70).chain([95, 96, 97, 127, 128, 129, 191, 255, 256, 257, 300]) {
            for (x_gap, y_gap) in [(1, 0), (0, 3), (5, 2)] {
                let (x, y) = (len + x_gap, len + y_gap);
                let rows = ([0, 0, 0, 0, x as i32, 1], x_gap);
                battery(
                    &params([1, 1, 1, 1, 5, len], rows, ([0, 0, 0, 0, y, 1], y_gap)),
                    5 * x as usize,
                    5 * y as usize,
                );
            }
        }
    }

    #[test]
    fn a_box_that_leaves_its_tensors_is_refused() {
        let p = params([1, 1, 1, 1, 3, 4], ([0, 0, 0, 0, -4, -1], 11), ([0, 0, 0, 0, 4, 1], 0));
        assert!(p.check(12, 12));
        assert!(!p.check(11, 12) && !p.check(12, 11));
        assert!(!Params { x_offset: 10, ..p }.check(12, 12));
        assert!(!Params { x_offset: 12, ..p }.check(12, 12));
        assert!(!Params { y_offset: 1, ..p }.check(12, 12));
        assert!(!Params { element_bytes: 3, ..p }.check(99, 99));
        assert!(!Params { element_bytes: 2, ..p }.check(24, 23));
        assert!(!Params { sizes: [0; 6], ..p }.check(12, 12));
        let endless = params([65536, 1, 1, 1, 1, 32767], ([0; 6], 0), ([0; 6], 0));
        assert!(!endless.check(12, 12));
        let wild = Params { x_strides: [i32::MIN; 6], sizes: [6; 6], ..p };
        assert!(!wild.check(usize::MAX, usize::MAX));
        let wild = Params { y_strides: [u32::MAX; 6], sizes: [36; 6], ..p };
        assert!(!wild.check(usize::MAX, usize::MAX));
        for isa in Isa::available() {
            let mut y = [7; 12];
            run(isa, &p, &[1; 11], &mut y);
            assert_eq!(y, [7; 12]);
        }
    }
}
