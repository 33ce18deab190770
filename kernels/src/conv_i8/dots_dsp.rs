//! Sums of products on Cortex-M DSP. Four weights are a step: `sxtb16` widens 0 and 2, and, turned by a byte, 1 and 3.
#![allow(unsafe_code)] // Instructions that no intrinsic gives.

use core::arch::{asm, naked_asm};

use crate::assembly::core_instructions;

/// The pairs 0, 2 and 1, 3 of four bytes, as int16.
#[inline(always)]
pub(super) fn widened(word: u32) -> (u32, u32) {
    let (even, odd): (u32, u32);
    // SAFETY: reads and writes registers only.
    unsafe {
        asm!("sxtb16 {even}, {word}", "sxtb16 {odd}, {word}, ror #8", word = in(reg) word, even = out(reg) even,
            odd = lateout(reg) odd, options(pure, nomem, nostack, preserves_flags));
    }
    (even, odd)
}

/// `sum + a.low * b.low + a.high * b.high`.
#[inline(always)]
fn smlad(a: u32, b: u32, sum: i32) -> i32 {
    let total: i32;
    // SAFETY: reads and writes registers, and the sticky overflow flag, which nobody reads.
    unsafe {
        asm!("smlad {t}, {a}, {b}, {s}", t = lateout(reg) total, a = in(reg) a, b = in(reg) b, s = in(reg) sum,
            options(pure, nomem, nostack, preserves_flags));
    }
    total
}

/// Adds the products of rows of weights with `P` windows (four or one) of `len` values to `sums` `[channels][P]`. The weights
/// of a row are the first `len` of its `row` bytes; the last row may end with them. `wide` holds for every four values the
/// pair 0, 2 of each window, then the pair 1, 3 of each, zeros for what is missing to four.
#[inline(always)]
pub(crate) fn add<const P: usize>(weights: &[i8], row: usize, len: usize, wide: &[u32], sums: &mut [i32]) {
    let room = len.wrapping_add(3) & !3;
    let channels = sums.len() >> P.trailing_zeros();
    // A step reads four weights: past the end of a row they meet zeros, and past the last row there are none. So only
    // channels after which there are enough are read in whole steps.
    let spare = weights.len().checked_sub(room).filter(|_| wide.len() >= (room >> 1).wrapping_mul(P));
    let whole = spare.map_or(0, |n| n.checked_div(row).unwrap_or(0).wrapping_add(1)).min(channels);
    let count = if P == 4 { whole } else { whole >> 2 };
    let rows = Rows { weights: weights.as_ptr(), wide: wide.as_ptr(), steps: room >> 2, count, row };
    match (if room == 0 { 0 } else { count }, P) {
        (0, _) => {}
        // SAFETY: the rows of `count` channels have `room` weights from here on, and as many values are widened.
        (_, 4) => unsafe { four_pixels(&rows, sums.as_mut_ptr()) },
        // SAFETY: as above, for four times as many channels.
        _ => unsafe { four_channels(&rows, sums.as_mut_ptr()) },
    }
    let done = if P == 4 { count } else { count.wrapping_mul(4) };
    let mut at = done.wrapping_mul(row);
    for sums in crate::rows::rows_mut(sums.get_mut(done.wrapping_mul(P)..).unwrap_or_default(), P) {
        one::<P>(weights.get(at..at.wrapping_add(len)).unwrap_or_default(), wide, sums);
        at = at.wrapping_add(row);
    }
}

/// One channel times `P` windows, without a read beyond the row.
fn one<const P: usize>(row: &[i8], wide: &[u32], sums: &mut [i32]) {
    let mut wide = wide;
    let (fours, rest) = row.as_chunks::<4>();
    let mut last = [0; 4];
    for (to, &from) in last.iter_mut().zip(rest) {
        *to = from;
    }
    for four in fours.iter().chain((!rest.is_empty()).then_some(&last)) {
        let (even, odd) = widened(u32::from_le_bytes(four.map(i8::cast_unsigned)));
        let Some((evens, tail)) = wide.split_first_chunk::<P>() else { return };
        let Some((odds, tail)) = tail.split_first_chunk::<P>() else { return };
        for (sum, (&a, &b)) in sums.iter_mut().zip(evens.iter().zip(odds)) {
            *sum = smlad(odd, b, smlad(even, a, *sum));
        }
        wide = tail;
    }
}

/// Widens `fours` words (at least one) of `from`: the pairs 0, 2 of each go to `to`, the pairs 1, 3 `step` bytes further, the
/// next word's two `step` bytes further each.
///
/// # Safety
/// There are so many bytes, and words for them.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn widen(from: *const i8, fours: usize, to: *mut u32, step: usize) {
    naked_asm!(
        core_instructions!(),
        "push {{r4, lr}}",
        "lsrs r1, r1, #1",
        "bcc 2f",
        "ldr r12, [r0], #4",
        "sxtb16 r4, r12",
        "sxtb16 r12, r12, ror #8",
        "str r4, [r2]",
        "str r12, [r2, r3]",
        "add r2, r2, r3, lsl #1",
        "2: beq 4f",
        "3:",
        "ldr r12, [r0], #4",
        "ldr lr, [r0], #4",
        "sxtb16 r4, r12",
        "sxtb16 r12, r12, ror #8",
        "str r4, [r2]",
        "str r12, [r2, r3]",
        "add r2, r2, r3, lsl #1",
        "sxtb16 r4, lr",
        "sxtb16 lr, lr, ror #8",
        "str r4, [r2]",
        "str lr, [r2, r3]",
        "add r2, r2, r3, lsl #1",
        "subs r1, r1, #1",
        "bne 3b",
        "4: pop {{r4, pc}}",
    )
}

