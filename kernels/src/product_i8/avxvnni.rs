//! AVX-VNNI: 32 outputs at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::fours::fours;
use super::{BLOCK, Matrix, Missing, Row, Sink, Sums, blocks};
#[cfg(feature = "emulated")]
use crate::intrinsics::_mm256_dpbusd_avx_epi32;
use crate::{Isa, Level};

fours!(
    "avx2,avxvnni",
    Level::AvxVnni,
    8,
    32,
    _mm256_setzero_si256(),
    _mm256_set1_epi32,
    _mm256_loadu_si256,
    _mm256_storeu_si256,
    _mm256_dpbusd_avx_epi32
);
