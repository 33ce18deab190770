//! Cortex-M: all channels of a pixel, tap by tap, four at a time; on cores with Helium sixteen.
#![allow(unsafe_code)] // Instructions that no intrinsic gives, in a function of the C calling convention.

use core::arch::naked_asm;

use super::Params;
use crate::assembly::core_instructions;
use crate::pixels::{Pixels, places};
use crate::rows::rows_mut;
use crate::{Isa, Level};

/// Pools; false where the core is another one.
pub(super) fn run(isa: Isa, params: &Params, x: &[i8], pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Dsp {
        return false;
    }
    let g = &params.geometry;
    let (rows, columns, channels) = (g.rows(), g.columns(), g.channels as usize);
    for ([n, row, column], y) in places(pixels.clone(), g.out_height, g.out_width).zip(rows_mut(y, channels)) {
        y.fill(i8::MIN);
        for kh in rows.taps(row) {
            let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
            for kw in columns.taps(column) {
                let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
                let start = pixel.wrapping_mul(channels);
                keep_greater(y, x.get(start..start.wrapping_add(channels)).unwrap_or_default());
            }
        }
    }
    true
}

/// Keeps the greater of every two elements, which both slices have as many of.
#[cfg(not(feature = "helium"))]
fn keep_greater(y: &mut [i8], x: &[i8]) {
    let ((fours, rest), (x_fours, x_rest)) = (y.as_chunks_mut::<4>(), x.as_chunks::<4>());
    let count = fours.len().min(x_fours.len());
    if count > 0 {
        // SAFETY: both have so many fours.
        unsafe { greater(fours.as_mut_ptr().cast(), x_fours.as_ptr().cast(), count) };
    }
    for (y, &x) in rest.iter_mut().zip(x_rest) {
        *y = x.max(*y);
    }
}

/// Keeps the greater of every two elements, which both slices have as many of.
#[cfg(feature = "helium")]
fn keep_greater(y: &mut [i8], x: &[i8]) {
    // SAFETY: both have so many elements; none are none.
    unsafe { greater(y.as_mut_ptr(), x.as_ptr(), y.len().min(x.len())) };
}

/// Keeps the greater of every two elements.
///
/// # Safety
/// Both pointers have `fours` times four elements, and there is at least one four.
#[cfg(not(feature = "helium"))]
#[unsafe(naked)]
unsafe extern "C" fn greater(y: *mut i8, x: *const i8, fours: usize) {
    naked_asm!(
        core_instructions!(),
        "push {{r4, lr}}",
        "2:",
        "ldr r3, [r0]",
        "ldr r12, [r1], #4",
        // Four differences, of which only the signs are kept: they choose the bytes.
        "ssub8 r4, r3, r12",
        "sel r3, r3, r12",
        "str r3, [r0], #4",
        "subs r2, r2, #1",
        "bne 2b",
        "pop {{r4, pc}}",
    )
}

/// Keeps the greater of every two elements.
///
/// # Safety
/// Both pointers have `count` elements.
#[cfg(feature = "helium")]
#[unsafe(naked)]
unsafe extern "C" fn greater(y: *mut i8, x: *const i8, count: usize) {
    naked_asm!(
        core_instructions!(),
        "push {{r4, lr}}",
        "wlstp.8 lr, r2, 3f",
        "2:",
        "vldrb.u8 q0, [r0]",
        "vldrb.u8 q1, [r1], #16",
        "vmax.s8 q0, q0, q1",
        "vstrb.8 q0, [r0], #16",
        "letp lr, 2b",
        "3:",
        "pop {{r4, pc}}",
    )
}
