//! From the sums of AMX's tiles to outputs.
#![allow(unsafe_code)] // Loads and stores of vectors.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::places::ones;
use super::sums::Sums;
use super::{Strip, Work};
use crate::intrinsics::*;

impl Work<'_> {
    /// Stores the outputs of those pixels of a tile; gives what follows them.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(super) fn store<'y, const B: usize, const SMALL: bool>(
        &self,
        strip: &Strip<B>,
        sums: &Sums,
        new: u16,
        y: &'y mut [i8],
    ) -> &'y mut [i8] {
        let count = strip.mask.count_ones() as usize;
        let (mut left, mut at) = (new, strip.channel);
        while left != 0 {
            let first = left.trailing_zeros() as usize;
            let pixels = (left >> first).trailing_ones() as usize;
            left &= !ones(first, pixels);
            let bytes = pixels.wrapping_sub(1).wrapping_mul(self.pitch).wrapping_add(count);
            let Some(y) = y.get_mut(at..at.wrapping_add(bytes)) else { return &mut [] };
            at = at.wrapping_add(pixels.wrapping_mul(self.pitch));
            // SAFETY: there is room for the channels of as many pixels, of which a tile has sums.
            unsafe { self.store_pixels::<B, SMALL>(strip, sums, (first, pixels), y.as_mut_ptr()) };
        }
        let done = (new.count_ones() as usize).wrapping_mul(self.pitch);
        y.get_mut(done..).unwrap_or_default()
    }

    /// Stores the outputs of neighbours: so many from the first on.
    ///
    /// # Safety
    /// The tile has as many, and at `y` there is room for the strip's channels of each.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn store_pixels<const B: usize, const SMALL: bool>(
        &self,
        strip: &Strip<B>,
        sums: &Sums,
        (first, pixels): (usize, usize),
        mut y: *mut i8,
    ) {
        let whole = strip.mask.trailing_ones() as usize == 16 * B;
        let (mut pixel, mut left) = (first, pixels);
        while left > 0 {
            // Two neighbours of 32 channels fill a vector of bytes, or four of 16.
            let mut vectors = [_mm512_setzero_si512(); 4];
            for (k, to) in vectors.iter_mut().enumerate() {
                let (pixel, block) = (pixel.wrapping_add(k.div_euclid(B)), k.rem_euclid(B));
                let place = pixel.wrapping_mul(32).wrapping_add(block.wrapping_mul(16));
                // SAFETY: there are 32 sums for each of 16 pixels, and room to read three more.
                *to = unsafe { _mm512_maskz_loadu_epi32(u16::MAX, sums.0.as_ptr().cast::<i32>().wrapping_add(place)) };
            }
            let bytes = self.finish.bytes::<SMALL>(vectors, &strip.multipliers);
            let together = const { 4usize.div_euclid(B) };
            if whole && left >= together && self.pitch == 16 * B {
                // SAFETY: the caller's promise: the pixels lie side by side.
                unsafe { _mm512_storeu_epi8(y, bytes) };
            } else if whole && left >= together && B == 2 {
                // SAFETY: the caller's promise.
                unsafe {
                    _mm256_storeu_si256(y.cast(), _mm512_castsi512_si256(bytes));
                    _mm256_storeu_si256(y.wrapping_add(self.pitch).cast(), _mm512_extracti64x4_epi64::<1>(bytes));
                }
            } else {
                for k in 0..left.min(together) {
                    let before = k.wrapping_mul(16 * B);
                    let to = y.wrapping_add(k.wrapping_mul(self.pitch)).wrapping_sub(before);
                    // SAFETY: the pixel's bytes, which `before` others precede in the vector, are those of the mask.
                    unsafe { _mm512_mask_storeu_epi8(to, strip.mask.wrapping_shl(before as u32), bytes) };
                }
            }
            y = y.wrapping_add(self.pitch.wrapping_mul(together));
            (pixel, left) = (pixel.wrapping_add(together), left.saturating_sub(together));
        }
    }
}
