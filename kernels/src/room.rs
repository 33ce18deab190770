//! Memory on the stack for intermediate numbers, of which only what is used is written first.
#![allow(unsafe_code)] // Memory that may not have been written.

use core::mem::MaybeUninit;

use crate::view::Pod;

/// `N` numbers, aligned to cache lines.
#[repr(align(64))]
pub(crate) struct Room<T, const N: usize> {
    numbers: [MaybeUninit<T>; N],
    /// What those are that nobody has written yet.
    fill: T,
    /// How many have been written.
    written: usize,
}

impl<T: Pod, const N: usize> Room<T, N> {
    pub(crate) const fn new(fill: T) -> Self {
        Self { numbers: [const { MaybeUninit::uninit() }; N], fill, written: 0 }
    }

    /// The first ones; `None` where there are not so many.
    pub(crate) fn first(&mut self, count: usize) -> Option<&mut [T]> {
        let first = self.numbers.get_mut(..count)?;
        first.iter_mut().skip(self.written).for_each(|to| _ = to.write(self.fill));
        self.written = self.written.max(count);
        // SAFETY: every one of them has been written, now or before; `MaybeUninit<T>` is laid out as `T` is.
        Some(unsafe { &mut *(core::ptr::from_mut(first) as *mut [T]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_been_written_stays() {
        let mut room = Room::<i8, 8>::new(0);
        room.first(3).unwrap().copy_from_slice(&[1, 2, 3]);
        assert_eq!(room.first(5), Some(&mut [1, 2, 3, 0, 0][..]));
        room.first(1).unwrap()[0] = 7;
        assert_eq!(room.first(8), Some(&mut [7, 2, 3, 0, 0, 0, 0, 0][..]));
        assert!(room.first(9).is_none());
        assert_eq!(Room::<f32, 2>::new(0.5).first(2), Some(&mut [0.5; 2][..]));
    }
}
