//! SSE4.1: elementwise functions of two int8 tensors that meet by broadcasting, 16 elements at a time.
#![allow(unsafe_code)] // The functions of vectors are unsafe to call.

use core::arch::x86_64::*;

use crate::broadcast::Broadcast;
use crate::pairs::{Row, each_row};
use crate::round::Output;
use crate::round_sse41::{load, narrow, store};

/// A function of two int8 numbers.
pub(crate) trait Function {
    /// The way to int8.
    fn output(&self) -> &Output;

    /// The function of 8 elements, widened; of the results, the zero point is not yet added.
    ///
    /// # Safety
    /// The CPU has SSE4.1.
    unsafe fn eight(&self, a: __m128i, b: __m128i) -> [__m128i; 2];
}

/// Applies the function; an operand that is `None` is `y` itself. The operands fit the broadcasting.
#[target_feature(enable = "sse4.1")]
pub(crate) fn all(f: &impl Function, broadcast: &Broadcast, a: Option<&[i8]>, b: Option<&[i8]>, y: &mut [i8]) {
    each_row(broadcast, a, b, y, |a, b, y| row(f, a, b, y));
}

#[target_feature(enable = "sse4.1")]
fn row(f: &impl Function, a: Row<'_>, b: Row<'_>, y: &mut [i8]) {
    let (blocks, rest) = y.as_chunks_mut::<16>();
    let done = blocks.len().wrapping_mul(16);
    for (k, y) in blocks.iter_mut().enumerate() {
        let k = k.wrapping_mul(16);
        *y = sixteen(f, &a.sixteen(k, y), &b.sixteen(k, y));
    }
    if !rest.is_empty() {
        let mut last = [0; 16];
        last.iter_mut().zip(&*rest).for_each(|(to, &from)| *to = from);
        let out = sixteen(f, &a.sixteen(done, &last), &b.sixteen(done, &last));
        rest.iter_mut().zip(out).for_each(|(to, from)| *to = from);
    }
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn sixteen(f: &impl Function, a: &[i8; 16], b: &[i8; 16]) -> [i8; 16] {
    let (a, b) = (load(a), load(b));
    let high = [a, b].map(|v| _mm_cvtepi8_epi16(_mm_unpackhi_epi64(v, v)));
    let (a, b) = (_mm_cvtepi8_epi16(a), _mm_cvtepi8_epi16(b));
    // SAFETY: this function needs SSE4.1 as well.
    let ([p, q], [r, s]) = unsafe { (f.eight(a, b), f.eight(high[0], high[1])) };
    store(narrow(f.output(), [p, q, r, s]))
}
