//! From the sums of AMX's tiles to outputs, a vector at a time: other tiles multiply meanwhile.
#![allow(unsafe_code)] // Loads and stores of vectors.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::Strip;
use crate::columns::Columns;
use crate::conv_i8::avx512_finish::Finish;
use crate::intrinsics::*;

/// The outputs of a strip, and what is left to store of the sums of two tiles.
pub(super) struct Outputs<'y, 'm, const B: usize> {
    finish: Finish,
    multipliers: [__m512; 4],
    /// Which of 32 channels exist, and whether all of the strip's do.
    mask: u64,
    whole: bool,
    /// All outputs, from pixel to pixel; the first channel, and the pixel at the start of the next run.
    y: &'y mut Columns<'m>,
    pitch: usize,
    channel: usize,
    at: usize,
    /// Rows of sums, and those of them that are pixels of later runs.
    sums: *const i32,
    rows: u64,
    /// A run of neighbours, of which so many are left: their sums, and where their outputs go.
    left: usize,
    from: *const i32,
    to: *mut i8,
    /// Whether all of its vectors are whole ones.
    long: bool,
}

impl<'y, 'm, const B: usize> Outputs<'y, 'm, B> {
    /// Pixels of a vector: two of 32 channels, or four of 16.
    const TOGETHER: usize = 4usize.div_euclid(B);

    /// Of `y`.
    #[inline(always)]
    pub(super) fn new(finish: &Finish, strip: &Strip<B>, y: &'y mut Columns<'m>) -> Self {
        Self {
            finish: finish.clone(),
            multipliers: strip.multipliers,
            mask: strip.mask,
            whole: strip.mask.trailing_ones() as usize == 16 * B,
            to: core::ptr::null_mut(),
            pitch: y.pitch(),
            y,
            channel: strip.channel,
            at: 0,
            sums: core::ptr::null(),
            rows: 0,
            left: 0,
            from: core::ptr::null(),
            long: false,
        }
    }

    /// Goes on with these rows of these sums, when all of those before are stored.
    #[inline(always)]
    pub(super) fn begin(&mut self, sums: *const i32, rows: u64) {
        (self.sums, self.rows) = (sums, rows);
        self.next_run();
    }

    /// Stores all that is left.
    #[inline(always)]
    pub(super) fn rest<const SMALL: bool>(&mut self) {
        loop {
            while self.left > 0 {
                self.step::<SMALL>();
            }
            self.next_run();
            if self.left == 0 {
                return;
            }
        }
    }

    /// Finds the next run.
    #[inline(always)]
    fn next_run(&mut self) {
        self.left = 0;
        if self.rows == 0 {
            return;
        }
        let first = self.rows.trailing_zeros();
        let pixels = self.rows.wrapping_shr(first).trailing_ones();
        let (here, width) = (self.at..self.at.wrapping_add(pixels as usize), self.mask.count_ones() as usize);
        let Some(to) = self.y.part(here, self.channel, width) else { return };
        self.to = to;
        self.from = self.sums.wrapping_add((first as usize).wrapping_mul(32));
        self.left = pixels as usize;
        self.long = self.whole && self.left >= Self::TOGETHER;
        self.at = self.at.wrapping_add(self.left);
        self.rows &= u64::MAX.wrapping_shl(first).wrapping_shl(pixels);
    }

    /// Stores the next vector of a run, if there is one.
    #[inline(always)]
    pub(super) fn step<const SMALL: bool>(&mut self) {
        let (left, pitch) = (self.left, self.pitch);
        if left == 0 {
            return;
        }
        // SAFETY: the pixels of a run have sums, and there is room for their outputs.
        unsafe {
            if self.long {
                // The end is a whole vector too, some of which is stored again.
                let again = Self::TOGETHER.saturating_sub(left);
                let from = self.from.wrapping_sub(again.wrapping_mul(32));
                let to = self.to.wrapping_sub(again.wrapping_mul(pitch));
                store_whole::<B>(self.bytes::<SMALL>(from, Self::TOGETHER), to, pitch);
            } else {
                let pixels = left.min(Self::TOGETHER);
                store_some::<B>(self.bytes::<SMALL>(self.from, pixels), self.mask, self.to, pitch, pixels);
            }
        }
        self.from = self.from.wrapping_add(const { 32 * Self::TOGETHER });
        self.to = self.to.wrapping_add(pitch.wrapping_mul(Self::TOGETHER));
        self.left = left.saturating_sub(Self::TOGETHER);
    }

    /// The outputs of neighbours, whose sums lie there.
    ///
    /// # Safety
    /// There are sums for 32 channels of so many pixels.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn bytes<const SMALL: bool>(&self, from: *const i32, pixels: usize) -> __m512i {
        let mut vectors = [_mm512_setzero_si512(); 4];
        for (k, to) in vectors.iter_mut().enumerate() {
            let (pixel, block) = (k.div_euclid(B), k.rem_euclid(B));
            let exists = if pixel < pixels { u16::MAX } else { 0 };
            // SAFETY: the caller's promise.
            *to = unsafe {
                _mm512_maskz_loadu_epi32(exists, from.wrapping_add(pixel.wrapping_mul(32) + block.wrapping_mul(16)))
            };
        }
        self.finish.bytes::<SMALL>(vectors, &self.multipliers)
    }
}

/// Stores a vector of all its pixels.
///
/// # Safety
/// There is room for all channels of each at `y`, which are `pitch` apart.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn store_whole<const B: usize>(bytes: __m512i, y: *mut i8, pitch: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if pitch == 16 * B {
            _mm512_storeu_epi8(y, bytes);
        } else if B == 2 {
            _mm256_storeu_si256(y.cast(), _mm512_castsi512_si256(bytes));
            _mm256_storeu_si256(y.wrapping_add(pitch).cast(), _mm512_extracti64x4_epi64::<1>(bytes));
        } else {
            store_some::<B>(bytes, u64::from(u16::MAX), y, pitch, const { 4usize.div_euclid(B) });
        }
    }
}

/// Stores the first pixels of a vector, and of each the channels of a mask.
///
/// # Safety
/// There is room for those channels of each at `y`, which are `pitch` apart.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
unsafe fn store_some<const B: usize>(bytes: __m512i, mask: u64, y: *mut i8, pitch: usize, pixels: usize) {
    for k in 0..pixels {
        let before = k.wrapping_mul(16 * B);
        let to = y.wrapping_add(k.wrapping_mul(pitch)).wrapping_sub(before);
        // SAFETY: the pixel's bytes, which `before` others precede in the vector, are those of the mask.
        unsafe { _mm512_mask_storeu_epi8(to, mask.wrapping_shl(before as u32), bytes) };
    }
}
