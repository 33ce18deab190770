//! SSE4.1: 32 outputs at a time. Bytes with even and with odd places are widened apart, so that pmaddwd leaves the sums of a
//! four in one lane; its products are exact.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::fours::fours;
use super::{BLOCK, Matrix, Missing, Row, Sink, Sums, blocks};
use crate::{Isa, Level};

fours!("sse4.1", Level::Sse41, 4, 32, _mm_setzero_si128(), _mm_set1_epi32, _mm_loadu_si128, _mm_storeu_si128, products);

/// `sum` and the products of four unsigned and four signed bytes in every lane.
#[inline]
#[target_feature(enable = "sse4.1")]
fn products(sum: __m128i, unsigned: __m128i, signed: __m128i) -> __m128i {
    let (even, odd) = (_mm_and_si128(unsigned, _mm_set1_epi16(255)), _mm_srli_epi16::<8>(unsigned));
    let even = _mm_madd_epi16(even, _mm_srai_epi16::<8>(_mm_slli_epi16::<8>(signed)));
    _mm_add_epi32(_mm_add_epi32(sum, even), _mm_madd_epi16(odd, _mm_srai_epi16::<8>(signed)))
}
