//! From the sums of AMX's tiles to outputs, a vector at a time: tiles multiply meanwhile.
#![allow(unsafe_code)] // Loads and stores of vectors.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::sums::Left;
use super::{Work, kind};
use crate::columns::Columns;
use crate::conv_i8::avx512_finish::Finish;
use crate::intrinsics::*;

/// The outputs of strips, and what is left to store of the sums of a pair of tiles.
pub(super) struct Outputs<'y, 'm, const B: usize> {
    work: &'y Work<'y>,
    /// All outputs, from pixel to pixel.
    y: &'y mut Columns<'m>,
    pitch: usize,
    /// Rows of sums, and those of them that are pixels of later runs, the first of which is this one.
    sums: *const i32,
    rows: u64,
    pixel: usize,
    /// First channel, and the mask of those that exist.
    channel: usize,
    mask: u64,
    /// Whether all of them exist.
    whole: bool,
    /// The end of a run that is no whole vector: some before it are stored again.
    end: Option<(*const i32, *mut i8)>,
    run: Run,
}

/// Pixels that lie one behind the other: where their sums and their outputs are, whole vectors of them that are left, and whether
/// more comes.
#[derive(Clone, Copy)]
struct Run {
    from: *const i32,
    to: *mut i8,
    vectors: usize,
    more: bool,
}

impl Run {
    const NONE: Self = Self { from: core::ptr::null(), to: core::ptr::null_mut(), vectors: 0, more: false };
}

/// The way from the sums of a pair to outputs.
#[derive(Clone)]
struct Way<const B: usize> {
    finish: Finish,
    multipliers: [__m512; 4],
}

/// Outputs that are being stored: what that takes is at hand.
pub(super) struct Begun<'o, 'y, 'm, const B: usize, const KIND: u8> {
    outputs: &'o mut Outputs<'y, 'm, B>,
    way: Way<B>,
    run: Run,
    pitch: usize,
}

impl<'y, 'm, const B: usize> Outputs<'y, 'm, B> {
    /// Pixels of a vector: two of 32 channels, or four of 16.
    const TOGETHER: usize = 4usize.div_euclid(B);

    /// Of `y`.
    pub(super) fn new(work: &'y Work<'y>, y: &'y mut Columns<'m>) -> Self {
        let (pitch, sums) = (y.pitch(), core::ptr::null());
        Self { work, y, pitch, sums, rows: 0, pixel: 0, channel: 0, mask: 0, whole: false, end: None, run: Run::NONE }
    }

    /// Goes on with these sums, when all of those before are stored.
    #[inline(always)]
    pub(super) fn begin(&mut self, left: &Left) {
        (self.sums, self.rows, self.pixel, self.channel) = (left.sums, left.rows, left.pixel, left.channel);
        let count = self.work.channels.wrapping_sub(left.channel).min(16 * B);
        self.mask = u64::MAX >> (64usize.wrapping_sub(count) & 63);
        self.whole = count == 16 * B;
        self.run = match self.pixels() {
            pixels if pixels < Self::TOGETHER || !self.whole => Run { more: left.rows != 0, ..Run::NONE },
            pixels => self.take(pixels),
        };
    }

    /// Pixels of the next run.
    #[inline(always)]
    fn pixels(&self) -> usize {
        self.rows.wrapping_shr(self.rows.trailing_zeros()).trailing_ones() as usize
    }

    /// Takes the next run, of so many pixels; no vectors if there is no room for their outputs.
    #[inline(always)]
    fn take(&mut self, pixels: usize) -> Run {
        let first = self.rows.trailing_zeros();
        self.rows &= u64::MAX.wrapping_shl(first).wrapping_shl(pixels as u32);
        let here = self.pixel..self.pixel.wrapping_add(pixels);
        self.pixel = here.end;
        let Some(to) = self.y.part(here, self.channel, self.mask.count_ones() as usize) else { return Run::NONE };
        let from = self.sums.wrapping_add((first as usize).wrapping_mul(32));
        let last = pixels.wrapping_sub(Self::TOGETHER);
        self.end = (!pixels.is_multiple_of(Self::TOGETHER))
            .then(|| (from.wrapping_add(last.wrapping_mul(32)), to.wrapping_add(last.wrapping_mul(self.pitch))));
        let vectors = pixels.wrapping_div(Self::TOGETHER);
        Run { from, to, vectors, more: self.end.is_some() || self.rows != 0 }
    }

