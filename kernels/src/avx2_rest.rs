//! AVX2: rows of inputs for products of bytes in pairs that must not leave 16 bits: the part of them that cannot, and a list
//! of the rest. See the int8 convolution's variant for weights in fours.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

/// Four inputs, some of them zero, of a step.
#[derive(Clone, Copy)]
pub(crate) struct Four {
    pub(crate) step: u32,
    pub(crate) inputs: i32,
}

/// Most fours in the list.
pub(crate) const FOURS: usize = 1024;

/// What is known of up to `N` rows.
pub(crate) struct Rows<const N: usize> {
    pub(crate) zero_point: i8,
    /// `-128 * Σ d` of the rows with signed inputs.
    pub(crate) shifts: [i32; N],
    /// What the rows do not hold: fours, the number of them, and where those of every row end.
    fours: [MaybeUninit<Four>; FOURS],
    pub(crate) count: usize,
    ends: [u32; N],
}

impl<const N: usize> Rows<N> {
    pub(crate) fn new(zero_point: i8) -> Self {
        Self { zero_point, shifts: [0; N], fours: [MaybeUninit::uninit(); FOURS], count: 0, ends: [0; N] }
    }

    /// The fours of a row, where the list was not too short.
    #[inline(always)]
    pub(crate) fn fours(&self, row: usize) -> &[MaybeUninit<Four>] {
        self.fours.get(self.start(row)..self.start(row.wrapping_add(1))).unwrap_or_default()
    }

    /// Whether these rows have fours.
    #[inline(always)]
    pub(crate) fn any(&self, first: usize, rows: usize) -> bool {
        self.start(first) != self.start(first.wrapping_add(rows))
    }

    /// Where the fours of a row start, and those of the row before it end.
    #[inline(always)]
    fn start(&self, row: usize) -> usize {
        self.ends.get(row.wrapping_sub(1)).map_or(0, |&end| end as usize)
    }

    /// Writes the `depth` inputs at `from`, whose top bits get `flip`, to a row of the panel, in the best form.
    ///
    /// # Safety
    /// 31 more inputs can be read and written.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) unsafe fn settle<const SIGNED: bool>(
        &mut self,
        from: *const u8,
        flip: i8,
        to: *mut u8,
        depth: usize,
        row: usize,
    ) {
        let (flip, top) = (_mm256_set1_epi8(flip), _mm256_set1_epi8(-128));
        let mut total = _mm256_setzero_si256();
        let mut done = 0usize;
        while done < depth {
            let mask = mask(depth.wrapping_sub(done));
            // SAFETY: the caller's promise.
            let u = unsafe { _mm256_loadu_si256(from.wrapping_add(done).cast()) };
            let u = _mm256_and_si256(_mm256_xor_si256(u, flip), mask);
            let mut value = u;
            let magnitudes = if SIGNED {
                total = _mm256_add_epi64(total, _mm256_sad_epu8(u, _mm256_setzero_si256()));
                let d = _mm256_subs_epi8(_mm256_xor_si256(u, top), _mm256_set1_epi8(self.zero_point));
                value = _mm256_and_si256(d, mask);
                _mm256_abs_epi8(value)
            } else {
                u
            };
            let pairs = _mm256_maddubs_epi16(magnitudes, _mm256_set1_epi8(1));
            // Signed inputs of 127 or -128 may have been more before.
            let over = _mm256_cmpgt_epi16(pairs, _mm256_set1_epi16(if SIGNED { 126 } else { 256 }));
            if _mm256_testz_si256(over, over) == 0 {
                let exact = _mm256_sub_epi8(_mm256_xor_si256(u, top), _mm256_set1_epi8(self.zero_point));
                let exact = if SIGNED { _mm256_and_si256(exact, mask) } else { u };
                value = self.split::<SIGNED>((value, exact), over, done);
            }
            // SAFETY: the caller's promise.
            unsafe { _mm256_storeu_si256(to.wrapping_add(done).cast(), value) };
            done = done.wrapping_add(32);
        }
        if SIGNED && let Some(shift) = self.shifts.get_mut(row) {
            let pair = _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total));
            let total = _mm_cvtsi128_si64(_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair))) as i32;
            let zeros = i32::from(self.zero_point).wrapping_add(128).wrapping_mul(depth as i32);
            *shift = total.wrapping_sub(zeros).wrapping_mul(-128);
        }
        if let Some(end) = self.ends.get_mut(row) {
            *end = self.count as u32;
        }
    }

    /// The part of 32 inputs, the first of which is number `first` of a row, that cannot saturate; the rest goes into the
    /// list. `exact` are the inputs modulo 256, of which `value` may have been bounded.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn split<const SIGNED: bool>(
        &mut self,
        (value, exact): (__m256i, __m256i),
        over: __m256i,
        first: usize,
    ) -> __m256i {
        let bounded = if SIGNED {
            _mm256_max_epi8(_mm256_min_epi8(value, _mm256_set1_epi8(64)), _mm256_set1_epi8(-64))
        } else {
            _mm256_min_epu8(value, _mm256_set1_epi8(-128))
        };
        let part = _mm256_blendv_epi8(value, bounded, over);
        let rest = _mm256_sub_epi8(exact, part);
        if SIGNED {
            // What is left of a pair may be too much for one product; half a pair never is.
            let low = _mm256_set1_epi16(255);
            self.list(_mm256_and_si256(rest, low), first);
            self.list(_mm256_andnot_si256(low, rest), first);
        } else {
            self.list(rest, first);
        }
        part
    }

    /// Adds the fours that are not zero to the list; one that is full counts on.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn list(&mut self, rest: __m256i, first: usize) {
        let mut fours = [0i32; 8];
        // SAFETY: the array holds 32 bytes.
        unsafe { _mm256_storeu_si256(fours.as_mut_ptr().cast(), rest) };
        let zeros = _mm256_castsi256_ps(_mm256_cmpeq_epi32(rest, _mm256_setzero_si256()));
        let mut left = !_mm256_movemask_ps(zeros) & 255;
        while left != 0 {
            let k = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            if let (Some(to), Some(&inputs)) = (self.fours.get_mut(self.count), fours.get(k)) {
                to.write(Four { step: (first / 4).wrapping_add(k) as u32, inputs });
            }
            self.count = self.count.wrapping_add(1);
        }
    }
}

/// Ones in the first `n` bytes, as far as there are so many.
#[inline]
#[target_feature(enable = "avx2")]
fn mask(n: usize) -> __m256i {
    const BYTES: [u8; 64] = {
        let mut bytes = [0; 64];
        let (ones, _) = bytes.split_at_mut(32);
        ones.copy_from_slice(&[255; 32]);
        bytes
    };
    // SAFETY: 32 bytes are left from a place up to 32 on.
    unsafe { _mm256_loadu_si256(BYTES.as_ptr().wrapping_add(32usize.saturating_sub(n)).cast()) }
}
