//! AVX-512: 16 lanes.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use crate::intrinsics::*;

use super::{Body, Simd};
use crate::half::{Bf16, F16};
use crate::{Isa, Level};

/// Proof of a CPU with AVX-512.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The proof, from an instruction set that has it.
    pub(crate) fn of(isa: Isa) -> Option<Self> {
        (isa.level() >= Level::Avx512Vnni).then_some(Self(()))
    }
}

#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f"))]
#[inline(never)] // On its own, every sum gets a register.
fn enter<B: Body>(simd: Avx512, body: B) {
    body.run(simd);
}

/// The first `count` lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    if count < 16 { (1 << count) - 1 } else { u16::MAX }
}

impl Simd for Avx512 {
    type F32 = __m512;
    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    const SCALES: bool = true;

    #[inline(always)]
    fn enter<B: Body>(self, body: B) {
        // SAFETY: a value of this type is the proof.
        unsafe { enter(self, body) }
    }

    #[inline(always)]
    fn splat(self, v: f32) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_set1_ps(v) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m512) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_maskz_loadu_ps(first(count), from) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const F16) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const Bf16) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize, v: __m512) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_mask_storeu_ps(to, first(count), v) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn quotient(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        let near = unsafe { _mm512_rcp14_ps(b) };
        // One step of Newton's: the division takes as long as ten multiplications.
        let rest = self.fma(self.mul(b, self.splat(-1.0)), near, self.splat(1.0));
        self.mul(a, self.fma(near, rest, near))
    }

    #[inline(always)]
    fn sixth(self, a: __m512) -> __m512 {
        // What the first product lacks is exact.
        let sixth = self.splat(1.0 / 6.0);
        let near = self.mul(a, sixth);
        self.fma(self.fma(near, self.splat(-6.0), a), sixth, near)
    }

    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn power(self, n: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
    }

    #[inline(always)]
    fn scale(self, v: __m512, n: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_scalef_ps(v, n) }
    }

    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm512_reduce_add_ps(a) }
    }

    #[inline(always)]
    fn where_negative(self, v: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a value of this type is the proof.
        unsafe {
            let negative = _mm512_cmplt_epi32_mask(_mm512_castps_si512(v), _mm512_setzero_si512());
            _mm512_mask_blend_ps(negative, b, a)
        }
    }
}
