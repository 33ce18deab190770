//! Rows of bytes between two strided places.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::vector;
use crate::Isa;

/// One side: its first byte and the bytes from row to row.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub(crate) first: usize,
    pub(crate) step: usize,
}

/// Copies `count` rows of `len` bytes. Those that leave `x` or `y` leave `y` as it is.
pub(crate) fn rows(isa: Isa, x: &[u8], from: Side, y: &mut [u8], to: Side, count: usize, len: usize) {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if vector::rows(isa, x, from, y, to, count, len) {
        return;
    }
    let _ = isa;
    let (mut x_at, mut y_at) = (from.first, to.first);
    for _ in 0..count {
        let source = x.get(x_at..x_at.wrapping_add(len)).unwrap_or_default();
        for (y, x) in y.get_mut(y_at..y_at.wrapping_add(len)).unwrap_or_default().iter_mut().zip(source) {
            *y = *x;
        }
        (x_at, y_at) = (x_at.wrapping_add(from.step), y_at.wrapping_add(to.step));
    }
}