/// What several channels are multiplied with.
#[repr(C)]
struct Rows {
    /// The first weight of the first channel.
    weights: *const i8,
    /// Widened values.
    wide: *const u32,
    /// Groups of four weights, at least one.
    steps: usize,
    /// Channels, at least one; for [`four_channels`] groups of four.
    count: usize,
    /// Bytes from a row of weights to the next.
    row: usize,
}

/// A step of [`four_pixels`].
macro_rules! step {
    () => {
        "ldr r12, [r0], #4
         ldm r1!, {{r4-r7}}
         sxtb16 lr, r12
         sxtb16 r12, r12, ror #8
         smlad r8, lr, r4, r8
         smlad r9, lr, r5, r9
         smlad r10, lr, r6, r10
         smlad r11, lr, r7, r11
         ldm r1!, {{r4-r7}}
         smlad r8, r12, r4, r8
         smlad r9, r12, r5, r9
         smlad r10, r12, r6, r10
         smlad r11, r12, r7, r11"
    };
}

/// Channels times four windows, added to `sums` `[count][4]`.
///
/// # Safety
/// There are `4 * steps` weights at the start of every row and `8 * steps` widened words.
#[unsafe(naked)]
unsafe extern "C" fn four_pixels(rows: &Rows, sums: *mut i32) {
    // On the stack: the widened values, the steps, the channels left, the bytes from the end of a row to the next one.
    naked_asm!(
        core_instructions!(),
        "push {{r4-r11, lr}}",
        "ldm r0, {{r0, r4, r5, r6, r7}}",
        "mov r3, r1",
        "sub r7, r7, r5, lsl #2",
        "push {{r4, r5, r6, r7}}",
        "2:",
        "ldrd r1, r2, [sp]",
        "ldm r3, {{r8-r11}}",
        "lsrs r2, r2, #1",
        "bcc 3f",
        step!(),
        "3: lsrs r2, r2, #1",
        "bcc 4f",
        step!(),
        step!(),
        "4: beq 6f",
        "5:",
        step!(),
        step!(),
        step!(),
        step!(),
        "subs r2, r2, #1",
        "bne 5b",
        "6: stm r3!, {{r8-r11}}",
        "ldrd r6, r7, [sp, #8]",
        "add r0, r0, r7",
        "subs r6, r6, #1",
        "str r6, [sp, #8]",
        "bne 2b",
        "add sp, sp, #16",
        "pop {{r4-r11, pc}}",
    )
}

/// A step of one channel in [`four_channels`], whose weights `$load` reads.
macro_rules! channel {
    ($load:literal, $sum:literal) => {
        concat!(
            $load,
            "\n sxtb16 lr, r12\n sxtb16 r12, r12, ror #8\n smlad ",
            $sum,
            ", lr, r4, ",
            $sum,
            "\n smlad ",
            $sum,
            ", r12, r5, ",
            $sum
        )
    };
}

/// A step of [`four_channels`].
macro_rules! channels {
    () => {
        concat!(
            "ldrd r4, r5, [r1], #8\n",
            channel!("ldr r12, [r0, r6]", "r9"),
            "\n",
            channel!("ldr r12, [r0, r6, lsl #1]", "r10"),
            "\n",
            channel!("ldr r12, [r0, r7]", "r11"),
            "\n",
            channel!("ldr r12, [r0], #4", "r8")
        )
    };
}

/// Four channels at a time times one window, added to `sums` `[4 * count]`.
///
/// # Safety
/// There are `4 * steps` weights at the start of every row and `2 * steps` widened words.
#[unsafe(naked)]
unsafe extern "C" fn four_channels(rows: &Rows, sums: *mut i32) {
    // On the stack: the widened values, the steps, the channels left, the bytes from the end of a row to the fourth next.
    naked_asm!(
        core_instructions!(),
        "push {{r4-r11, lr}}",
        "mov r3, r1",
        "ldm r0, {{r0, r4, r5, r8, r9}}",
        "mov r6, r9",
        "add r7, r6, r6, lsl #1",
        "lsl r9, r9, #2",
        "sub r9, r9, r5, lsl #2",
        "push {{r4, r5, r8, r9}}",
        "2:",
        "ldrd r1, r2, [sp]",
        "ldm r3, {{r8-r11}}",
        "lsrs r2, r2, #1",
        "bcc 4f",
        channels!(),
        "4: beq 6f",
        "5:",
        channels!(),
        channels!(),
        "subs r2, r2, #1",
        "bne 5b",
        "6: stm r3!, {{r8-r11}}",
        "ldrd r4, r5, [sp, #8]",
        "add r0, r0, r5",
        "subs r4, r4, #1",
        "str r4, [sp, #8]",
        "bne 2b",
        "add sp, sp, #16",
        "pop {{r4-r11, pc}}",
    )
}
