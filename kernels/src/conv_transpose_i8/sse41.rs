//! SSE4.1: the tiles of the convolution.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::transposed::{TAPS, TILE, transposed};
use super::{Operands, Params};
use crate::conv_i8::layout;
use crate::conv_i8::tile::sse41::{Finish, add, load};
use crate::conv_i8::tile::{Memory, NEAR, Panel};
use crate::pixels::{Pixels, place};
use crate::{Isa, Level};

transposed!("sse4.1", Level::Sse41);

/// Writes 16 inputs less their zero point.
///
/// # Safety
/// There is room for them.
#[inline]
#[target_feature(enable = "sse4.1")]
unsafe fn centre(x: &[i8; 16], zero_point: i16, to: *mut i16) {
    let mut to = to;
    for half in x.as_chunks::<8>().0 {
        // SAFETY: the array holds 8 bytes.
        let wide = _mm_cvtepi8_epi16(unsafe { _mm_loadl_epi64(half.as_ptr().cast()) });
        // SAFETY: the caller's promise.
        unsafe { _mm_storeu_si128(to.cast(), _mm_sub_epi16(wide, _mm_set1_epi16(zero_point))) };
        to = to.wrapping_add(8);
    }
}
