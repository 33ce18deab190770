//! The definitions, from the pseudocode of Intel's Intrinsics Guide.
#![allow(unsafe_code)] // Loads and stores, and vectors seen as other elements.
#![allow(clippy::indexing_slicing)] // For tests only, and by numbers that are smaller than the lanes.
#![allow(non_camel_case_types)] // The names of the intrinsics' types.

pub(crate) use core::arch::x86_64::{
    __m128i, __m256i, __mmask16, __mmask32, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _MM_HINT_T1,
    _mm_prefetch, _mm256_loadu_si256, _mm256_storeu_si256,
};
use core::array::from_fn;
use core::mem::transmute;

use crate::half::F16;

/// 512 bits of integers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct __m512i(pub(super) [i32; 16]);

/// 16 floats.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct __m512([f32; 16]);

impl __m512i {
    pub(super) fn words(self) -> [i16; 32] {
        // SAFETY: both are 64 bytes without any that may not be read.
        unsafe { transmute(self) }
    }

    pub(super) fn bytes(self) -> [i8; 64] {
        // SAFETY: as above.
        unsafe { transmute(self) }
    }

    pub(super) fn of_words(v: [i16; 32]) -> Self {
        // SAFETY: as above.
        unsafe { transmute(v) }
    }

    pub(super) fn of_bytes(v: [i8; 64]) -> Self {
        // SAFETY: as above.
        unsafe { transmute(v) }
    }

    fn longs(self) -> [i64; 8] {
        // SAFETY: both are 64 bytes without any that may not be read.
        unsafe { transmute(self) }
    }

    fn of_longs(v: [i64; 8]) -> Self {
        // SAFETY: as above.
        unsafe { transmute(v) }
    }
}

/// Whether a mask has lane `i`.
pub(super) fn has(mask: u64, i: usize) -> bool {
    mask >> i & 1 == 1
}

fn floats(a: __m512, b: __m512, f: impl Fn(f32, f32) -> f32) -> __m512 {
    __m512(from_fn(|i| f(a.0[i], b.0[i])))
}

fn integers(a: __m512i, b: __m512i, f: impl Fn(i32, i32) -> i32) -> __m512i {
    __m512i(from_fn(|i| f(a.0[i], b.0[i])))
}

/// As the CPU converts: half to even, and what does not fit becomes the smallest number.
fn nearest(v: f32) -> i32 {
    let v = libm::rintf(v);
    if (-2_147_483_648.0..2_147_483_648.0).contains(&v) { v as i32 } else { i32::MIN }
}

pub(crate) fn _mm512_setzero_ps() -> __m512 {
    __m512([0.0; 16])
}

pub(crate) fn _mm512_set1_ps(v: f32) -> __m512 {
    __m512([v; 16])
}

pub(crate) unsafe fn _mm512_loadu_ps(from: *const f32) -> __m512 {
    // SAFETY: the caller's promise.
    unsafe { _mm512_maskz_loadu_ps(u16::MAX, from) }
}

pub(crate) unsafe fn _mm512_maskz_loadu_ps(mask: __mmask16, from: *const f32) -> __m512 {
    // SAFETY: the caller's promise, for the lanes in the mask.
    __m512(from_fn(|i| if has(mask.into(), i) { unsafe { from.add(i).read_unaligned() } } else { 0.0 }))
}

pub(crate) unsafe fn _mm512_storeu_ps(to: *mut f32, v: __m512) {
    // SAFETY: the caller's promise.
    unsafe { _mm512_mask_storeu_ps(to, u16::MAX, v) }
}

pub(crate) unsafe fn _mm512_mask_storeu_ps(to: *mut f32, mask: __mmask16, v: __m512) {
    for (i, &v) in v.0.iter().enumerate().filter(|&(i, _)| has(mask.into(), i)) {
        // SAFETY: the caller's promise, for the lanes in the mask.
        unsafe { to.add(i).write_unaligned(v) };
    }
}

pub(crate) fn _mm512_add_ps(a: __m512, b: __m512) -> __m512 {
    floats(a, b, |a, b| a + b)
}

pub(crate) fn _mm512_sub_ps(a: __m512, b: __m512) -> __m512 {
    floats(a, b, |a, b| a - b)
}

