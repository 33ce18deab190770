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
    let (blocks, rest) = y.as_chunks_mut::<64>();
    let done = blocks.len().wrapping_mul(64);
    for (k, y) in blocks.iter_mut().enumerate() {
        some::<SMALL, true>(f, rounding, [&a, &b], k.wrapping_mul(64), y);
    }
    if !rest.is_empty() {
        some::<SMALL, false>(f, rounding, [&a, &b], done, rest);
    }
}

/// The elements from `k` on: 1 to 64, or `ALL` of them.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
fn some<const SMALL: bool, const ALL: bool>(
    f: &impl Function,
    rounding: &Rounding,
    [a, b]: [&Row<'_>; 2],
    k: usize,
    y: &mut [i8],
) {
    let mask = if ALL { u64::MAX } else { u64::MAX >> (64usize.wrapping_sub(y.len()) & 63) };
    let mut v = [_mm512_setzero_ps(); 4];
    for (part, v) in v.iter_mut().enumerate() {
        let first = part.wrapping_mul(16);
        let (mask, at) = ((mask >> first) as u16, y.as_ptr().wrapping_add(first));
        let k = k.wrapping_add(first);
        // SAFETY: the rows are as long as the output's, of which the mask has the elements that exist; this function needs
        // AVX-512 as well.
        *v = unsafe { f.sixteen(load(a, k, mask, at), load(b, k, mask, at)) };
    }
    // SAFETY: the slice holds as many elements as the mask has bits.
    unsafe { _mm512_mask_storeu_epi8(y.as_mut_ptr(), mask, rounding.bytes::<SMALL>(v)) };
}

/// Those of 16 elements of a row from `k` on that are in the mask, widened.
///
/// # Safety
/// The row has them; where it is the output, they lie at `y`.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn load(row: &Row<'_>, k: usize, mask: u16, y: *const i8) -> __m512i {
    let from = match row {
        Row::Dense(x) => x.as_ptr().wrapping_add(k),
        Row::Repeated(x) => return _mm512_set1_epi32(i32::from(*x)),
        Row::Output => y,
    };
    // SAFETY: the caller's promise.
    _mm512_cvtepi8_epi32(unsafe { _mm_maskz_loadu_epi8(mask, from) })
}
