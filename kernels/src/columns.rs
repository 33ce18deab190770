//! The columns of a matrix of bytes, of which several threads write some each.
//!
//! Audited unsafe: a matrix is reached through a raw pointer. What keeps that sound:
//!
//! - whoever makes [`Columns`] gives the whole matrix away for as long as they live;
//! - a split leaves each column to one side, so that no byte is reached through two of them;
//! - a row is given out while its `Columns` are borrowed, one at a time, and so is a pointer to some rows.
#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::mem::MaybeUninit;
#[cfg(any(target_arch = "x86_64", feature = "std"))]
use core::ops::Range;

/// Bytes of columns that [`Columns::update`] has room for.
pub const ROOM: usize = 1 << 16;

/// Asks for all lines of what will be read soon, and another core may have written: one after the other, as they are needed,
/// they come four times as slowly.
#[cfg(target_arch = "x86_64")]
pub fn ask(x: &[i8]) {
    for line in x.chunks(64) {
        // SAFETY: every CPU of this architecture has SSE, and asking for a line never fails.
        unsafe { core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr()) };
    }
}

/// Other architectures have no such instruction that is stable.
#[cfg(not(target_arch = "x86_64"))]
pub fn ask(_: &[i8]) {}

/// Neighbouring columns of a matrix whose rows lie one behind the other.
pub struct Columns<'a> {
    /// The first column's byte in row 0.
    first: *mut u8,
    rows: usize,
    /// Bytes from row to row.
    pitch: usize,
    /// Bytes of a row that are these columns.
    width: usize,
    matrix: PhantomData<&'a mut [u8]>,
}

// SAFETY: they are the only way to their bytes, as a mutable slice is.
unsafe impl Send for Columns<'_> {}

/// Memory of columns, aligned to cache lines.
#[repr(align(64))]
struct Room([MaybeUninit<u8>; ROOM]);

impl<'a> Columns<'a> {
    /// All columns of a matrix with rows of `pitch` bytes; `None` where there is no whole number of them.
    pub fn new(matrix: &'a mut [u8], pitch: usize) -> Option<Self> {
        let rows = matrix.len().checked_div(pitch)?;
        let whole = rows.wrapping_mul(pitch) == matrix.len();
        whole.then_some(Self { first: matrix.as_mut_ptr(), rows, pitch, width: pitch, matrix: PhantomData })
    }

    /// `rows` rows of `width` bytes, `pitch` bytes apart, the first one's first byte at `first`.
    ///
    /// # Safety
    /// For their lifetime the rows may be written, nobody else reaches them, and the pitch is no less than the width.
    #[cfg(target_has_atomic = "ptr")]
    pub(crate) unsafe fn from_raw(first: *mut u8, [rows, pitch, width]: [usize; 3]) -> Self {
        Self { first, rows, pitch, width, matrix: PhantomData }
    }

