//! Rows of 3x3 depthwise convolutions on Cortex-M DSP, two outputs at a time.
//!
//! A word of a row holds the inputs 0 to 3; `sxtb16` makes the pairs 0, 2 and 1, 3 of it. The first output is the pair 0, 2
//! times the outer weights plus 1 times the middle one, the second the pair 1, 3 times the outer weights plus 2 times the
//! middle one.
#![allow(unsafe_code)] // Instructions that no intrinsic gives.

use core::arch::naked_asm;

use crate::assembly::core_instructions;

/// Some rows of one channel.
#[repr(C)]
pub(super) struct Rows {
    /// The first input of the first window.
    pub(super) x: *const i8,
    /// Bytes from a row of input to the next.
    pub(super) width: usize,
    /// The outer weights of every row, as pairs.
    pub(super) outer: [u32; 3],
    /// The middle weights of the first two rows, as a pair, and of the third.
    pub(super) middle: [u32; 2],
    /// Bytes from an output to the next.
    pub(super) stride: usize,
    /// The first output.
    pub(super) y: *mut i8,
    /// Pairs of outputs in a row, and whether there is one more.
    pub(super) pairs: usize,
    pub(super) odd: u32,
    /// Twice the bias.
    pub(super) bias: [i32; 2],
    pub(super) zero_point: i32,
    pub(super) low: i32,
    pub(super) high: i32,
    pub(super) multiplier: f32,
    /// Rows of output, at least one.
    pub(super) rows: usize,
    /// Bytes from the first input of a row of windows to that of the next.
    pub(super) row_step: usize,
}

/// A row of weights with the word `$load` reads, where outputs are neighbours.
macro_rules! near {
    ($load:literal, $outer:literal, $middle:literal, $half:literal) => {
        concat!(
            "ldr r10, ",
            $load,
            "\n sxtb16 r11, r10, ror #8\n sxtb16 r10, r10\n smlad r8, r10, ",
            $outer,
            ", r8\n smlab",
            $half,
            " r8, r11, ",
            $middle,
            ", r8\n smlad r9, r11, ",
            $outer,
            ", r9\n smlat",
            $half,
            " r9, r10, ",
            $middle,
            ", r9\n"
        )
    };
}

/// One output's part of a row, where windows are two apart: its word is at `$load`.
macro_rules! far {
    ($load:literal, $sum:literal, $outer:literal, $middle:literal, $half:literal) => {
        concat!(
            "ldr r10, ",
            $load,
            "\n sxtb16 r11, r10, ror #8\n sxtb16 r10, r10\n smlad ",
            $sum,
            ", r10, ",
            $outer,
            ", ",
            $sum,
            "\n smlab",
            $half,
            " ",
            $sum,
            ", r11, ",
            $middle,
            ", ",
            $sum,
            "\n"
        )
    };
}

/// The sums of two neighbours.
macro_rules! near_sums {
    () => {
        concat!(
            near!("[r0]", "r2", "r5", "b"),
            near!("[r0, r1]", "r3", "r5", "t"),
            near!("[r0, r1, lsl #1]", "r4", "r6", "b"),
            "add r0, r0, #2\n"
        )
    };
}

/// The sums of two outputs whose windows are two apart.
macro_rules! far_sums {
    () => {
        concat!(
            far!("[r0, r1]", "r8", "r3", "r5", "t"),
            far!("[r0, r1, lsl #1]", "r8", "r4", "r6", "b"),
            far!("[r0], #2", "r8", "r2", "r5", "b"),
            far!("[r0, r1]", "r9", "r3", "r5", "t"),
            far!("[r0, r1, lsl #1]", "r9", "r4", "r6", "b"),
            far!("[r0], #2", "r9", "r2", "r5", "b"),
        )
    };
}

/// r8 and r9 within the bounds of int8.
macro_rules! int8 {
    () => {
        "ssat r8, #8, r8\n ssat r9, #8, r9\n"
    };
}

/// r8 and r9 within the bounds in s13 and s14.
macro_rules! bounds {
    () => {
        "vmov r10, r11, s13, s14
         cmp r8, r10\n it lt\n movlt r8, r10\n cmp r8, r11\n it gt\n movgt r8, r11
         cmp r9, r10\n it lt\n movlt r9, r10\n cmp r9, r11\n it gt\n movgt r9, r11\n"
    };
}