pub(crate) fn _mm512_mul_ps(a: __m512, b: __m512) -> __m512 {
    floats(a, b, |a, b| a * b)
}

pub(crate) fn _mm512_div_ps(a: __m512, b: __m512) -> __m512 {
    floats(a, b, |a, b| a / b)
}

/// The CPU's is within `2^-14`; this one is exact to as many bits.
pub(crate) fn _mm512_rcp14_ps(v: __m512) -> __m512 {
    __m512(v.0.map(|v| f32::from_bits((1.0 / v).to_bits() & !0x1FF)))
}

/// For powers of two that are whole numbers.
pub(crate) fn _mm512_scalef_ps(v: __m512, n: __m512) -> __m512 {
    floats(v, n, |v, n| libm::scalbnf(v, n as i32))
}

pub(crate) fn _mm512_max_ps(a: __m512, b: __m512) -> __m512 {
    floats(a, b, |a, b| if a > b { a } else { b })
}

pub(crate) fn _mm512_min_ps(a: __m512, b: __m512) -> __m512 {
    floats(a, b, |a, b| if a < b { a } else { b })
}

pub(crate) fn _mm512_fmadd_ps(a: __m512, b: __m512, c: __m512) -> __m512 {
    __m512(from_fn(|i| libm::fmaf(a.0[i], b.0[i], c.0[i])))
}

/// Halves are added to halves.
pub(crate) fn _mm512_reduce_add_ps(v: __m512) -> f32 {
    let mut v = v.0;
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            v[i] += v[i + half];
        }
    }
    v[0]
}

pub(crate) fn _mm512_roundscale_ps<const IMM8: i32>(v: __m512) -> __m512 {
    const { assert!(IMM8 == _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC, "the only rounding that kernels ask for") }
    __m512(v.0.map(libm::rintf))
}

pub(crate) fn _mm512_cvt_roundps_epi32<const ROUNDING: i32>(v: __m512) -> __m512i {
    const { assert!(ROUNDING == _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC, "the only rounding that kernels ask for") }
    __m512i(v.0.map(nearest))
}

pub(crate) fn _mm512_cvtps_epi32(v: __m512) -> __m512i {
    __m512i(v.0.map(nearest))
}

pub(crate) fn _mm512_cvtepi32_ps(v: __m512i) -> __m512 {
    __m512(v.0.map(|v| v as f32))
}

pub(crate) fn _mm512_castsi512_ps(v: __m512i) -> __m512 {
    __m512(v.0.map(|v| f32::from_bits(v as u32)))
}

/// The 16 words of a vector, as they lie.
fn words(v: __m256i) -> [u16; 16] {
    // SAFETY: both are 32 bytes without any that may not be read.
    unsafe { transmute(v) }
}

pub(crate) fn _mm512_cvtepu16_epi32(v: __m256i) -> __m512i {
    __m512i(words(v).map(i32::from))
}

pub(crate) fn _mm512_cvtph_ps(v: __m256i) -> __m512 {
    __m512(words(v).map(|v| F16(v).to_f32()))
}

pub(crate) fn _mm512_castps_si512(v: __m512) -> __m512i {
    __m512i(v.0.map(|v| v.to_bits() as i32))
}

pub(crate) fn _mm512_mask_blend_ps(mask: __mmask16, a: __m512, b: __m512) -> __m512 {
    __m512(from_fn(|i| if has(mask.into(), i) { b.0[i] } else { a.0[i] }))
}

pub(crate) fn _mm512_setzero_si512() -> __m512i {
    __m512i([0; 16])
}

pub(crate) fn _mm512_set1_epi32(v: i32) -> __m512i {
    __m512i([v; 16])
}

#[allow(clippy::too_many_arguments)] // The intrinsic's.
pub(crate) fn _mm512_setr_epi32(
    a: i32,
    b: i32,
    c: i32,
    d: i32,
    e: i32,
    f: i32,
    g: i32,
    h: i32,
    i: i32,
    j: i32,
    k: i32,
    l: i32,
    m: i32,
    n: i32,
    o: i32,
    p: i32,
) -> __m512i {
    __m512i([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}

pub(crate) unsafe fn _mm512_maskz_loadu_epi32(mask: __mmask16, from: *const i32) -> __m512i {
    // SAFETY: the caller's promise, for the lanes in the mask.
    __m512i(from_fn(|i| if has(mask.into(), i) { unsafe { from.add(i).read_unaligned() } } else { 0 }))
}

pub(crate) unsafe fn _mm512_storeu_epi32(to: *mut i32, v: __m512i) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<[i32; 16]>().write_unaligned(v.0) }
}

