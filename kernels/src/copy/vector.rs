//! Rows of bytes in pieces of vectors.
#![allow(unsafe_code)] // Loads and stores, and the entry into code that needs an instruction set.

use super::strided::Side;
use crate::Isa;
#[cfg(target_arch = "x86_64")]
use crate::Level;

/// From so many bytes on, a row is moved by the routine for memory of any size.
const LONG: usize = 256;
/// Bytes between what is written and what is asked for, at least.
const AHEAD: usize = 2048;
/// The longest rows that are asked for: longer ones the processor sees coming.
const ASKED: usize = 4096;

/// Copies `count` rows of `len` bytes; false where they are not all inside.
pub(super) fn rows(isa: Isa, x: &[u8], from: Side, y: &mut [u8], to: Side, count: usize, len: usize) -> bool {
    let inside = |side: Side, bytes: usize| {
        let last = count.checked_sub(1).and_then(|n| n.checked_mul(side.step)).and_then(|n| n.checked_add(side.first));
        last.and_then(|n| n.checked_add(len)).is_some_and(|end| end <= bytes)
    };
    if !inside(from, x.len()) || !inside(to, y.len()) {
        return false;
    }
    let (x, y) = (x.as_ptr().wrapping_add(from.first), y.as_mut_ptr().wrapping_add(to.first));
    let (x, y) = ((x, from.step), (y, to.step));
    // SAFETY: so many rows of so many bytes lie inside both slices, of which one is borrowed mutably; an `Isa` of these levels
    // can only be made on a CPU that has them.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            _ if isa.has_avx512() => avx512(x, y, count, len),
            #[cfg(target_arch = "x86_64")]
            _ if isa.level() >= Level::Avx2 => avx2(x, y, count, len),
            _ => all::<false>(x, y, count, len),
        }
    }
    true
}

/// # Safety
/// As [`all`].
#[cfg(target_arch = "x86_64")]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn avx512(x: (*const u8, usize), y: (*mut u8, usize), count: usize, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { all::<true>(x, y, count, len) };
}
/// # Safety
/// As [`all`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(x: (*const u8, usize), y: (*mut u8, usize), count: usize, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { all::<false>(x, y, count, len) };
}

/// Copies rows; `AHEAD`: lines of the cache are asked for before they are written.
///
/// # Safety
/// `count` rows of `len` bytes, so far apart, can be read and written.
#[inline(always)]
unsafe fn all<const AHEAD: bool>(x: (*const u8, usize), y: (*mut u8, usize), count: usize, len: usize) {
    let rows = (count, if AHEAD && len <= ASKED { len } else { 0 });
    // SAFETY: the caller's promise.
    unsafe {
        match len {
            1 => each(x, y, (count, 0), |x, y| whole::<1>(x, y)),
            2..4 => each(x, y, (count, 0), |x, y| ends::<2>(x, y, len)),
            4..8 => each(x, y, (count, 0), |x, y| ends::<4>(x, y, len)),
            8 => each(x, y, (count, 0), |x, y| whole::<8>(x, y)),
            9..16 => each(x, y, (count, 0), |x, y| ends::<8>(x, y, len)),
            16 => each(x, y, (count, 0), |x, y| whole::<16>(x, y)),
            17..32 => each(x, y, rows, |x, y| ends::<16>(x, y, len)),
            32 => each(x, y, rows, |x, y| whole::<32>(x, y)),
            48 => each(x, y, rows, |x, y| whole::<48>(x, y)),
            33..64 => each(x, y, rows, |x, y| ends::<32>(x, y, len)),
            64 => each(x, y, rows, |x, y| whole::<64>(x, y)),
            65..LONG => each(x, y, rows, |x, y| pieces(x, y, len)),
            _ => each(x, y, rows, |x, y| x.copy_to_nonoverlapping(y, len)),
        }
    }
}

/// Calls `row` with the places of every one of `count` rows, some time after it has asked for the first `ahead` bytes that
/// are written.
#[inline(always)]
fn each(x: (*const u8, usize), y: (*mut u8, usize), (count, ahead): (usize, usize), row: impl Fn(*const u8, *mut u8)) {
    let (mut from, mut to) = (x.0, y.0);
    // Never for what is behind the last row, which another thread may have written.
    let rows = AHEAD.checked_div(y.1).unwrap_or(0).max(1);
    let (asking, distance) = (if ahead > 0 { count.saturating_sub(rows) } else { 0 }, rows.wrapping_mul(y.1));
    for k in 0..count {
        if k < asking {
            for line in (0..ahead).step_by(64) {
                ask(to.wrapping_add(distance).wrapping_add(line));
            }
        }
        row(from, to);
        (from, to) = (from.wrapping_add(x.1), to.wrapping_add(y.1));
    }
}

/// Asks for a line of the cache that will be written: where another core has it, that takes long.
#[inline(always)]
#[cfg(target_arch = "x86_64")]
pub(super) fn ask(line: *const u8) {
    // SAFETY: nothing is read or written, wherever the line is; processors without the instruction pass over it.
    unsafe { core::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags)) };
}

/// Other processors write more before a line has come.
#[inline(always)]
#[cfg(not(target_arch = "x86_64"))]
fn ask(_: *const u8) {}

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
