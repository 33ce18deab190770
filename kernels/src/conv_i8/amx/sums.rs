//! Memory for the sums of tiles.

use core::mem::MaybeUninit;
use core::ops::Range;

/// The sums of a tile of pixels and 32 channels, with room to read on.
#[repr(align(64))]
pub(super) struct Sums(pub(super) [[[MaybeUninit<i32>; 16]; 2]; 16 + BEYOND]);

/// Rows that may be read beyond those of a tile.
pub(super) const BEYOND: usize = 3;

impl Sums {
    pub(super) const NONE: Self = Self([[[MaybeUninit::uninit(); 16]; 2]; 16 + BEYOND]);

    /// Clears these rows. Those of a tile need not be: it writes them each time before they are read.
    #[inline(always)]
    pub(super) fn clear(&mut self, rows: Range<usize>) {
        let rows = self.0.get_mut(rows).unwrap_or_default();
        rows.as_flattened_mut().as_flattened_mut().iter_mut().for_each(|sum| _ = sum.write(0));
    }
}
