//! What the programs for bare metal share.
#![no_std]

pub mod faults;

use semihosting::experimental::env;

/// The number that stands at this place of the command line, the program's name being at 0.
pub fn argument(place: usize) -> Option<u32> {
    let all = env::args::<256>().ok()?;
    (&all).nth(place)?.ok()?.parse().ok()
}

/// One past the last of `len` bytes that does not hold the paint any more.
pub fn highest_touched(start: *const u8, len: usize, paint: u8) -> usize {
    // SAFETY: the memory is a static of this length; the pointer is made from it.
    let touched = |&at: &usize| unsafe { start.add(at).read_volatile() } != paint;
    (0..len).rev().find(touched).map_or(0, |last| last + 1)
}

/// The most bytes of stack that were in use: the runtime fills it with a pattern before `main`.
pub fn stack_used() -> usize {
    unsafe extern "C" {
        static mut _stack_end: u32;
        static mut _stack_start: u32;
    }
    const PATTERN: u32 = 0xCCCC_CCCC;
    let (mut at, end) = (core::ptr::addr_of!(_stack_end), core::ptr::addr_of!(_stack_start));
    // SAFETY: the linker script places the stack between the two.
    while at < end && unsafe { at.read_volatile() } == PATTERN {
        at = at.wrapping_add(1);
    }
    (end as usize) - (at as usize)
}