    /// All bytes, where they lie one behind the other.
    pub fn into_bytes(self) -> Option<&'a mut [u8]> {
        let together = self.rows <= 1 || self.pitch == self.width;
        let len = self.rows.wrapping_mul(self.width);
        // SAFETY: these rows are reached by nobody else for their lifetime, and there is nothing between them.
        together.then(|| unsafe { core::slice::from_raw_parts_mut(self.first, len) })
    }

    /// `rows` rows of `width` bytes, the first from byte `first` on, `pitch` bytes apart; `None` where they are not all inside
    /// or overlap.
    #[cfg(feature = "std")]
    pub(crate) fn within(y: &'a mut [u8], first: usize, [rows, pitch, width]: [usize; 3]) -> Option<Self> {
        let last = rows.checked_sub(1)?.checked_mul(pitch)?.checked_add(first)?;
        let inside = width <= pitch && last.checked_add(width)? <= y.len();
        inside.then(|| Self { first: y.as_mut_ptr().wrapping_add(first), rows, pitch, width, matrix: PhantomData })
    }

    /// As [`Columns::within`], of numbers.
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    pub(crate) fn numbers_within(y: &'a mut [i8], first: usize, shape: [usize; 3]) -> Option<Self> {
        // SAFETY: both are a byte, and every byte is a value of both.
        let bytes = unsafe { &mut *(core::ptr::from_mut(y) as *mut [u8]) };
        Self::within(bytes, first, shape)
    }

    /// These columns of some rows only; `None` where there are not so many.
    #[cfg(feature = "std")]
    pub(crate) fn of_rows(&mut self, rows: Range<usize>) -> Option<Columns<'_>> {
        let count = rows.end.checked_sub(rows.start).filter(|_| rows.end <= self.rows)?;
        let first = self.first.wrapping_add(rows.start.wrapping_mul(self.pitch));
        Some(Columns { first, rows: count, pitch: self.pitch, width: self.width, matrix: PhantomData })
    }

    /// As [`Columns::new`], of numbers.
    #[cfg(any(test, target_arch = "x86_64"))]
    pub(crate) fn of_numbers(matrix: &'a mut [i8], pitch: usize) -> Option<Self> {
        // SAFETY: both are a byte, and every byte is a value of both.
        let bytes = unsafe { &mut *(core::ptr::from_mut(matrix) as *mut [u8]) };
        Self::new(bytes, pitch)
    }

    /// The first `width` columns, and the others; `None` where there are not as many.
    pub fn split_at(self, width: usize) -> Option<(Self, Self)> {
        let right = self.width.checked_sub(width)?;
        let first = self.first.wrapping_add(width);
        Some((Self { width, ..self }, Self { first, width: right, ..self }))
    }

    /// Bytes of a row that are these columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes from row to row.
    #[cfg(any(target_arch = "x86_64", feature = "std"))]
    pub(crate) fn pitch(&self) -> usize {
        self.pitch
    }

    /// Where `width` of these columns, from number `column` on, begin in the first of some rows, all of which have them; `None`
    /// where there are not so many.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn part(&mut self, rows: Range<usize>, column: usize, width: usize) -> Option<*mut i8> {
        let inside = rows.end <= self.rows && column.checked_add(width)? <= self.width;
        let place = rows.start.wrapping_mul(self.pitch).wrapping_add(column);
        inside.then(|| self.first.wrapping_add(place).cast())
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// These columns of a row, as numbers.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn numbers(&mut self, row: usize) -> Option<&mut [i8]> {
        // SAFETY: both are a byte, and every byte is a value of both.
        self.bytes(row).map(|bytes| unsafe { &mut *(core::ptr::from_mut(bytes) as *mut [i8]) })
    }

    /// These columns of a row.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, row: usize) -> Option<&mut [u8]> {
        let first = self.first.wrapping_add(row.wrapping_mul(self.pitch));
        // SAFETY: the matrix has this row, of which these columns are reached by nobody else.
        (row < self.rows).then(|| unsafe { core::slice::from_raw_parts_mut(first, self.width) })
    }

    /// Gives the columns to `f` as a matrix of their own, row behind row, and takes over what it leaves. `None` where there
    /// is no [`ROOM`] for them: nothing has changed then.
    #[inline(never)] // Stack that is not needed is not taken.
    pub fn update<R>(&mut self, f: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let mut room = Room([const { MaybeUninit::uninit() }; ROOM]);
        let own = room.0.get_mut(..self.rows.checked_mul(self.width)?)?;
        for (k, to) in crate::rows::rows_mut(own, self.width).enumerate() {
            let from = self.bytes(k).unwrap_or_default();
            to.iter_mut().zip(from).for_each(|(to, from)| _ = to.write(*from));
        }
        self.replace(own, f)
    }

    /// As [`Columns::update`], where `f` does not read what was there: it finds zeros. What another core has written there is
    /// not fetched then.
    #[inline(never)] // As above.
    pub fn overwrite<R>(&mut self, f: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let mut room = Room([const { MaybeUninit::uninit() }; ROOM]);
        let own = room.0.get_mut(..self.rows.checked_mul(self.width)?)?;
        own.iter_mut().for_each(|to| _ = to.write(0));
        self.replace(own, f)
    }

    /// Runs `f` on bytes of which every one has been written, and takes them over.
    fn replace<R>(&mut self, own: &mut [MaybeUninit<u8>], f: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        // SAFETY: both callers have written every byte; `MaybeUninit<u8>` is laid out as `u8` is.
        let own = unsafe { &mut *(core::ptr::from_mut(own) as *mut [u8]) };
        let result = f(own);
        for (k, from) in crate::rows::rows(own, self.width).enumerate() {
            self.bytes(k).unwrap_or_default().iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_side_changes_its_own_columns() {
        let matrix: Vec<u8> = (0..60).collect();
        for (pitch, cut) in [(12, 5), (12, 0), (12, 12), (60, 7), (1, 1)] {
            let mut y = matrix.clone();
            let (mut left, mut right) = Columns::new(&mut y, pitch).unwrap().split_at(cut).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(move || left.update(|own| own.iter_mut().for_each(|byte| *byte += 100)).unwrap());
                scope.spawn(move || right.update(|own| own.reverse()).unwrap());
            });
            for (row, old) in matrix.chunks(pitch).enumerate() {
                let other = &matrix.chunks(pitch).rev().nth(row).unwrap()[cut..];
                let want = old[..cut].iter().map(|byte| byte + 100).chain(other.iter().rev().copied());
                assert!(y[row * pitch..][..pitch].iter().copied().eq(want), "{pitch} {cut} {y:?}");
            }
        }
    }

    #[test]
    fn overwritten_columns_begin_as_zeros() {
        let matrix: Vec<u8> = (0..60).collect();
        let mut y = matrix.clone();
        let (mut left, _) = Columns::new(&mut y, 12).unwrap().split_at(5).unwrap();
        left.overwrite(|own| own.iter_mut().for_each(|byte| *byte += 7)).unwrap();
        let want = matrix.chunks(12).flat_map(|row| [7; 5].into_iter().chain(row[5..].iter().copied()));
        assert!(y.iter().copied().eq(want));
    }

    #[test]
    fn rows_within_a_slice_are_those_of_a_matrix() {
        let mut y: Vec<u8> = (0..60).collect();
        let mut columns = Columns::within(&mut y, 3, [5, 12, 9]).unwrap();
        assert_eq!(columns.bytes(4).unwrap(), [51, 52, 53, 54, 55, 56, 57, 58, 59]);
        let mut some = columns.of_rows(1..3).unwrap();
        assert_eq!((some.rows(), some.bytes(1).unwrap()[0], some.bytes(2)), (2, 27, None));
        assert!(columns.of_rows(1..6).is_none());
        for (first, shape) in
            [(4, [5, 12, 9]), (3, [6, 12, 9]), (0, [2, 5, 6]), (0, [0, 1, 1]), (1, [2, usize::MAX, 1])]
        {
            assert!(Columns::within(&mut y, first, shape).is_none());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Columns::new(&mut [0; 7], 3).is_none() && Columns::new(&mut [0; 7], 0).is_none());
        assert!(Columns::new(&mut [0; 6], 3).unwrap().split_at(4).is_none());
        let mut large = std::vec![1; 2 * ROOM];
        let mut columns = Columns::new(&mut large, 2 * ROOM).unwrap();
        assert!(columns.update(|_| ()).is_none());
        let (mut half, _) = columns.split_at(ROOM).unwrap();
        assert_eq!(half.update(|own| own.len()), Some(ROOM));
    }
}
