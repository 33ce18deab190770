//! Helium: one input pixel times two output channels, 16 products by an instruction. The tail-predicated loop needs no rest.
#![allow(unsafe_code)] // Instructions that no intrinsic gives, in a function of the C calling convention.

use core::arch::naked_asm;

use super::phases::{self, Kernel};
use super::{Operands, Params};
use crate::assembly::core_instructions;
use crate::conv_i8::layout;
use crate::pixels::Pixels;
use crate::round::Output;
use crate::round_helium::outputs;
use crate::{Isa, Level};

/// Convolves with weights in rows; false where the core or the layout is another one, a multiplier is no number, or there
/// is no room.
pub(super) fn run(isa: Isa, params: &Params, o: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    let numbers = o.multipliers.iter().all(|m| m.is_finite());
    if isa.level() < Level::Helium || params.layout != layout::ROWS || !numbers {
        return false;
    }
    phases::run(&mut Helium(params.output), params, o, pixels, y)
}

/// With the way to int8.
struct Helium(Output);

impl Kernel for Helium {
    fn add(&mut self, x: &[i8], weights: &[i8], row: usize, sums: &mut [i32]) {
        // All rows have their weights where the last one has.
        let last = sums.len().wrapping_sub(1).wrapping_mul(row);
        if x.is_empty() || sums.is_empty() || last.wrapping_add(x.len()) > weights.len() {
            return;
        }
        let pairs = sums.len() >> 1;
        if pairs > 0 {
            // SAFETY: each of these rows has as many weights as there are values.
            unsafe { two(x.as_ptr(), weights.as_ptr(), &Rows { len: x.len(), row, pairs }, sums.as_mut_ptr()) };
        }
        if let (1, Some(sum)) = (sums.len() & 1, sums.last_mut()) {
            let (mut twice, rows) = ([*sum; 2], Rows { len: x.len(), row: 0, pairs: 1 });
            // SAFETY: as above, with the last row in the place of both.
            unsafe { two(x.as_ptr(), weights.as_ptr().wrapping_add(last), &rows, twice.as_mut_ptr()) };
            *sum = twice[0];
        }
    }

    fn finish(&self, sums: &[i32], multipliers: &[f32], y: &mut [i8]) {
        outputs(&self.0, sums, multipliers, y);
    }
}

/// What values are multiplied with.
#[repr(C)]
struct Rows {
    /// Values, at least one.
    len: usize,
    /// Bytes from a row of weights to the next.
    row: usize,
    /// Pairs of rows, at least one.
    pairs: usize,
}

/// Adds products to pairs of sums.
///
/// # Safety
/// There are so many values, rows with as many weights, and sums.
#[unsafe(naked)]
unsafe extern "C" fn two(x: *const i8, weights: *const i8, rows: &Rows, sums: *mut i32) {
    naked_asm!(
        core_instructions!(),
        "push {{r4-r10, lr}}",
        "ldm r2, {{r8, r9, r10}}",
        "2:",
        "mov r5, r0",
        "mov r6, r1",
        "add r7, r1, r9",
        "ldr r4, [r3]",
        "ldr r12, [r3, #4]",
        "dlstp.8 lr, r8",
        "3:",
        "vldrb.u8 q0, [r5], #16",
        "vldrb.u8 q1, [r6], #16",
        "vmladava.s8 r4, q0, q1",
        "vldrb.u8 q2, [r7], #16",
        "vmladava.s8 r12, q0, q2",
        "letp lr, 3b",
        "str r4, [r3], #4",
        "str r12, [r3], #4",
        "add r1, r1, r9, lsl #1",
        "subs r10, r10, #1",
        "bne 2b",
        "pop {{r4-r10, pc}}",
    )
}
