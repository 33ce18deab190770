//! NEON: 16 elements at a time, looked up in four parts of 64 entries.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::aarch64::*;

use crate::{Isa, Level};

/// Looks whole vectors up, `x` being `y` itself where it is `None`; how many elements.
pub(super) fn run(isa: Isa, table: &[i8; 256], x: Option<&[i8]>, y: &mut [i8]) -> usize {
    let count = x.map_or(y.len(), |x| x.len().min(y.len())) & !15;
    if isa.level() < Level::Neon || count == 0 {
        return 0;
    }
    let from = x.map_or(y.as_ptr(), <[i8]>::as_ptr);
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it; both sides have so many elements.
    unsafe { all(table, from, y.as_mut_ptr(), count) };
    count
}

/// Looks `count` elements up, a multiple of 16.
///
/// # Safety
/// Both pointers have so many elements, of two tensors or of one.
#[target_feature(enable = "neon")]
unsafe fn all(table: &[i8; 256], from: *const i8, to: *mut i8, count: usize) {
    let part = |start: usize| {
        // SAFETY: the four parts of 64 entries lie in the table.
        unsafe { vld1q_s8_x4(table.as_ptr().add(start)) }
    };
    let parts = [part(0), part(64), part(128), part(192)];
    let mut k = 0;
    while k < count {
        // SAFETY: 16 elements from k on are there.
        let x = unsafe { vld1q_s8(from.add(k)) };
        let mut index = veorq_u8(vreinterpretq_u8_s8(x), vdupq_n_u8(0x80));
        // An index outside a part gives 0 at first, and keeps what is there later.
        let mut found = vqtbl4q_s8(parts[0], index);
        for part in parts.into_iter().skip(1) {
            index = vsubq_u8(index, vdupq_n_u8(64));
            found = vqtbx4q_s8(found, part, index);
        }
        // SAFETY: as above; x was read before.
        unsafe { vst1q_s8(to.add(k), found) };
        k += 16;
    }
}
