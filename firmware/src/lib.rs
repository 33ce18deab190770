//! What the programs for bare metal share.
#![no_std]

pub mod faults;
pub mod samples;

use core::ffi::CStr;

use semihosting::experimental::env;
use semihosting::fs::File;
use semihosting::io::Read;

/// The longest command line.
const COMMAND: usize = 512;

/// The number that stands at this place of the command line, the program's name being at 0.
#[inline(never)]
pub fn argument(place: usize) -> Option<u32> {
    let all = env::args::<COMMAND>().ok()?;
    (&all).nth(place)?.ok()?.parse().ok()
}

/// The path that stands at this place of the command line.
#[inline(never)]
fn path(place: usize) -> Option<Path> {
    let all = env::args::<COMMAND>().ok()?;
    let mut bytes = [0; COMMAND];
    let text = (&all).nth(place)?.ok()?.as_bytes();
    bytes.get_mut(..text.len())?.copy_from_slice(text);
    Some(Path(bytes))
}

/// Reads the file that the command line names at this place; `None` where it names none, or one that fills the buffer.
#[inline(never)]
pub fn file(place: usize, buffer: &mut [u8]) -> Option<&mut [u8]> {
    let mut file = File::open(path(place)?).ok()?;
    let mut len = 0;
    loop {
        match file.read(buffer.get_mut(len..).filter(|rest| !rest.is_empty())?).ok()? {
            0 => return buffer.get_mut(..len),
            count => len += count,
        }
    }
}

/// A path with a zero byte behind it.
struct Path([u8; COMMAND]);

impl AsRef<CStr> for Path {
    fn as_ref(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
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
