//! Cortex-M: elementwise functions of two int8 tensors that meet by broadcasting. Their loops are in assembly, over rows of
//! dense operands.
#![allow(unsafe_code)] // The calls of loops in assembly.

use crate::broadcast::Broadcast;
use crate::pairs::{Row, each_row};

/// An element that is repeated becomes so many at a time.
const REPEATED: usize = 16;
/// Shorter rows are computed one element at a time: a call costs more.
const SHORT: usize = 4;

/// A function of two int8 numbers.
pub(crate) trait Function {
    /// The loop computes multiples of so many elements, a power of two of at most [`SHORT`].
    const STEP: usize;

    /// The function.
    fn one(&self, a: i8, b: i8) -> i8;

    /// Computes `count` elements, at least one step.
    ///
    /// # Safety
    /// All three pointers have so many; a or b may be y.
    unsafe fn many(&self, a: *const i8, b: *const i8, y: *mut i8, count: usize);
}

/// Applies the function; an operand that is `None` is `y` itself. The operands fit the broadcasting.
pub(crate) fn all(f: &impl Function, broadcast: &Broadcast, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) {
    each_row(broadcast, a, b, y, |a, b, y| row(f, a, b, y));
}

#[inline(always)]
fn row<F: Function>(f: &F, a: Row<'_>, b: Row<'_>, y: &mut [i8]) {
    let whole = if y.len() < SHORT { 0 } else { y.len() & F::STEP.wrapping_neg() };
    let to = y.as_mut_ptr();
    let from = |row: &Row<'_>| match row {
        Row::Dense(x) => Some(x.as_ptr()),
        Row::Repeated(_) => None,
        Row::Output => Some(to.cast_const()),
    };
    match (from(&a), from(&b)) {
        _ if whole == 0 => {}
        // SAFETY: a dense row is as long as the output's.
        (Some(a), Some(b)) => unsafe { f.many(a, b, to, whole) },
        (a_start, b_start) => {
            let repeated = [a, b].map(|row| [row.one(0, 0).unwrap_or(0); REPEATED]);
            blocks(f, (a_start, b_start), &repeated, y, whole);
        }
    }
    for (k, y) in y.iter_mut().enumerate().skip(whole) {
        if let (Some(a), Some(b)) = (a.one(k, *y), b.one(k, *y)) {
            *y = f.one(a, b);
        }
    }
}

/// The first `whole` elements of a row; an operand without a start is repeated.
#[inline(never)]
fn blocks(
    f: &impl Function,
    (a, b): (Option<*const i8>, Option<*const i8>),
    repeated: &[[i8; REPEATED]; 2],
    y: &mut [i8],
    whole: usize,
) {
    let mut done = 0;
    while done < whole {
        let count = whole.wrapping_sub(done).min(REPEATED);
        let from = |start: Option<*const i8>, repeated: &[i8; REPEATED]| {
            start.map_or(repeated.as_ptr(), |start| start.wrapping_add(done))
        };
        let (a, b) = (from(a, &repeated[0]), from(b, &repeated[1]));
        // SAFETY: a dense row is as long as the output's, and no more of a repeated element is taken than there is.
        unsafe { f.many(a, b, y.as_mut_ptr().wrapping_add(done), count) };
        done = done.wrapping_add(count);
    }
}

/// What a loop over pairs of elements is told.
#[cfg(not(feature = "helium"))]
#[repr(C)]
pub(crate) struct Pairs {
    pub(crate) scales: [f32; 2],
    /// Of a, of b, of y.
    pub(crate) zero_points: [i32; 3],
    /// Least and greatest output.
    pub(crate) bounds: [i32; 2],
    /// At least one.
    pub(crate) count: usize,
}

/// The loop, of the C calling convention with a, b, y and [`Pairs`]: `$function` makes numbers in s0 and s1 of the
/// differences to the zero points, those of a in r8 and r9 and those of b in r10 and r11, with the scales in s4 and s5.
#[cfg(not(feature = "helium"))]
macro_rules! pairs_loop {
    ($($function:literal),+) => {
        core::arch::naked_asm!(
            $crate::assembly::core_instructions!(),
            "push {{r4-r11, lr}}",
            "vldmia r3!, {{s4, s5}}",
            "ldm r3, {{r3, r4, r5, r6, r7, r12}}",
            "2:",
            "ldrsb r8, [r0], #1",
            "ldrsb r9, [r0], #1",
            "ldrsb r10, [r1], #1",
            "ldrsb r11, [r1], #1",
            "sub r8, r8, r3",
            "sub r9, r9, r3",
            "sub r10, r10, r4",
            "sub r11, r11, r4",
            $($function,)+
            "vcvtr.s32.f32 s0, s0",
            "vcvtr.s32.f32 s1, s1",
            "vmov r8, r9, s0, s1",
            "qadd r8, r8, r5",
            "qadd r9, r9, r5",
            "cmp r8, r6",
            "it lt",
            "movlt r8, r6",
            "cmp r8, r7",
            "it gt",
            "movgt r8, r7",
            "cmp r9, r6",
            "it lt",
            "movlt r9, r6",
            "cmp r9, r7",
            "it gt",
            "movgt r9, r7",
            "strb r8, [r2], #1",
            "strb r9, [r2], #1",
            "subs r12, r12, #1",
            "bne 2b",
            "pop {{r4-r11, pc}}",
        )
    };
}

#[cfg(not(feature = "helium"))]
pub(crate) use pairs_loop;
