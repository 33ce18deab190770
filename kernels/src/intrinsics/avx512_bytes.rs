//! The definitions for bytes and words, from the pseudocode of Intel's Intrinsics Guide.
#![allow(unsafe_code)] // Loads and stores, and vectors seen as other elements.
#![allow(clippy::indexing_slicing)] // For tests only, and by numbers that are smaller than the lanes.

use core::arch::x86_64::{__m128i, __m256i, __mmask16, __mmask32, __mmask64};
use core::array::from_fn;
use core::mem::transmute;

use super::avx512::{__m512i, has};

pub(crate) fn _mm512_set1_epi16(v: i16) -> __m512i {
    __m512i::of_words([v; 32])
}

pub(crate) fn _mm512_set1_epi8(v: i8) -> __m512i {
    __m512i::of_bytes([v; 64])
}

pub(crate) unsafe fn _mm512_loadu_epi8(from: *const i8) -> __m512i {
    // SAFETY: the caller's promise.
    __m512i::of_bytes(unsafe { from.cast::<[i8; 64]>().read_unaligned() })
}

pub(crate) unsafe fn _mm512_maskz_loadu_epi8(mask: __mmask64, from: *const i8) -> __m512i {
    // SAFETY: the caller's promise, for the lanes in the mask.
    __m512i::of_bytes(from_fn(|i| if has(mask, i) { unsafe { from.add(i).read() } } else { 0 }))
}

pub(crate) unsafe fn _mm512_storeu_epi8(to: *mut i8, v: __m512i) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<[i8; 64]>().write_unaligned(v.bytes()) }
}

pub(crate) unsafe fn _mm512_mask_storeu_epi8(to: *mut i8, mask: __mmask64, v: __m512i) {
    for (i, &v) in v.bytes().iter().enumerate().filter(|&(i, _)| has(mask, i)) {
        // SAFETY: the caller's promise, for the lanes in the mask; the start may lie outside.
        unsafe { to.wrapping_add(i).write(v) };
    }
}

pub(crate) unsafe fn _mm_maskz_loadu_epi8(mask: __mmask16, from: *const i8) -> __m128i {
    let bytes: [i8; 16] =
        // SAFETY: the caller's promise, for the lanes in the mask.
        from_fn(|i| if has(mask.into(), i) { unsafe { from.add(i).read() } } else { 0 });
    // SAFETY: both are 16 bytes without any that may not be read.
    unsafe { transmute(bytes) }
}

pub(crate) unsafe fn _mm_mask_storeu_epi8(to: *mut i8, mask: __mmask16, v: __m128i) {
    // SAFETY: both are 16 bytes without any that may not be read.
    let bytes: [i8; 16] = unsafe { transmute(v) };
    for (i, &v) in bytes.iter().enumerate().filter(|&(i, _)| has(mask.into(), i)) {
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

pub(crate) fn _mm512_add_epi16(a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.words(), b.words());
    __m512i::of_words(from_fn(|i| a[i].wrapping_add(b[i])))
}

pub(crate) fn _mm512_adds_epi16(a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.words(), b.words());
    __m512i::of_words(from_fn(|i| a[i].saturating_add(b[i])))
}

pub(crate) fn _mm512_max_epi16(a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.words(), b.words());
    __m512i::of_words(from_fn(|i| a[i].max(b[i])))
}

pub(crate) fn _mm512_min_epi16(a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.words(), b.words());
    __m512i::of_words(from_fn(|i| a[i].min(b[i])))
}

pub(crate) fn _mm512_max_epi8(a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.bytes(), b.bytes());
    __m512i::of_bytes(from_fn(|i| a[i].max(b[i])))
}

pub(crate) fn _mm512_min_epi8(a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.bytes(), b.bytes());
    __m512i::of_bytes(from_fn(|i| a[i].min(b[i])))
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

/// In every quarter, the bytes from `first` on of `a` and `b` by turns.
fn unpack_bytes(a: __m512i, b: __m512i, first: usize) -> __m512i {
    let (a, b) = (a.bytes(), b.bytes());
    let from = |i: usize| i / 16 * 16 + first + i % 16 / 2;
    __m512i::of_bytes(from_fn(|i| if i % 2 == 0 { a[from(i)] } else { b[from(i)] }))
}

pub(crate) fn _mm512_unpacklo_epi8(a: __m512i, b: __m512i) -> __m512i {
    unpack_bytes(a, b, 0)
}

pub(crate) fn _mm512_unpackhi_epi8(a: __m512i, b: __m512i) -> __m512i {
    unpack_bytes(a, b, 8)
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

/// The lower seven bits of a place count.
pub(crate) fn _mm512_permutex2var_epi8(a: __m512i, places: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.bytes(), b.bytes());
    let from = |p: usize| if p & 64 == 0 { a[p & 63] } else { b[p & 63] };
    __m512i::of_bytes(places.bytes().map(|p| from(p as u8 as usize)))
}

/// The upper bits.
pub(crate) fn _mm512_movepi8_mask(v: __m512i) -> __mmask64 {
    v.bytes().iter().enumerate().map(|(i, &v)| u64::from(v < 0) << i).sum()
}

pub(crate) fn _mm512_mask_blend_epi8(mask: __mmask64, a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (a.bytes(), b.bytes());
    __m512i::of_bytes(from_fn(|i| if has(mask, i) { b[i] } else { a[i] }))
}

pub(crate) fn _mm512_cvtepi8_epi32(v: __m128i) -> __m512i {
    // SAFETY: both are 16 bytes without any that may not be read.
    let bytes: [i8; 16] = unsafe { transmute(v) };
    __m512i(bytes.map(i32::from))
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
