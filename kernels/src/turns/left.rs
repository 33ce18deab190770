//! What shares leave for the leader: who may touch it when is said in [`super`].

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

/// The most numbers that a share leaves for the leader.
pub const MAX_LEFT: usize = 2048;

/// What a share has left.
pub(super) struct Left {
    /// In this turn, so many numbers.
    pub(super) turn: usize,
    pub(super) count: usize,
    pub(super) numbers: [MaybeUninit<i32>; MAX_LEFT],
}

/// Where a share leaves numbers for the leader.
pub struct Leave<'t> {
    pub(super) left: Option<&'t UnsafeCell<Left>>,
    pub(super) turn: usize,
}

impl Leave<'_> {
    /// Leaves numbers; `None`, and nothing is left, where they are more than [`MAX_LEFT`], or the share is none of the first
    /// [`LEAVING`](super::LEAVING).
    pub fn numbers(self, numbers: &[i32]) -> Option<()> {
        // SAFETY: this value comes from a share, which one thread has once; until it is done nobody else looks there.
        let left = unsafe { &mut *self.left?.get() };
        let to = left.numbers.get_mut(..numbers.len())?;
        to.iter_mut().zip(numbers).for_each(|(to, from)| _ = to.write(*from));
        (left.turn, left.count) = (self.turn, numbers.len());
        Some(())
    }
}
