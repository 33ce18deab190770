//! AVX-512: the way from the sums of a convolution to bytes, through its table.
#![allow(unsafe_code)] // A table may only be made where the CPU has VBMI.

use crate::intrinsics::*;

use super::bands::Job;
use crate::round::Output;
use crate::round_avx512::Rounding;
use crate::table_avx512::Entries;

/// A table that clamps what it is asked for.
fn clamped(table: &[i8; 256], output: &Output) -> [i8; 256] {
    if (output.low, output.high) == (-128, 127) {
        return *table;
    }
    let place = |k: usize| (k as i32).max(output.low.wrapping_add(128)).min(output.high.wrapping_add(128)) as usize;
    core::array::from_fn(|k| table.get(place(k)).copied().unwrap_or(0))
}

/// The way from sums to int8.
#[derive(Clone)]
pub(crate) struct Finish {
    rounding: Rounding,
    /// Whether no product can leave int32.
    pub(super) small: bool,
    /// What outputs are looked up in, which clamps them.
    table: Option<Entries>,
}

impl Finish {
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(crate) fn new(output: &Output, multipliers: &[f32]) -> Self {
        let small = multipliers.iter().fold(true, |small, m| small & (m.abs() < 0.99));
        Self { rounding: Rounding::new(output), small, table: None }
    }

    /// Of a convolution, with its table.
    ///
    /// # Safety
    /// Where there is a table, the CPU has VBMI.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(super) unsafe fn of(job: &Job<'_>) -> Self {
        let finish = Self::new(&job.params.output, job.operands.multipliers);
        let clamp = |table| clamped(table, &job.params.output);
        // SAFETY: the caller's promise.
        let table = job.operands.table.map(|table| unsafe { Entries::new(&clamp(table)) });
        Self { table, ..finish }
    }

    /// Four vectors of sums in a vector of bytes, one after the other.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(super) fn bytes<const SMALL: bool>(&self, sums: [__m512i; 4], multipliers: &[__m512; 4]) -> __m512i {
        let mut v = [_mm512_setzero_ps(); 4];
        for ((v, sum), &multipliers) in v.iter_mut().zip(sums).zip(multipliers) {
            *v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), multipliers);
        }
        match &self.table {
            Some(table) => table.of(self.rounding.saturated::<SMALL>(v)),
            None => self.rounding.bytes::<SMALL>(v),
        }
    }

    /// The same, of sums of less than 2^22, which [`BITS`](crate::round_avx512::BITS) have been added to, where no product can
    /// leave int32.
    #[cfg(feature = "std")]
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(super) fn near(&self, sums: [__m512i; 4], multipliers: &[__m512; 4]) -> __m512i {
        match &self.table {
            Some(table) => table.of(self.rounding.near_saturated(sums, multipliers)),
            None => self.rounding.near_bytes(sums, multipliers),
        }
    }
}
