//! NEON: 8 lanes in two registers, which a CPU of 32 registers computes side by side.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{Body, Simd};
use crate::half::{Bf16, F16};
use crate::{Isa, Level};

/// Proof of a CPU with NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    /// The proof, from an instruction set that has it.
    pub(crate) fn of(isa: Isa) -> Option<Self> {
        (isa.level() >= Level::Neon).then_some(Self(()))
    }
}

/// The lanes 0 to 3 and 4 to 7.
type Two = [float32x4_t; 2];

#[target_feature(enable = "neon")]
#[inline(never)] // On its own, every sum gets a register.
fn enter<B: Body>(simd: Neon, body: B) {
    body.run(simd);
}

/// A function of one register, of both.
#[inline(always)]
fn each(a: Two, f: impl Fn(float32x4_t) -> float32x4_t) -> Two {
    [f(a[0]), f(a[1])]
}

/// A function of two registers, of both.
#[inline(always)]
fn pair(a: Two, b: Two, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Two {
    [f(a[0], b[0]), f(a[1], b[1])]
}

impl Simd for Neon {
    type F32 = Two;
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn enter<B: Body>(self, body: B) {
        // SAFETY: a value of this type is the proof.
        unsafe { enter(self, body) }
    }

    #[inline(always)]
    fn splat(self, v: f32) -> Two {
        // SAFETY: a value of this type is the proof.
        unsafe { [vdupq_n_f32(v); 2] }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Two {
        // SAFETY: the caller's promise.
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4))] }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Two) {
        // SAFETY: the caller's promise.
        unsafe { vst1q_f32(to, v[0]) };
        // SAFETY: as above.
        unsafe { vst1q_f32(to.add(4), v[1]) };
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> Two {
        let mut all = [0.0; 8];
        for (k, v) in all.iter_mut().enumerate().take(count) {
            // SAFETY: the caller's promise.
            *v = unsafe { from.add(k).read() };
        }
        // SAFETY: the array holds 8 elements.
        unsafe { self.load(all.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const F16) -> Two {
        // SAFETY: the caller's promise.
        let v = unsafe { vld1q_u16(from.cast()) };
        let (low, high): (float32x4_t, float32x4_t);
        // There is no stable intrinsic for it. SAFETY: every CPU with NEON has these instructions; they read and write
        // registers alone.
        unsafe {
            asm!("fcvtl {low:v}.4s, {v:v}.4h", "fcvtl2 {high:v}.4s, {v:v}.8h", v = in(vreg) v, low = out(vreg) low,
                high = lateout(vreg) high, options(pure, nomem, nostack, preserves_flags));
        }
        [low, high]
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const Bf16) -> Two {
        // SAFETY: the caller's promise.
        unsafe {
            let (v, zero) = (vld1q_u16(from.cast()), vdupq_n_u16(0));
            [vreinterpretq_f32_u16(vzip1q_u16(zero, v)), vreinterpretq_f32_u16(vzip2q_u16(zero, v))]
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize, v: Two) {
        let mut all = [0.0; 8];
        // SAFETY: the array holds 8 elements.
        unsafe { self.store(all.as_mut_ptr(), v) };
        for (k, &v) in all.iter().enumerate().take(count) {
            // SAFETY: the caller's promise.
            unsafe { to.add(k).write(v) };
        }
    }

    #[inline(always)]
    fn add(self, a: Two, b: Two) -> Two {
        // SAFETY: a value of this type is the proof.
        pair(a, b, |a, b| unsafe { vaddq_f32(a, b) })
    }

    #[inline(always)]
    fn sub(self, a: Two, b: Two) -> Two {
        // SAFETY: a value of this type is the proof.
        pair(a, b, |a, b| unsafe { vsubq_f32(a, b) })
    }

    #[inline(always)]
    fn mul(self, a: Two, b: Two) -> Two {
        // SAFETY: a value of this type is the proof.
        pair(a, b, |a, b| unsafe { vmulq_f32(a, b) })
    }

    #[inline(always)]
    fn fma(self, a: Two, b: Two, c: Two) -> Two {
        // SAFETY: a value of this type is the proof.
        unsafe { [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])] }
    }

    #[inline(always)]
    fn max(self, a: Two, b: Two) -> Two {
        // A comparison with a NaN is false. SAFETY: a value of this type is the proof.
        pair(a, b, |a, b| unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) })
    }

    #[inline(always)]
    fn min(self, a: Two, b: Two) -> Two {
        // As above. SAFETY: a value of this type is the proof.
        pair(a, b, |a, b| unsafe { vbslq_f32(vcltq_f32(a, b), a, b) })
    }

    #[inline(always)]
    fn div(self, a: Two, b: Two) -> Two {
        // SAFETY: a value of this type is the proof.
        pair(a, b, |a, b| unsafe { vdivq_f32(a, b) })
    }

    #[inline(always)]
    fn round(self, a: Two) -> Two {
        // SAFETY: a value of this type is the proof.
        each(a, |a| unsafe { vrndnq_f32(a) })
    }

    #[inline(always)]
    fn power(self, n: Two) -> Two {
        // SAFETY: a value of this type is the proof.
        each(n, |n| unsafe {
            let exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        })
    }

    #[inline(always)]
    fn sum(self, a: Two) -> f32 {
        // SAFETY: a value of this type is the proof.
        unsafe { vaddvq_f32(vaddq_f32(a[0], a[1])) }
    }

    #[inline(always)]
    fn where_negative(self, v: Two, a: Two, b: Two) -> Two {
        let choose = |v: float32x4_t, a: float32x4_t, b: float32x4_t| {
            // SAFETY: a value of this type is the proof.
            unsafe { vbslq_f32(vcltzq_s32(vreinterpretq_s32_f32(v)), a, b) }
        };
        [choose(v[0], a[0], b[0]), choose(v[1], a[1], b[1])]
    }
}
