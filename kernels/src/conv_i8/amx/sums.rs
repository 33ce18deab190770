//! Memory for the sums of tiles.

use core::mem::MaybeUninit;

/// 32 sums of each of the pixels of two tiles, which lie one behind the other.
#[repr(align(64))]
pub(super) struct Sums([[MaybeUninit<i32>; 32]; 3 * TILE as usize]);

/// The most pixels of a tile, and the row of the first one's first.
pub(super) const TILE: u32 = 16;

impl Sums {
    pub(super) const NONE: Self = Self([[MaybeUninit::uninit(); 32]; 3 * TILE as usize]);

    /// The row where the second tile begins, so that its new pixels follow those of the first one in the same picture, whose
    /// rows are not joined: windows that both computed have the same sums.
    pub(super) fn second(first: u16, second: u16) -> u32 {
        let end = u16::BITS.wrapping_sub(first.leading_zeros());
        TILE.wrapping_add(end).wrapping_sub(second.trailing_zeros() & 15)
    }

    /// The sums of a row, and of those behind it.
    pub(super) fn row(&mut self, row: u32) -> *mut i32 {
        self.0.as_mut_ptr().wrapping_add(row as usize).cast()
    }
}
