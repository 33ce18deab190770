//! The definition, from the pseudocode of Intel's Intrinsics Guide.
#![allow(unsafe_code)] // Vectors seen as other elements.
#![allow(clippy::indexing_slicing)] // For tests only, and by numbers that are smaller than the lanes.

use core::arch::x86_64::__m256i;
use core::array::from_fn;
use core::mem::transmute;

/// Unsigned bytes of `a` times signed ones of `b`.
pub(crate) fn _mm256_dpbusd_avx_epi32(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: all are 32 bytes without any that may not be read.
    let sum: [i32; 8] = unsafe { transmute(sum) };
    // SAFETY: as above.
    let a: [u8; 32] = unsafe { transmute(a) };
    // SAFETY: as above.
    let b: [i8; 32] = unsafe { transmute(b) };
    let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
    let sums: [i32; 8] = from_fn(|i| (4 * i..4 * i + 4).map(product).fold(sum[i], i32::wrapping_add));
    // SAFETY: as above.
    unsafe { transmute(sums) }
}
