//! AVX-512: elementwise functions of two int8 tensors that meet by broadcasting, 64 elements at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::broadcast::Broadcast;
use crate::intrinsics::*;
use crate::pairs::{Row, each_row};
use crate::round::Output;
use crate::round_avx512::Rounding;

/// A function of two int8 numbers.
pub(crate) trait Function {
    /// The function of 16 elements, widened, before the way to int8.
    ///
    /// # Safety
    /// The CPU has AVX-512.
    unsafe fn sixteen(&self, a: __m512i, b: __m512i) -> __m512;

    /// The way to int8, and whether all that the function gives fits into int32.
    fn output(&self) -> (&Output, bool);
}

/// Applies the function; an operand that is `None` is `y` itself. The operands fit the broadcasting.
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
pub(crate) fn all(f: &impl Function, broadcast: &Broadcast, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) {
    let (output, small) = f.output();
    let rounding = Rounding::new(output);
    if small {
        each_row(broadcast, a, b, y, |a, b, y| row::<true>(f, &rounding, a, b, y));
    } else {
        each_row(broadcast, a, b, y, |a, b, y| row::<false>(f, &rounding, a, b, y));
    }
}

#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn row<const SMALL: bool>(f: &impl Function, rounding: &Rounding, a: Row<'_>, b: Row<'_>, y: &mut [i8]) {
    let repeated = [&a, &b].map(|row| [row.one(0, 0).unwrap_or(0); 64]);
    let (mut to, mut left) = (y.as_mut_ptr(), y.len());
    let from = |row: &Row<'_>, repeated: &[i8; 64]| match row {
        Row::Dense(x) => (x.as_ptr(), 64),
        Row::Repeated(_) => (repeated.as_ptr(), 0),
        Row::Output => (to.cast_const(), 64),
    };
    let ((mut a, a_step), (mut b, b_step)) = (from(&a, &repeated[0]), from(&b, &repeated[1]));
    while left >= 64 {
        // SAFETY: a dense row is as long as the output's, and the array of a repeated element holds 64.
        unsafe { some::<SMALL>(f, rounding, [a, b], to, u64::MAX) };
        (a, b, to) = (a.wrapping_add(a_step), b.wrapping_add(b_step), to.wrapping_add(64));
        left = left.wrapping_sub(64);
    }
    if left > 0 {
        // SAFETY: as above, of those in the mask.
        unsafe { some::<SMALL>(f, rounding, [a, b], to, u64::MAX >> (64usize.wrapping_sub(left) & 63)) };
    }
}

/// Those of 64 elements that are in the mask.
///
/// # Safety
/// All three pointers have them.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn some<const SMALL: bool>(
    f: &impl Function,
    rounding: &Rounding,
    [a, b]: [*const i8; 2],
    y: *mut i8,
    mask: u64,
) {
    let mut v = [_mm512_setzero_ps(); 4];
    for (part, v) in v.iter_mut().enumerate() {
        let first = part.wrapping_mul(16);
        let mask = (mask >> first) as u16;
        let load = |from: *const i8| {
            // SAFETY: the caller's promise.
            _mm512_cvtepi8_epi32(unsafe { _mm_maskz_loadu_epi8(mask, from.wrapping_add(first)) })
        };
        // SAFETY: this function needs AVX-512 as well.
        *v = unsafe { f.sixteen(load(a), load(b)) };
    }
    // SAFETY: the caller's promise.
    unsafe { _mm512_mask_storeu_epi8(y, mask, rounding.bytes::<SMALL>(v)) };
}
