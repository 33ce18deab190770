//! What the programs for bare metal share.
#![no_std]

use semihosting::experimental::env;

/// The number that stands at this place of the command line, the program's name being at 0.
pub fn argument(place: usize) -> Option<u32> {
    let all = env::args::<256>().ok()?;
    (&all).nth(place)?.ok()?.parse().ok()
}
