//! From sums to int8 on Cortex-M with floating point: rounding and clamping of the numeric contract.
//!
//! `vcvtr` rounds to nearest even, which is the mode of reset and the one that Rust relies on, and saturates. Bounds are
//! integers, so that a clamp after the rounding gives the same as the contract's clamp before it; only for a NaN it does
//! not, which is why these are for multipliers that are numbers.
#![allow(unsafe_code)] // Instructions that no intrinsic gives, in functions of the C calling convention.

use core::arch::naked_asm;

use crate::assembly::core_instructions;

use crate::round::Output;

/// The rest of a call of [`pixels`] and [`channels`].
#[repr(C)]
pub(crate) struct Target {
    /// Where outputs go.
    pub(crate) y: *mut i8,
    /// Bytes from one output to the next of the same channel, or of the same pixel.
    pub(crate) stride: usize,
    zero_point: i32,
    low: i32,
    high: i32,
}

impl Target {
    /// Outputs from `y` on, in steps of `stride`.
    pub(crate) fn new(y: *mut i8, stride: usize, output: &Output) -> Self {
        Self { y, stride, zero_point: output.zero_point, low: output.low, high: output.high }
    }
}

/// Four sums in s0 to s3 times multipliers become numbers in r4 to r7, with r10 as their zero point.
macro_rules! four {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "vcvt.f32.s32 s0, s0
             vcvt.f32.s32 s1, s1
             vcvt.f32.s32 s2, s2
             vcvt.f32.s32 s3, s3
             vmul.f32 s0, s0, ",
            $a,
            "
             vmul.f32 s1, s1, ",
            $b,
            "
             vmul.f32 s2, s2, ",
            $c,
            "
             vmul.f32 s3, s3, ",
            $d,
            "
             vcvtr.s32.f32 s0, s0
             vcvtr.s32.f32 s1, s1
             vcvtr.s32.f32 s2, s2
             vcvtr.s32.f32 s3, s3
             vmov r4, r5, s0, s1
             vmov r6, r7, s2, s3
             qadd r4, r4, r10
             qadd r5, r5, r10
             qadd r6, r6, r10
             qadd r7, r7, r10"
        )
    };
}

/// r4 to r7 within the bounds of int8.
macro_rules! int8 {
    () => {
        "ssat r4, #8, r4
         ssat r5, #8, r5
         ssat r6, #8, r6
         ssat r7, #8, r7"
    };
}

/// A register within the bounds in r11 and r12.
macro_rules! bound {
    ($r:literal) => {
        concat!("cmp ", $r, ", r11\n it lt\n movlt ", $r, ", r11\n cmp ", $r, ", r12\n it gt\n movgt ", $r, ", r12")
    };
}

/// r4 to r7 within the bounds in r11 and r12.
macro_rules! bounds {
    () => {
        concat!(bound!("r4"), "\n", bound!("r5"), "\n", bound!("r6"), "\n", bound!("r7"))
    };
}

/// A channel of four pixels at a time.
macro_rules! pixels_loop {
    ($label:literal, $clamp:expr) => {
        concat!(
            $label,
            ": ldm r0!, {{r4-r7}}
             vldmia r1!, {{s4}}
             vmov s0, s1, r4, r5
             vmov s2, s3, r6, r7
             ",
            four!("s4", "s4", "s4", "s4"),
            "\n",
            $clamp,
            "
             strb r5, [r3, r8]
             strb r6, [r3, r8, lsl #1]
             strb r7, [r3, r9]
             strb r4, [r3], #1
             subs r2, r2, #1
             bne ",
            $label,
            "b
             pop {{r4-r11, pc}}"
        )
    };
}

/// Four channels of a pixel at a time.
macro_rules! channels_loop {
    ($label:literal, $clamp:expr) => {
        concat!(
            $label,
            ": vldmia r0!, {{s0-s3}}
             vldmia r1!, {{s4-s7}}
             ",
            four!("s4", "s5", "s6", "s7"),
            "\n",
            $clamp,
            "
             strb r5, [r3, #1]
             strb r6, [r3, #2]
             strb r7, [r3, #3]
             strb r4, [r3], #4
             subs r2, r2, #1
             bne ",
            $label,
            "b
             pop {{r4-r11, pc}}"
        )
    };
}

/// Reads the target: r3 becomes y, r8 the stride, r9 three strides, r10 to r12 zero point and bounds. Goes on at 3 where
/// the bounds are those of int8.
macro_rules! start {
    () => {
        "push {{r4-r11, lr}}
         ldm r3, {{r3, r8, r10, r11, r12}}
         add r9, r8, r8, lsl #1
         cmn r11, #128
         it eq
         cmpeq r12, #127
         beq 3f"
    };
}

/// Outputs of four pixels and `count` channels (at least one): `sums` `[count][4]`, `multipliers` `[count]`; the outputs of
/// a pixel lie side by side, the pixels `stride` apart.
///
/// # Safety
/// The operands have these sizes, and multipliers are numbers.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn pixels(sums: *const i32, multipliers: *const f32, count: usize, target: &Target) {
    naked_asm!(core_instructions!(), start!(), pixels_loop!("2", bounds!()), pixels_loop!("3", int8!()))
}

/// Outputs of one pixel and `4 * fours` channels (at least four), side by side: `sums` and `multipliers` `[4 * fours]`.
///
/// # Safety
/// The operands have these sizes, and multipliers are numbers.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn channels(sums: *const i32, multipliers: *const f32, fours: usize, target: &Target) {
    naked_asm!(core_instructions!(), start!(), channels_loop!("2", bounds!()), channels_loop!("3", int8!()))
}
