//! What AMX's instructions are defined to do.
#![allow(unsafe_code)] // Loads and stores.
#![allow(clippy::indexing_slicing)] // For tests only, and by numbers that are smaller than the tiles.

use crate::amx::Shape;

/// The tiles of a thread.
pub(crate) struct Tiles {
    shape: Shape,
    tiles: [[[i8; 64]; 16]; 8],
}

impl Tiles {
    /// # Safety
    /// None is needed here.
    pub(crate) unsafe fn new(shape: Shape) -> Self {
        Self { shape, tiles: [[[0; 64]; 16]; 8] }
    }

    pub(crate) fn shape(&mut self, shape: Shape) {
        self.shape = shape;
    }

    /// Rows of a tile, and bytes of a row.
    fn size(&self, tile: u8) -> (usize, usize) {
        let Shape { rows, fours } = self.shape;
        assert!((1..=16).contains(&rows) && (1..=16).contains(&fours));
        match tile {
            0..4 => (rows.into(), 64),
            4..6 => (rows.into(), usize::from(fours) * 4),
            _ => (fours.into(), 64),
        }
    }

    /// # Safety
    /// As many bytes as the tile is wide can be read at every row.
    pub(crate) unsafe fn load<const T: u8>(&mut self, from: *const i8, pitch: usize) {
        let (rows, bytes) = self.size(T);
        let tile = &mut self.tiles[usize::from(T)];
        *tile = [[0; 64]; 16];
        for (row, to) in tile.iter_mut().enumerate().take(rows) {
            for (k, to) in to.iter_mut().enumerate().take(bytes) {
                // SAFETY: the caller's promise.
                *to = unsafe { from.add(row * pitch + k).read() };
            }
        }
    }

    /// # Safety
    /// 64 bytes can be written at every row.
    pub(crate) unsafe fn store<const T: u8>(&mut self, to: *mut i32, pitch: usize) {
        let (rows, _) = self.size(T);
        for (row, from) in self.tiles[usize::from(T)].iter().enumerate().take(rows) {
            // SAFETY: the caller's promise.
            unsafe { to.byte_add(row * pitch).cast::<[i8; 64]>().write(*from) };
        }
    }

    pub(crate) fn multiply<const S: u8, const X: u8, const W: u8>(&mut self) {
        let [x, w] = [X, W].map(|tile| self.tiles[usize::from(tile)]);
        let ((rows, _), (fours, _)) = (self.size(S), self.size(W));
        for (sums, x) in self.tiles[usize::from(S)].iter_mut().zip(x).take(rows) {
            for (channel, sum) in sums.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let products = (0..fours * 4).map(|k| i32::from(x[k]) * i32::from(w[k / 4][channel * 4 + k % 4]));
                let old = i32::from_ne_bytes(sum.map(i8::cast_unsigned));
                *sum = products.fold(old, i32::wrapping_add).to_ne_bytes().map(u8::cast_signed);
            }
        }
    }
}
