//! SSE4.1, first layers: rows of input that are widened once, in a ring.
#![allow(unsafe_code)] // Pointers into the ring, and the entry into code that needs the instruction set.

use core::mem::MaybeUninit;

use super::panel::Job;
use super::ring::ring;
use super::sse41::{Finish, add, load};
use super::{Operands, Params, layout, stem};
use crate::pixels::{Pixels, place};
use crate::{Isa, Level};

/// Convolves with weights in O16R2; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Sse41 || params.layout != layout::O16R2 {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(params, operands, pixels, y) };
    true
}

ring!("sse4.1");
