//! Rows of bytes in pieces of the largest vectors that every CPU of the architecture has.
#![allow(unsafe_code)] // Loads and stores.

use super::strided::Side;

/// From so many bytes on, a row is moved by the routine for memory of any size.
const LONG: usize = 256;

/// Copies `count` rows of `len` bytes; false where they are not all inside.
pub(super) fn rows(x: &[u8], from: Side, y: &mut [u8], to: Side, count: usize, len: usize) -> bool {
    let inside = |side: Side, bytes: usize| {
        let last = count.checked_sub(1).and_then(|n| n.checked_mul(side.step)).and_then(|n| n.checked_add(side.first));
        last.and_then(|n| n.checked_add(len)).is_some_and(|end| end <= bytes)
    };
    if !inside(from, x.len()) || !inside(to, y.len()) {
        return false;
    }
    let (x, y) = (x.as_ptr().wrapping_add(from.first), y.as_mut_ptr().wrapping_add(to.first));
    let (x, y) = ((x, from.step), (y, to.step));
    // SAFETY: so many rows of so many bytes lie inside both slices, of which one is borrowed mutably.
    unsafe {
        match len {
            1 => each(x, y, count, |x, y| whole::<1>(x, y)),
            2..4 => each(x, y, count, |x, y| ends::<2>(x, y, len)),
            4..8 => each(x, y, count, |x, y| ends::<4>(x, y, len)),
            8 => each(x, y, count, |x, y| whole::<8>(x, y)),
            9..16 => each(x, y, count, |x, y| ends::<8>(x, y, len)),
            16 => each(x, y, count, |x, y| whole::<16>(x, y)),
            17..32 => each(x, y, count, |x, y| ends::<16>(x, y, len)),
            32 => each(x, y, count, |x, y| whole::<32>(x, y)),
            48 => each(x, y, count, |x, y| whole::<48>(x, y)),
            33..64 => each(x, y, count, |x, y| ends::<32>(x, y, len)),
            64 => each(x, y, count, |x, y| whole::<64>(x, y)),
            65..LONG => each(x, y, count, |x, y| pieces(x, y, len)),
            _ => each(x, y, count, |x, y| x.copy_to_nonoverlapping(y, len)),
        }
    }
    true
}

/// Calls `row` with the places of every row.
#[inline(always)]
fn each(x: (*const u8, usize), y: (*mut u8, usize), count: usize, row: impl Fn(*const u8, *mut u8)) {
    let (mut from, mut to) = (x.0, y.0);
    for _ in 0..count {
        row(from, to);
        (from, to) = (from.wrapping_add(x.1), to.wrapping_add(y.1));
    }
}

/// # Safety
/// `N` bytes can be read and written.
#[inline(always)]
unsafe fn whole<const N: usize>(x: *const u8, y: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { y.cast::<[u8; N]>().write_unaligned(x.cast::<[u8; N]>().read_unaligned()) };
}

/// The first and the last `N` bytes, which may overlap.
///
/// # Safety
/// `len` bytes, from `N` to twice as many, can be read and written.
#[inline(always)]
unsafe fn ends<const N: usize>(x: *const u8, y: *mut u8, len: usize) {
    let last = len.wrapping_sub(N);
    // SAFETY: the caller's promise.
    unsafe { whole::<N>(x, y) };
    // SAFETY: as above.
    unsafe { whole::<N>(x.wrapping_add(last), y.wrapping_add(last)) };
}

/// Pieces of 64 bytes, the last of which may overlap the one before.
///
/// # Safety
/// `len` bytes, 64 or more, can be read and written.
#[inline(always)]
unsafe fn pieces(x: *const u8, y: *mut u8, len: usize) {
    let last = len.wrapping_sub(64);
    for k in (0..last).step_by(64) {
        // SAFETY: 64 bytes from here on are inside.
        unsafe { whole::<64>(x.wrapping_add(k), y.wrapping_add(k)) };
    }
    // SAFETY: so are the last ones.
    unsafe { whole::<64>(x.wrapping_add(last), y.wrapping_add(last)) };
}
