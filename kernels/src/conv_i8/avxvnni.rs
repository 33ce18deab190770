//! AVX-VNNI: tiles of 6 pixels times 16 channels, 12 sums in registers, four products of bytes at once.
//!
//! vpdpbusd multiplies unsigned by signed bytes, so that a panel holds `x + 128` (x with its top bit flipped), and the sums
//! start at `bias - 128 * Σ w`, whose second part stands before the weights: in wrapping int32 the result is the same.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;
use core::iter::once;
use core::ops::Range;

use super::avx2::{Finish, load};
use super::gathered::{GROUP, TILE, TILES, WEIGHTS, gathered, plain};
use super::panel::{FAR, Job, Memory, NEAR, Panel, Runs, starts};
use super::{Operands, Params, layout};
#[cfg(feature = "emulated")]
use crate::intrinsics::_mm256_dpbusd_avx_epi32;
use crate::pixels::Pixels;
use crate::windows::{Window, Windows};
use crate::{Isa, Level};

/// Convolves with weights in O16K4 or O16G4; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() != Level::AvxVnni || !matches!(params.layout, layout::O16K4 | layout::O16G4) {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(&Job::new(params, operands, pixels), y) };
    true
}

/// Inputs with their top bit flipped.
type Element = u8;
/// Of 16 channels.
type Sums = [__m256i; 2];
/// Fours.
const TOGETHER: usize = 4;
/// The sums of the channels.
const HEAD: usize = 64;

#[cfg(not(feature = "emulated"))]
gathered!("avx2,avxvnni");
#[cfg(not(feature = "emulated"))]
plain!("avx2,avxvnni");
#[cfg(feature = "emulated")]
gathered!("avx2");
#[cfg(feature = "emulated")]
plain!("avx2");

/// Flips `n` inputs, 32 at a time, which may be 31 more.
#[inline]
#[target_feature(enable = "avx2")]
fn copy(from: *const i8, to: *mut u8, n: usize) {
    let flip = _mm256_set1_epi8(-128);
    let mut done = 0;
    while done < n {
        // SAFETY: there is room to read and to write 32 more than are copied.
        let bytes = unsafe { _mm256_loadu_si256(from.wrapping_add(done).cast()) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(to.wrapping_add(done).cast(), _mm256_xor_si256(bytes, flip)) };
        done = done.wrapping_add(32);
    }
}

/// What the sums start at.
///
/// # Safety
/// A block of weights lies at `block`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn start(bias: &[i32; 16], block: *const i8) -> [__m256i; 2] {
    let [a, b] = load(bias);
    // SAFETY: the caller's promise: a block begins with 16 sums.
    let (s, t) = unsafe { (_mm256_loadu_si256(block.cast()), _mm256_loadu_si256(block.wrapping_add(32).cast())) };
    [_mm256_add_epi32(a, s), _mm256_add_epi32(b, t)]
}

/// The sums, with the products of runs of `steps` fours of inputs and weights added, of `P` pixels and `8 * H` channels.
///
/// # Safety
/// A run has `P` rows of as many fours, `pitch` apart, so many elements behind the first row, and 64 bytes of weights for
/// each of them.
#[inline]
#[cfg_attr(not(feature = "emulated"), target_feature(enable = "avx2,avxvnni"))]
#[cfg_attr(feature = "emulated", target_feature(enable = "avx2"))]
unsafe fn add<const P: usize, const H: usize>(
    mut sums: [[__m256i; 2]; P],
    rows: (*const u8, usize),
    runs: impl Iterator<Item = (usize, *const i8)>,
    steps: usize,
) -> [[__m256i; 2]; P] {
    let rows: [_; P] = starts(rows);
    for (mut place, mut weights) in runs {
        for _ in 0..steps {
            let mut w = [_mm256_setzero_si256(); H];
            for (h, w) in w.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                *w = unsafe { _mm256_loadu_si256(weights.wrapping_add(32 * h).cast()) };
            }
            weights = weights.wrapping_add(64);
            for (x, sums) in rows.iter().zip(&mut sums) {
                // SAFETY: the caller's promise.
                let four = unsafe { x.wrapping_add(place).cast::<i32>().read_unaligned() };
                let four = _mm256_set1_epi32(four);
                for (sum, &w) in sums.iter_mut().zip(&w) {
                    *sum = _mm256_dpbusd_avx_epi32(*sum, four, w);
                }
            }
            place = place.wrapping_add(4);
        }
    }
    sums
}