/// Everything after the start, under a label.
macro_rules! body {
    ($label:literal, $sums:expr, $clamp:expr) => {
        concat!(
            $label,
            ": cmp lr, #0\n beq 7f\n 5: vmov r8, r9, s10, s11\n",
            $sums,
            "vmov s0, s1, r8, r9
             vcvt.f32.s32 s0, s0
             vcvt.f32.s32 s1, s1
             vmul.f32 s0, s0, s15
             vmul.f32 s1, s1, s15
             vcvtr.s32.f32 s0, s0
             vcvtr.s32.f32 s1, s1
             vmov r10, s12
             vmov r8, r9, s0, s1
             qadd r8, r8, r10
             qadd r9, r9, r10
             ",
            $clamp,
            // The first is written last, since a lone output has no place for the second.
            "strb r9, [r12, r7]
             strb r8, [r12]
             add r12, r12, r7, lsl #1
             subs lr, lr, #1
             bne 5b
             7: vmov r10, s9
             cmp r10, #0
             beq 8f
             mov r7, #0
             vmov s9, r7
             mov lr, #1
             b 5b
             8: ldr r10, [sp]
             ldr r8, [r10, #68]
             subs r8, r8, #1
             str r8, [r10, #68]
             beq 9f
             ldr r0, [r10]
             ldr r9, [r10, #72]
             add r0, r0, r9
             str r0, [r10]
             ldr lr, [r10, #36]
             vldr s9, [r10, #40]
             ldr r9, [r10, #40]
             ldr r7, [r10, #28]
             mla r12, r9, r7, r12
             b ",
            $label,
            "b
             9: add sp, sp, #4
             pop {{r4-r11, pc}}\n"
        )
    };
}

/// From the structure to registers; goes on at 3 where the bounds are those of int8.
macro_rules! start {
    () => {
        "push {{r4-r11, lr}}
         push {{r0}}
         add r1, r0, #40
         vldmia r1, {{s9-s15}}
         ldr lr, [r0, #36]
         ldr r12, [r0, #32]
         ldm r0, {{r0-r7}}
         vmov r10, r11, s13, s14
         cmn r10, #128
         it eq
         cmpeq r11, #127
         beq 3f\n"
    };
}

/// Rows of outputs whose windows are neighbours.
///
/// # Safety
/// Every row of windows has three rows of input with at least one byte more than its last window; the outputs exist.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn near(rows: &mut Rows) {
    naked_asm!(core_instructions!(), start!(), body!("2", near_sums!(), bounds!()), body!("3", near_sums!(), int8!()))
}

/// Rows of outputs whose windows are two apart.
///
/// # Safety
/// Every row of windows has three rows of input with at least three bytes more than its last window; the outputs exist.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn far(rows: &mut Rows) {
    naked_asm!(core_instructions!(), start!(), body!("2", far_sums!(), bounds!()), body!("3", far_sums!(), int8!()))
}

/// Copies `count` bytes that lie `step` apart to neighbours.
///
/// # Safety
/// They exist.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn gather(from: *const i8, step: usize, to: *mut i8, count: usize) {
    naked_asm!(
        core_instructions!(),
        "push {{r4-r7, lr}}",
        "add r12, r1, r1, lsl #1",
        "subs r3, r3, #4",
        "blo 3f",
        "2:",
        "ldrb r4, [r0]",
        "ldrb r5, [r0, r1]",
        "ldrb r6, [r0, r1, lsl #1]",
        "ldrb r7, [r0, r12]",
        "add r0, r0, r1, lsl #2",
        "orr r4, r4, r5, lsl #8",
        "orr r6, r6, r7, lsl #8",
        "orr r4, r4, r6, lsl #16",
        "str r4, [r2], #4",
        "subs r3, r3, #4",
        "bhs 2b",
        "3:",
        "adds r3, r3, #4",
        "beq 5f",
        "4:",
        "ldrb r4, [r0]",
        "add r0, r0, r1",
        "strb r4, [r2], #1",
        "subs r3, r3, #1",
        "bne 4b",
        "5: pop {{r4-r7, pc}}",
    )
}
