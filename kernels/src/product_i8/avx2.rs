//! AVX2: eight vectors of sums at a time. The instruction multiplies unsigned by signed bytes and adds two products in 16
//! bits, with saturation. There are two ways around it:
//!
//! - *Turned* weights: x is moved to -128..127, and where it is negative all bits of a weight are turned: `x * w = |x| * !w +
//!   |x|` there, and the second term is the same for every output. Two products with `|x|` are within 16 bits: at least
//!   `2 * 128 * -128`, at most `2 * 128 * 127`.
//! - *Signed* x, where several rows share the weights: `d = x - x_zero`, with weights of `w + 128` as the unsigned factor.
//!   Pairs of small inputs cannot saturate; what the others have more is multiplied apart, as in the convolution.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;

use super::{BLOCK, Matrix, Row, Sink, Sums, blocks};
use crate::avx2_rest::{FOURS, Rows};
use crate::{Isa, Level};

/// Most fours of a row that are prepared before the first block.
const PREPARED: usize = 512;
/// Bytes that are written beyond a row.
const OVER: usize = 32;

/// Computes every block; false where the CPU has not the instruction set.
pub(super) fn run<const R: usize>(
    isa: Isa,
    m: &Matrix<'_>,
    rows: &[Row<'_>; R],
    backwards: bool,
    sink: &mut impl Sink<R>,
) -> bool {
    if isa.level() < Level::Avx2 || rows.iter().any(|row| row.levels.len() != m.shape.row_bytes()) {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(m, rows, backwards, sink) };
    true
}

#[target_feature(enable = "avx2")]
fn all<const R: usize>(m: &Matrix<'_>, rows: &[Row<'_>; R], backwards: bool, sink: &mut impl Sink<R>) {
    let levels = rows.each_ref().map(|row| row.levels);
    if m.shape.row_bytes() <= PREPARED * 4 {
        if let &[row] = &levels[..] {
            let mut turned = Turned { sizes: [0; PREPARED], negative: [0; PREPARED], count: 0, below: below(row) };
            turned.fill(row);
            return each(m, backwards, sink, [turned.below; R], [128; R], |part, sums| match part.vectors {
                8 => turned.add::<8>(part, sums),
                _ => turned.add::<2>(part, sums),
            });
        }
        let levels = [[0; PREPARED * 4 + OVER]; R];
        let mut signed = Signed { levels, count: 0, rows: Rows::new(0), zeros: [0; R] };
        if signed.fill(rows) {
            return each(m, backwards, sink, signed.rows.shifts, signed.zeros, |part, sums| match part.vectors {
                4 => signed.add::<4>(part, sums),
                _ => signed.add::<2>(part, sums),
            });
        }
    }
    each(m, backwards, sink, levels.map(below), [128; R], |part, sums| match part.vectors {
        8 => add::<8, R>(part, levels, sums),
        4 => add::<4, R>(part, levels, sums),
        _ => add::<2, R>(part, levels, sums),
    });
}

/// A part of a block: `8 * vectors` outputs from `at` on of a block of `outputs`.
struct Part<'a> {
    weights: &'a [i8],
    outputs: usize,
    at: usize,
    vectors: usize,
}

impl Part<'_> {
    /// The weights of a four.
    ///
    /// # Safety
    /// There is such a four, and these are the vectors of the part.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn weights<const V: usize>(&self, four: usize) -> [__m256i; V] {
        let place = four.wrapping_mul(self.outputs).wrapping_add(self.at).wrapping_mul(4);
        let from = self.weights.as_ptr().wrapping_add(place);
        // SAFETY: the caller's promise.
        core::array::from_fn(|v| unsafe { _mm256_loadu_si256(from.wrapping_add(v.wrapping_mul(32)).cast()) })
    }

    /// Stores the sums of a row.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn put<const V: usize>(&self, sums: [__m256i; V], to: &mut Sums) {
        for (to, sum) in to.as_chunks_mut::<8>().0.iter_mut().skip(self.at / 8).zip(sums) {
            // SAFETY: the array holds 8 elements.
            unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), sum) };
        }
    }
}

