//! AVX2: the tiles of the convolution.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::transposed::{TAPS, TILE, transposed};
use super::{Operands, Params};
use crate::conv_i8::layout;
use crate::conv_i8::tile::avx2::{Finish, add, load};
use crate::conv_i8::tile::{Memory, NEAR, Panel};
use crate::pixels::{Pixels, place};
use crate::{Isa, Level};

transposed!("avx2", Level::Avx2);

/// Writes 16 inputs less their zero point.
///
/// # Safety
/// There is room for them.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn centre(x: &[i8; 16], zero_point: i16, to: *mut i16) {
    // SAFETY: the array holds 16 bytes.
    let bytes = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(x.as_ptr().cast()) });
    // SAFETY: the caller's promise.
    unsafe { _mm256_storeu_si256(to.cast(), _mm256_sub_epi16(bytes, _mm256_set1_epi16(zero_point))) };
}
