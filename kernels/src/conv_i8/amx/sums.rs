//! Memory for the sums of tiles.
#![allow(unsafe_code)] // Tiles are stored.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use core::mem::MaybeUninit;

use super::places::Place;
use crate::amx::Tiles;

/// 32 sums of each of the pixels of two tiles, which lie one behind the other.
#[repr(align(64))]
pub(super) struct Sums([[MaybeUninit<i32>; 32]; 3 * TILE as usize]);

/// The most pixels of a tile, and the row of the first one's first.
pub(super) const TILE: u32 = 16;

impl Sums {
    pub(super) const NONE: Self = Self([[MaybeUninit::uninit(); 32]; 3 * TILE as usize]);

    /// The row where the second tile begins, so that its new pixels follow those of the first one in the same picture, whose
    /// rows are not joined: windows that both computed have the same sums.
    fn second(first: u16, second: u16) -> u32 {
        let end = u16::BITS.wrapping_sub(first.leading_zeros());
        TILE.wrapping_add(end).wrapping_sub(second.trailing_zeros() & 15)
    }

    /// The sums of a row, and of those behind it.
    fn row(&mut self, row: u32) -> *mut i32 {
        self.0.as_mut_ptr().wrapping_add(row as usize).cast()
    }
}

/// A pair of tiles of pixels whose sums are in tiles: where these go, and what becomes of them.
pub(super) struct Left {
    /// Which tiles hold sums, and where those of the first and of the second tile of pixels go.
    tiles: u8,
    to: [*mut i32; 2],
    /// Rows of sums, and those of them that are pixels.
    pub(super) sums: *const i32,
    pub(super) rows: u64,
    /// The first pixel and the first channel.
    pub(super) pixel: usize,
    pub(super) channel: usize,
}

impl Default for Left {
    /// Nothing.
    fn default() -> Self {
        let to = core::ptr::null_mut();
        Self { tiles: 0, to: [to; 2], sums: to, rows: 0, pixel: 0, channel: 0 }
    }
}

impl Left {
    /// Of tiles of pixels in these places, of `blocks` blocks of channels, to this memory.
    #[inline(always)]
    pub(super) fn new(
        sums: &mut Sums,
        [a, b]: [Option<Place>; 2],
        joined: bool,
        blocks: usize,
        (pixel, channel): (usize, usize),
    ) -> Self {
        let [first, second] = [a, b].map(|place| place.unwrap_or_default().new);
        let row = if joined || b.is_none() { 2 * TILE } else { Sums::second(first, second) };
        let pixels = if b.is_none() { 0b0011 } else { 0b1111 };
        Self {
            tiles: pixels & if blocks > 1 { 0b1111 } else { 0b0101 },
            to: [sums.row(TILE), sums.row(row)],
            sums: sums.row(0),
            rows: u64::from(first).wrapping_shl(TILE) | u64::from(second).wrapping_shl(row),
            pixel,
            channel,
        }
    }

    /// Stores tile `T`, where it holds sums.
    ///
    /// # Safety
    /// There is room for them.
    #[inline(always)]
    pub(super) unsafe fn store_tile<const T: u8>(&self, tiles: &mut Tiles) {
        let [first, second] = self.to;
        let to = if T < 2 { first } else { second };
        if self.tiles & 1 << T != 0 {
            // SAFETY: the caller's promise.
            unsafe { tiles.store::<T>(to.wrapping_add(T as usize % 2 * 16), 128) };
        }
    }

    /// Stores all tiles that hold sums.
    ///
    /// # Safety
    /// As above.
    pub(super) unsafe fn store(&self, tiles: &mut Tiles) {
        // SAFETY: the caller's promise.
        unsafe {
            self.store_tile::<0>(tiles);
            self.store_tile::<1>(tiles);
            self.store_tile::<2>(tiles);
            self.store_tile::<3>(tiles);
        }
    }
}
