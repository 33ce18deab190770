//! What a strip of channels reads for all pixels, and asking for what the next one reads.
#![allow(unsafe_code)] // Vectors, and asking for memory.
#![cfg_attr(feature = "emulated", allow(unused_unsafe))] // Functions that need no instruction set are safe.

use super::{Work, ends, kind};
use crate::conv_i8::avx512vnni::Part;
use crate::intrinsics::*;
use crate::round_avx512::BITS;

/// Pairs of tiles up to which a strip asks for the next one's weights: more pairs read what comes late often enough.
const PAIRS: usize = 16;

/// Lines for each that is asked for: the CPU itself fetches those between, and more than that at a time.
const EACH: usize = 4;

/// What the sums of 16 channels start at, in one line.
#[repr(align(64))]
pub(super) struct Bias(pub(super) [i32; 16]);

/// What `B` blocks of 16 channels share over all pixels.
pub(super) struct Strip<const B: usize> {
    /// The blocks' weights.
    pub(super) weights: [*const i8; B],
    /// What the sums start at.
    pub(super) bias: [Bias; B],
    /// First channel.
    pub(super) channel: usize,
}

/// Asks for the weights of the next strip while one is multiplied: from the third-level cache they would come too late.
pub(super) struct Ahead {
    next: *const i8,
    /// Lines for every step.
    lines: usize,
}

impl Ahead {
    /// Behind these weights, which all of so many pairs of tiles read.
    #[inline(always)]
    pub(super) fn new<const B: usize>(weights: [*const i8; B], block: usize, pairs: usize) -> Self {
        let lines = if pairs > PAIRS { 0 } else { (16 * B / EACH).div_ceil(pairs.max(1)) };
        Self { next: ends(weights)[1].wrapping_add(block), lines }
    }

    #[inline(always)]
    pub(super) fn step(&mut self) {
        for _ in 0..self.lines {
            // SAFETY: every CPU of this architecture has SSE, and asking for a line never fails.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(self.next) };
            self.next = self.next.wrapping_add(64 * EACH);
        }
    }
}

impl Work<'_> {
    /// `B` blocks.
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    pub(super) fn strip<const B: usize, const KIND: u8>(&self, block: usize) -> Strip<B> {
        let (operands, channel) = (self.operands, block.wrapping_mul(16));
        let mut strip = Strip { weights: [core::ptr::null(); B], bias: [const { Bias([0; 16]) }; B], channel };
        for (k, (weights, Bias(bias))) in strip.weights.iter_mut().zip(&mut strip.bias).enumerate() {
            let place = block.wrapping_add(k).wrapping_mul(self.block);
            let mut all = operands.weights.get(place..place.wrapping_add(self.block)).unwrap_or_default();
            if let Some(part) = &self.part {
                all = all.get(part.before..part.before.wrapping_add(part.bytes)).unwrap_or_default();
                *bias = part.less(all);
            }
            if KIND == kind::NEAR {
                bias.iter_mut().for_each(|bias| *bias = bias.wrapping_add(BITS));
            }
            *weights = all.as_ptr();
            let from = operands.bias.get(channel.wrapping_add(k.wrapping_mul(16))..).unwrap_or_default();
            bias.iter_mut().zip(from).for_each(|(to, &from)| *to = to.wrapping_add(from));
        }
        strip
    }
}

impl Part {
    /// What the zero point adds to the sums of a block with these weights, negated.
    #[inline]
    #[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni"))]
    fn less(&self, weights: &[i8]) -> [i32; 16] {
        // Unsigned bytes: the zero point above -128, and 128.
        let (each, top) = (_mm512_set1_epi8(self.zero_point.wrapping_add(128) as i8), _mm512_set1_epi8(-128));
        let mut sums = [_mm512_setzero_si512(); 2];
        for w in weights.as_chunks::<64>().0 {
            // SAFETY: the array holds 64 bytes.
            let w = unsafe { _mm512_loadu_epi8(w.as_ptr()) };
            let [a, b] = sums;
            sums = [_mm512_dpbusd_epi32(a, each, w), _mm512_dpbusd_epi32(b, top, w)];
        }
        let ([a, b], mut less) = (sums, [0; 16]);
        // SAFETY: the array holds 16 numbers.
        unsafe { _mm512_storeu_epi32(less.as_mut_ptr(), _mm512_sub_epi32(b, a)) };
        less
    }
}
