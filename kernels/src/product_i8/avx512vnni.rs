//! AVX-512 VNNI: 64 outputs at a time.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::intrinsics::*;

use super::fours::fours;
use super::{BLOCK, Matrix, Missing, Row, Sink, Sums, blocks};
use crate::{Isa, Level};

fours!(
    "avx512f,avx512bw,avx512vl,avx512vnni",
    Level::Avx512Vnni | Level::Amx,
    16,
    64,
    _mm512_setzero_si512(),
    _mm512_set1_epi32,
    _mm512_loadu_epi8,
    _mm512_storeu_epi32,
    _mm512_dpbusd_epi32
);
