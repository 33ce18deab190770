//! The definitions, from the pseudocode of Intel's Intrinsics Guide.
#![allow(unsafe_code)] // Loads and stores, and vectors seen as other elements.
#![allow(clippy::indexing_slicing)] // For tests only, and by numbers that are smaller than the lanes.
#![allow(non_camel_case_types)] // The names of the intrinsics' types.

pub(crate) use core::arch::x86_64::{
    __m256i, __mmask16, __mmask32, __mmask64, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm256_loadu_si256,
};
use core::array::from_fn;
use core::mem::transmute;

use crate::half::F16;

/// 512 bits of integers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct __m512i([i32; 16]);

/// 16 floats.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct __m512([f32; 16]);

impl __m512i {
    fn words(self) -> [i16; 32] {
        // SAFETY: both are 64 bytes without any that may not be read.
        unsafe { transmute(self) }
    }

    fn bytes(self) -> [i8; 64] {
        // SAFETY: as above.
        unsafe { transmute(self) }
    }

    fn of_words(v: [i16; 32]) -> Self {
        // SAFETY: as above.
        unsafe { transmute(v) }
    }

    fn of_bytes(v: [i8; 64]) -> Self {
        // SAFETY: as above.
        unsafe { transmute(v) }
    }
}

/// Whether a mask has lane `i`.
fn has(mask: u64, i: usize) -> bool {
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

pub(crate) fn _mm512_set1_epi16(v: i16) -> __m512i {
    __m512i::of_words([v; 32])
}

pub(crate) fn _mm512_set1_epi8(v: i8) -> __m512i {
    __m512i::of_bytes([v; 64])
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

pub(crate) unsafe fn _mm512_loadu_epi8(from: *const i8) -> __m512i {
    // SAFETY: the caller's promise.
    __m512i::of_bytes(unsafe { from.cast::<[i8; 64]>().read_unaligned() })
}

pub(crate) unsafe fn _mm512_maskz_loadu_epi32(mask: __mmask16, from: *const i32) -> __m512i {
    // SAFETY: the caller's promise, for the lanes in the mask.
    __m512i(from_fn(|i| if has(mask.into(), i) { unsafe { from.add(i).read_unaligned() } } else { 0 }))
}

pub(crate) unsafe fn _mm512_storeu_epi32(to: *mut i32, v: __m512i) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<[i32; 16]>().write_unaligned(v.0) }
}

pub(crate) unsafe fn _mm512_mask_storeu_epi8(to: *mut i8, mask: __mmask64, v: __m512i) {
    for (i, &v) in v.bytes().iter().enumerate().filter(|&(i, _)| has(mask, i)) {
        // SAFETY: the caller's promise, for the lanes in the mask.
        unsafe { to.add(i).write(v) };
    }
}

pub(crate) unsafe fn _mm256_maskz_loadu_epi8(mask: __mmask32, from: *const i8) -> __m256i {
    let bytes: [i8; 32] =
        // SAFETY: the caller's promise, for the lanes in the mask.
        from_fn(|i| if has(mask.into(), i) { unsafe { from.add(i).read() } } else { 0 });
    // SAFETY: both are 32 bytes without any that may not be read.
    unsafe { transmute(bytes) }
}

pub(crate) unsafe fn _mm256_mask_storeu_epi8(to: *mut i8, mask: __mmask32, v: __m256i) {
    // SAFETY: both are 32 bytes without any that may not be read.
    let bytes: [i8; 32] = unsafe { transmute(v) };
    for (i, &v) in bytes.iter().enumerate().filter(|&(i, _)| has(mask.into(), i)) {
        // SAFETY: the caller's promise, for the lanes in the mask.
        unsafe { to.add(i).write(v) };
    }
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

pub(crate) fn _mm512_add_epi16(a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.words(), b.words());
    __m512i::of_words(from_fn(|i| a[i].wrapping_add(b[i])))
}

pub(crate) fn _mm512_cmplt_epi32_mask(a: __m512i, b: __m512i) -> __mmask16 {
    (0..16).map(|i| u16::from(a.0[i] < b.0[i]) << i).sum()
}

/// Unsigned bytes of `a` times signed ones of `b`.
pub(crate) fn _mm512_dpbusd_epi32(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.bytes(), b.bytes());
    let product = |i: usize| i32::from(a[i] as u8) * i32::from(b[i]);
    __m512i(from_fn(|i| (4 * i..4 * i + 4).map(product).fold(sum.0[i], i32::wrapping_add)))
}

pub(crate) fn _mm512_dpwssd_epi32(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.words(), b.words());
    let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
    __m512i(from_fn(|i| (2 * i..2 * i + 2).map(product).fold(sum.0[i], i32::wrapping_add)))
}

/// In every quarter, four of `a`, then four of `b`.
pub(crate) fn _mm512_packs_epi32(a: __m512i, b: __m512i) -> __m512i {
    let quarter = |i: usize| i / 8 * 4 + i % 4;
    let from = |i: usize| if i % 8 < 4 { a.0[quarter(i)] } else { b.0[quarter(i)] };
    __m512i::of_words(from_fn(|i| from(i).clamp(i16::MIN.into(), i16::MAX.into()) as i16))
}

/// In every quarter, eight of `a`, then eight of `b`.
pub(crate) fn _mm512_packs_epi16(a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.words(), b.words());
    let quarter = |i: usize| i / 16 * 8 + i % 8;
    let from = |i: usize| if i % 16 < 8 { a[quarter(i)] } else { b[quarter(i)] };
    __m512i::of_bytes(from_fn(|i| from(i).clamp(i8::MIN.into(), i8::MAX.into()) as i8))
}

/// In every quarter, the words from `first` on of `a` and `b` by turns.
fn unpack(a: __m512i, b: __m512i, first: usize) -> __m512i {
    let (a, b) = (a.words(), b.words());
    let from = |i: usize| i / 8 * 8 + first + i % 8 / 2;
    __m512i::of_words(from_fn(|i| if i % 2 == 0 { a[from(i)] } else { b[from(i)] }))
}

pub(crate) fn _mm512_unpacklo_epi16(a: __m512i, b: __m512i) -> __m512i {
    unpack(a, b, 0)
}

pub(crate) fn _mm512_unpackhi_epi16(a: __m512i, b: __m512i) -> __m512i {
    unpack(a, b, 4)
}

pub(crate) fn _mm512_permutexvar_epi32(places: __m512i, v: __m512i) -> __m512i {
    __m512i(places.0.map(|p| v.0[p as usize & 15]))
}

pub(crate) fn _mm512_permutex2var_epi32(a: __m512i, places: __m512i, b: __m512i) -> __m512i {
    __m512i(places.0.map(|p| if p & 16 == 0 { a.0[p as usize & 15] } else { b.0[p as usize & 15] }))
}

pub(crate) fn _mm512_cvtepi8_epi16(v: __m256i) -> __m512i {
    // SAFETY: both are 32 bytes without any that may not be read.
    let bytes: [i8; 32] = unsafe { transmute(v) };
    __m512i::of_words(bytes.map(i16::from))
}

/// Keeps the low bytes.
pub(crate) fn _mm512_cvtepi16_epi8(v: __m512i) -> __m256i {
    // SAFETY: both are 32 bytes without any that may not be read.
    unsafe { transmute(v.words().map(|v| v as i8)) }
}