    /// With what storing takes at hand.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(super) fn begun<const KIND: u8>(&mut self) -> Begun<'_, 'y, 'm, B, KIND> {
        let (way, run, pitch) = (self.way(), self.run, self.pitch);
        Begun { outputs: self, way, run, pitch }
    }

    /// Of the channels whose sums come now; where several pixels share a vector of bytes, their multipliers come again.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn way(&self) -> Way<B> {
        let mut multipliers = [_mm512_setzero_ps(); 4];
        for (k, to) in multipliers.iter_mut().enumerate() {
            let first = self.channel.wrapping_add(k.checked_rem(B).unwrap_or(0).wrapping_mul(16));
            let from = self.work.operands.multipliers.get(first..).unwrap_or_default();
            let exist = u32::MAX.wrapping_shr(16).wrapping_shr(16u32.saturating_sub(from.len() as u32)) as u16;
            // SAFETY: those that exist are loaded.
            *to = unsafe { _mm512_maskz_loadu_ps(exist, from.as_ptr()) };
        }
        Way { finish: self.work.finish.clone(), multipliers }
    }

    /// Stores all that is left.
    #[inline(always)]
    pub(super) fn rest<const KIND: u8>(&mut self) {
        if self.run.vectors > 0 || self.run.more {
            // SAFETY: this is only entered on a CPU that has what AMX has.
            unsafe { self.all::<KIND>() };
        }
    }

    #[inline(never)]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn all<const KIND: u8>(&mut self) {
        let mut begun = self.begun::<KIND>();
        while begun.run.vectors > 0 || begun.run.more {
            begun.step();
            begun.go_on();
        }
    }

    /// The next run of whole vectors, if there is one. Shorter ones, and those of some channels, are stored on the way to it.
    #[cold]
    #[inline(never)]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn next_run<const KIND: u8>(&mut self) -> Run {
        if let Some((from, to)) = self.end.take() {
            return Run { from, to, vectors: 1, more: self.rows != 0 };
        }
        while self.rows != 0 {
            let pixels = self.pixels();
            let run = self.take(pixels);
            if pixels >= Self::TOGETHER && self.whole || run.to.is_null() {
                return run;
            }
            self.end = None;
            // SAFETY: the pixels of a run have sums, and there is room for their outputs.
            unsafe { self.store_run::<KIND>(run.from, run.to, pixels) };
        }
        Run::NONE
    }

    /// Stores a run of so many pixels, those channels that exist.
    ///
    /// # Safety
    /// They have sums, and there is room for their outputs.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn store_run<const KIND: u8>(&self, mut from: *const i32, mut to: *mut i8, mut pixels: usize) {
        let way = self.way();
        while pixels > 0 {
            let here = pixels.min(Self::TOGETHER);
            // SAFETY: the caller's promise.
            unsafe { store_some::<B>(way.bytes::<KIND>(from, here), self.mask, to, self.pitch, here) };
            from = from.wrapping_add(const { 32 * Self::TOGETHER });
            to = to.wrapping_add(self.pitch.wrapping_mul(Self::TOGETHER));
            pixels = pixels.wrapping_sub(here);
        }
    }
}

impl<const B: usize, const KIND: u8> Begun<'_, '_, '_, B, KIND> {
    /// Stores the next vector of a run, if there is one.
    #[inline(always)]
    pub(super) fn step(&mut self) {
        if self.run.vectors == 0 {
            return;
        }
        let together = Outputs::<B>::TOGETHER;
        // SAFETY: the pixels of a run have sums, and there is room for their outputs.
        unsafe { store_whole::<B>(self.way.bytes::<KIND>(self.run.from, together), self.run.to, self.pitch) };
        self.run.from = self.run.from.wrapping_add(const { 32 * Outputs::<B>::TOGETHER });
        self.run.to = self.run.to.wrapping_add(self.pitch.wrapping_mul(together));
        self.run.vectors = self.run.vectors.wrapping_sub(1);
    }

    /// Goes on with the next run, where one has ended.
    #[inline(always)]
    pub(super) fn go_on(&mut self) {
        if self.run.vectors == 0 && self.run.more {
            // SAFETY: this is only entered on a CPU that has what AMX has.
            self.run = unsafe { self.outputs.next_run::<KIND>() };
        }
    }
}

impl<const B: usize, const KIND: u8> Drop for Begun<'_, '_, '_, B, KIND> {
    /// Where the next ones go on.
    #[inline(always)]
    fn drop(&mut self) {
        self.outputs.run = self.run;
    }
}

impl<const B: usize> Way<B> {
    /// The outputs of neighbours, whose sums lie there.
    ///
    /// # Safety
    /// There are sums for 32 channels of so many pixels.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    unsafe fn bytes<const KIND: u8>(&self, from: *const i32, pixels: usize) -> __m512i {
        let mut vectors = [_mm512_setzero_si512(); 4];
        for (k, to) in vectors.iter_mut().enumerate() {
            let (pixel, block) = (k.div_euclid(B), k.rem_euclid(B));
            let exists = if pixel < pixels { u16::MAX } else { 0 };
            // SAFETY: the caller's promise.
            *to = unsafe {
                _mm512_maskz_loadu_epi32(exists, from.wrapping_add(pixel.wrapping_mul(32) + block.wrapping_mul(16)))
            };
        }
        match KIND {
            kind::NEAR => self.finish.near(vectors, &self.multipliers),
            kind::SMALL => self.finish.bytes::<true>(vectors, &self.multipliers),
            _ => self.finish.bytes::<false>(vectors, &self.multipliers),
        }
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