/// Gives every block to the sink: what `add` puts, with `more` of a row and `times` the sum of the weights.
#[inline(always)]
fn each<const R: usize>(
    m: &Matrix<'_>,
    backwards: bool,
    sink: &mut impl Sink<R>,
    more: [i32; R],
    times: [i32; R],
    add: impl Fn(&Part<'_>, &mut [Sums; R]),
) {
    let most = if R == 1 {
        8
    } else if R == 2 {
        4
    } else {
        2
    };
    for (first, weights) in blocks(m, backwards) {
        let outputs = (m.shape.columns() - first).min(BLOCK);
        let (mut sums, mut at) = ([[0; BLOCK]; R], 0);
        while at < outputs {
            let vectors = if at + 8 * most <= outputs { most } else { 2 };
            add(&Part { weights, outputs, at, vectors }, &mut sums);
            at += 8 * vectors;
        }
        for ((sums, more), times) in sums.iter_mut().zip(more).zip(times) {
            for (sum, &w_sum) in sums.iter_mut().zip(m.sums.get(first..).unwrap_or_default()) {
                *sum = sum.wrapping_add(more).wrapping_add(w_sum.wrapping_mul(times));
            }
        }
        sink.take(first, &sums);
    }
}

/// The sum of what x is less than 128 by.
fn below(levels: &[u8]) -> i32 {
    levels.iter().fold(0i32, |sum, &x| sum.wrapping_add(i32::from(x).wrapping_sub(128).min(0).wrapping_neg()))
}

/// One row, moved: magnitudes, and all bits where it was negative, in fours.
struct Turned {
    sizes: [i32; PREPARED],
    negative: [i32; PREPARED],
    count: usize,
    below: i32,
}

impl Turned {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn fill(&mut self, levels: &[u8]) {
        let (fours, _) = levels.as_chunks::<4>();
        for ((size, negative), four) in self.sizes.iter_mut().zip(&mut self.negative).zip(fours) {
            *size = i32::from_ne_bytes(four.map(|x| x.abs_diff(128)));
            *negative = i32::from_ne_bytes(four.map(|x| if x < 128 { 255 } else { 0 }));
        }
        self.count = fours.len();
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add<const V: usize>(&self, part: &Part<'_>, to: &mut [Sums]) {
        let mut sums = [_mm256_setzero_si256(); V];
        let fours = self.sizes.iter().zip(&self.negative);
        for (k, (&size, &negative)) in fours.take(self.count).enumerate() {
            let (size, negative) = (_mm256_set1_epi32(size), _mm256_set1_epi32(negative));
            // SAFETY: there are as many fours of weights as of x.
            let w = unsafe { part.weights::<V>(k) };
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum = sum_of(*sum, size, _mm256_xor_si256(w, negative));
            }
        }
        if let Some(to) = to.first_mut() {
            part.put(sums, to);
        }
    }
}

/// Some rows of signed inputs that cannot saturate, and a list of the rest.
struct Signed<const R: usize> {
    levels: [[u8; PREPARED * 4 + OVER]; R],
    count: usize,
    rows: Rows<R>,
    /// What stands for zero.
    zeros: [i32; R],
}

impl<const R: usize> Signed<R> {
    /// False where too many inputs are large.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn fill(&mut self, rows: &[Row<'_>; R]) -> bool {
        for (index, (row, to)) in rows.iter().zip(&mut self.levels).enumerate() {
            for (to, &x) in to.iter_mut().zip(row.levels) {
                *to = x;
            }
            // What is left of signed inputs is within 8 bits for these.
            let zero = i32::from(row.zero_point).clamp(64, 191);
            self.rows.zero_point = zero.wrapping_sub(128) as i8;
            if let Some(to) = self.zeros.get_mut(index) {
                *to = zero;
            }
            let to = to.as_mut_ptr();
            // SAFETY: there is room for 32 more bytes than a row has.
            unsafe { self.rows.settle::<true>(to, 0, to, row.levels.len(), index) };
            self.count = row.levels.len() / 4;
        }
        self.rows.count <= FOURS.min(self.count.wrapping_mul(R) / 4)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add<const V: usize>(&self, part: &Part<'_>, to: &mut [Sums; R]) {
        let flip = _mm256_set1_epi8(-128);
        let mut sums = [[_mm256_setzero_si256(); V]; R];
        let levels = self.levels.each_ref().map(|levels| levels.as_ptr());
        for k in 0..self.count {
            // SAFETY: there are as many fours of weights as of x.
            let w = unsafe { part.weights::<V>(k) }.map(|w| _mm256_xor_si256(w, flip));
            for (levels, sums) in levels.iter().zip(&mut sums) {
                // SAFETY: every row has this four.
                let x = unsafe { levels.wrapping_add(k.wrapping_mul(4)).cast::<i32>().read_unaligned() };
                for (sum, &w) in sums.iter_mut().zip(&w) {
                    *sum = sum_of(*sum, w, _mm256_set1_epi32(x));
                }
            }
        }
        for ((row, mut sums), to) in sums.into_iter().enumerate().zip(to) {
            for four in self.rows.fours(row) {
                // SAFETY: rows end within the written part of the list, and its steps are those of the row.
                let (four, w) = unsafe {
                    let four = four.assume_init();
                    (four, part.weights::<V>(four.step as usize))
                };
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = sum_of(*sum, _mm256_xor_si256(w, flip), _mm256_set1_epi32(four.inputs));
                }
            }
            part.put(sums, to);
        }
    }
}

/// Turned weights times rows of any length.
#[inline]
#[target_feature(enable = "avx2")]
fn add<const V: usize, const R: usize>(part: &Part<'_>, rows: [&[u8]; R], to: &mut [Sums; R]) {
    let middle = _mm256_set1_epi8(-128);
    let mut sums = [[_mm256_setzero_si256(); V]; R];
    let groups = rows.iter().map(|row| row.len() / 4).min().unwrap_or(0);
    for group in 0..groups {
        // SAFETY: there are as many fours of weights as of x (the caller has seen to it).
        let w = unsafe { part.weights::<V>(group) };
        for (row, sums) in rows.iter().zip(&mut sums) {
            // SAFETY: every row has this four.
            let x = unsafe { row.as_ptr().wrapping_add(4 * group).cast::<i32>().read_unaligned() };
            let x = _mm256_xor_si256(_mm256_set1_epi32(x), middle);
            let (size, below) = (_mm256_abs_epi8(x), _mm256_cmpgt_epi8(_mm256_setzero_si256(), x));
            for (sum, &w) in sums.iter_mut().zip(&w) {
                *sum = sum_of(*sum, size, _mm256_xor_si256(w, below));
            }
        }
    }
    for (sums, to) in sums.into_iter().zip(to) {
        part.put(sums, to);
    }
}

/// A sum with the products of unsigned and signed bytes, four to a lane.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_of(sum: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(unsigned, signed);
    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}
