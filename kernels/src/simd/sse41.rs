//! SSE4.1: 4 lanes. There is no fused multiplication: a product is rounded before it is added.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{Body, Simd};
use crate::half::{Bf16, F16};
use crate::{Isa, Level};

/// Proof of a CPU with SSE4.1.
#[derive(Clone, Copy)]
pub(crate) struct Sse41(());

impl Sse41 {
    /// The proof, from an instruction set that has it.
    pub(crate) fn of(isa: Isa) -> Option<Self> {
        (isa.level() >= Level::Sse41).then_some(Self(()))
    }
}

#[target_feature(enable = "sse4.1")]
#[inline(never)] // On its own, every sum gets a register.
fn enter<B: Body>(simd: Sse41, body: B) {
    body.run(simd);
}

/// Four numbers of 16 bits, each in the lower half of a lane.
///
/// # Safety
/// They can be read, and the CPU has SSE4.1.
#[inline(always)]
unsafe fn four_of_16_bits(from: *const u16) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe { _mm_cvtepu16_epi32(_mm_loadl_epi64(from.cast())) }
}

impl Simd for Sse41 {
    type F32 = __m128;
    const LANES: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn enter<B: Body>(self, body: B) {
        // SAFETY: a value of this type is the proof.
        unsafe { enter(self, body) }
    }

    #[inline(always)]
    fn splat(self, v: f32) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_set1_ps(v) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m128 {
        // SAFETY: the caller's promise.
        unsafe { _mm_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m128) {
        // SAFETY: the caller's promise.
        unsafe { _mm_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> __m128 {
        // SAFETY: the caller's promise.
        let two = || unsafe { _mm_castpd_ps(_mm_load_sd(from.cast())) };
        // SAFETY: as above.
        unsafe {
            match count {
                0 => _mm_setzero_ps(),
                1 => _mm_load_ss(from),
                2 => two(),
                3 => _mm_movelh_ps(two(), _mm_load_ss(from.add(2))),
                _ => _mm_loadu_ps(from),
            }
        }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const F16) -> __m128 {
        // SAFETY: the caller's promise.
        unsafe {
            let v = four_of_16_bits(from.cast());
            let sign = _mm_slli_epi32::<16>(_mm_and_si128(v, _mm_set1_epi32(0x8000)));
            let magnitude = _mm_and_si128(v, _mm_set1_epi32(0x7fff));
            // As bits of f32 it is 2^112 times too small, subnormal numbers too; what is no number stays none.
            let shifted = _mm_castsi128_ps(_mm_slli_epi32::<13>(magnitude));
            let number = _mm_mul_ps(shifted, _mm_set1_ps(f32::from_bits((127 + 112) << 23)));
            let none = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7bff));
            let top = _mm_or_si128(sign, _mm_and_si128(none, _mm_set1_epi32(0x7f80_0000)));
            _mm_or_ps(number, _mm_castsi128_ps(top))
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const Bf16) -> __m128 {
        // SAFETY: the caller's promise.
        unsafe { _mm_castsi128_ps(_mm_slli_epi32::<16>(four_of_16_bits(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize, v: __m128) {
        let mut all = [0.0; 4];
        // SAFETY: the array holds 4 elements.
        unsafe { _mm_storeu_ps(all.as_mut_ptr(), v) };
        for (k, &v) in all.iter().enumerate().take(count) {
            // SAFETY: the caller's promise.
            unsafe { to.add(k).write(v) };
        }
    }

    #[inline(always)]
    fn add(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_mul_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m128, b: __m128, c: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_add_ps(_mm_mul_ps(a, b), c) }
    }

    #[inline(always)]
    fn max(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_min_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_div_ps(a, b) }
    }

    #[inline(always)]
    fn round(self, a: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn power(self, n: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe {
            let exponent = _mm_add_epi32(_mm_cvtps_epi32(n), _mm_set1_epi32(127));
            _mm_castsi128_ps(_mm_slli_epi32::<23>(exponent))
        }
    }

    #[inline(always)]
    fn sum(self, a: __m128) -> f32 {
        // SAFETY: a value of this type is the proof.
        unsafe {
            let a = _mm_add_ps(a, _mm_movehl_ps(a, a));
            _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)))
        }
    }

    #[inline(always)]
    fn where_negative(self, v: __m128, a: __m128, b: __m128) -> __m128 {
        // SAFETY: a value of this type is the proof.
        unsafe { _mm_blendv_ps(b, a, v) }
    }
}