pub(crate) fn _mm512_add_epi32(a: __m512i, b: __m512i) -> __m512i {
    integers(a, b, i32::wrapping_add)
}

pub(crate) fn _mm512_sub_epi32(a: __m512i, b: __m512i) -> __m512i {
    integers(a, b, i32::wrapping_sub)
}

pub(crate) fn _mm512_xor_si512(a: __m512i, b: __m512i) -> __m512i {
    integers(a, b, |a, b| a ^ b)
}

pub(crate) fn _mm512_slli_epi32<const IMM8: u32>(v: __m512i) -> __m512i {
    const { assert!(IMM8 < 32, "a shift by fewer bits than a lane has") }
    __m512i(v.0.map(|v| v << IMM8))
}

pub(crate) fn _mm512_cmplt_epi32_mask(a: __m512i, b: __m512i) -> __mmask16 {
    (0..16).map(|i| u16::from(a.0[i] < b.0[i]) << i).sum()
}

#[allow(clippy::too_many_arguments)] // The intrinsic's.
pub(crate) fn _mm512_setr_epi64(a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64) -> __m512i {
    __m512i::of_longs([a, b, c, d, e, f, g, h])
}

pub(crate) fn _mm512_permutexvar_epi64(places: __m512i, v: __m512i) -> __m512i {
    let v = v.longs();
    __m512i::of_longs(places.longs().map(|p| v[p as usize & 7]))
}

pub(crate) fn _mm512_castsi512_si256(v: __m512i) -> __m256i {
    _mm512_extracti64x4_epi64::<0>(v)
}

pub(crate) fn _mm512_extracti64x4_epi64<const IMM8: i32>(v: __m512i) -> __m256i {
    const { assert!(IMM8 == 0 || IMM8 == 1, "one of both halves") }
    // SAFETY: both are 64 bytes without any that may not be read.
    let halves: [__m256i; 2] = unsafe { transmute(v) };
    halves[IMM8 as usize]
}

pub(crate) fn _mm512_extracti32x4_epi32<const IMM8: i32>(v: __m512i) -> __m128i {
    const { assert!(IMM8 >= 0 && IMM8 < 4, "one of four quarters") }
    // SAFETY: both are 64 bytes without any that may not be read.
    let quarters: [__m128i; 4] = unsafe { transmute(v) };
    quarters[IMM8 as usize]
}

pub(crate) fn _mm512_inserti32x4<const IMM8: i32>(v: __m512i, quarter: __m128i) -> __m512i {
    const { assert!(IMM8 >= 0 && IMM8 < 4, "one of four quarters") }
    // SAFETY: both are 64 bytes without any that may not be read.
    let mut quarters: [__m128i; 4] = unsafe { transmute(v) };
    quarters[IMM8 as usize] = quarter;
    // SAFETY: as above.
    unsafe { transmute(quarters) }
}

pub(crate) fn _mm512_inserti64x4<const IMM8: i32>(v: __m512i, half: __m256i) -> __m512i {
    const { assert!(IMM8 == 0 || IMM8 == 1, "one of both halves") }
    // SAFETY: both are 64 bytes without any that may not be read.
    let mut halves: [__m256i; 2] = unsafe { transmute(v) };
    halves[IMM8 as usize] = half;
    // SAFETY: as above.
    unsafe { transmute(halves) }
}

/// What lies above is not defined; here it is zero.
pub(crate) fn _mm512_castsi256_si512(v: __m256i) -> __m512i {
    // SAFETY: both are 64 bytes without any that may not be read.
    unsafe { transmute([words(v), [0; 16]]) }
}

pub(crate) fn _mm512_permutexvar_epi32(places: __m512i, v: __m512i) -> __m512i {
    __m512i(places.0.map(|p| v.0[p as usize & 15]))
}

pub(crate) fn _mm512_permutex2var_epi32(a: __m512i, places: __m512i, b: __m512i) -> __m512i {
    __m512i(places.0.map(|p| if p & 16 == 0 { a.0[p as usize & 15] } else { b.0[p as usize & 15] }))
}
