//! AVX2: eight vectors of sums at a time. The instruction multiplies unsigned by signed bytes and adds two products in 16
//! bits, with saturation. There are two ways around it:
//!
//! - *Signed* x: `d = x - x_zero`, with the weights as they lie there (`w + 128`) as the unsigned factor. Pairs of small inputs
//!   cannot saturate; what the others have more is multiplied apart, as in the convolution.
//! - *Turned* weights, where too many inputs are large: x is moved to -128..127, and where it is negative all bits of a weight
//!   are turned: `x * w = |x| * !w + |x|` there, and the second term is the same for every output. Two products with `|x|`
//!   are within 16 bits: at least `2 * 128 * -128`, at most `2 * 128 * 127`.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{BLOCK, Matrix, Missing, Row, Sink, Sums, blocks};
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
    if m.shape.row_bytes() <= PREPARED * 4 {
        let levels = [const { MaybeUninit::uninit() }; R];
        let mut signed = Signed { levels, count: 0, rows: Rows::new(0), zeros: [0; R] };
        if signed.fill(rows) {
            return each(m, backwards, sink, signed.missing(), |part, sums| match part.vectors {
                8 => signed.add::<8>(part, sums),
                4 => signed.add::<4>(part, sums),
                _ => signed.add::<2>(part, sums),
            });
        }
    }
    turn(m, rows, backwards, sink);
}

/// With turned weights.
#[target_feature(enable = "avx2")]
fn turn<const R: usize>(m: &Matrix<'_>, rows: &[Row<'_>; R], backwards: bool, sink: &mut impl Sink<R>) {
    let levels = rows.each_ref().map(|row| row.levels);
    if let &[row] = &levels[..]
        && row.len() <= PREPARED * 4
    {
        let mut turned = Turned { sizes: [0; PREPARED], turns: [0; PREPARED], count: 0 };
        turned.fill(row);
        return each(m, backwards, sink, [below(row); R], |part, sums| match part.vectors {
            8 => turned.add::<8>(part, sums),
            _ => turned.add::<2>(part, sums),
        });
    }
    each(m, backwards, sink, levels.map(below), |part, sums| match part.vectors {
        8 => add::<8, R>(part, levels, sums),
        4 => add::<4, R>(part, levels, sums),
        _ => add::<2, R>(part, levels, sums),
    });
}

/// A part of a block: `8 * vectors` outputs from `at` on of a block of `outputs`.
struct Part<'a> {
    weights: &'a [u8],
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

/// Gives every block to the sink: what `add` puts, which lacks this.
#[inline(always)]
fn each<const R: usize>(
    m: &Matrix<'_>,
    backwards: bool,
    sink: &mut impl Sink<R>,
    missing: [Missing; R],
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
        // What the sink needs is on its way while the weights pass.
        for behind in [m.sums.as_ptr().cast::<u8>(), m.zero_points.as_ptr().cast(), m.scales.as_ptr().cast()] {
            for line in 0..BLOCK / 16 {
                let place = behind.wrapping_add(first * 4 + line * 64);
                // SAFETY: every CPU with AVX2 has this instruction, and it may be given any address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
            }
        }
        let (mut sums, mut at) = ([[0; BLOCK]; R], 0);
        while at < outputs {
            let vectors = if at + 8 * most <= outputs { most } else { 2 };
            add(&Part { weights, outputs, at, vectors }, &mut sums);
            at += 8 * vectors;
        }
        sink.take(first, &sums, &missing);
    }
}

/// What sums with turned weights lack: what x is less than 128 by, and `128 * w`.
fn below(levels: &[u8]) -> Missing {
    let below = |x: u8| i32::from(x).wrapping_sub(128).min(0).wrapping_neg();
    Missing { same: levels.iter().fold(0i32, |sum, &x| sum.wrapping_add(below(x))), times: 128 }
}

/// One row, moved: magnitudes, and what turns a weight that lies there as `w + 128` into `w`, or into `!w` where it was negative,
/// in fours.
struct Turned {
    sizes: [i32; PREPARED],
    turns: [i32; PREPARED],
    count: usize,
}

impl Turned {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn fill(&mut self, levels: &[u8]) {
        let (fours, _) = levels.as_chunks::<4>();
        for ((size, turn), four) in self.sizes.iter_mut().zip(&mut self.turns).zip(fours) {
            *size = i32::from_ne_bytes(four.map(|x| x.abs_diff(128)));
            *turn = i32::from_ne_bytes(four.map(|x| if x < 128 { 127 } else { 128 }));
        }
        self.count = fours.len();
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add<const V: usize>(&self, part: &Part<'_>, to: &mut [Sums]) {
        let mut sums = [_mm256_setzero_si256(); V];
        let fours = self.sizes.iter().zip(&self.turns);
        for (k, (&size, &turn)) in fours.take(self.count).enumerate() {
            let (size, turn) = (_mm256_set1_epi32(size), _mm256_set1_epi32(turn));
            // SAFETY: there are as many fours of weights as of x.
            let w = unsafe { part.weights::<V>(k) };
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum = sum_of(*sum, size, _mm256_xor_si256(w, turn));
            }
        }
        if let Some(to) = to.first_mut() {
            part.put(sums, to);
        }
    }
}

/// Some rows of signed inputs that cannot saturate, and a list of the rest.
struct Signed<const R: usize> {
    levels: [MaybeUninit<[u8; PREPARED * 4 + OVER]>; R],
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
            // What is left of signed inputs is within 8 bits for these.
            let zero = i32::from(row.zero_point).clamp(64, 191);
            self.rows.zero_point = zero.wrapping_sub(128) as i8;
            if let Some(to) = self.zeros.get_mut(index) {
                *to = zero;
            }
            let to = to.as_mut_ptr().cast::<u8>();
            // SAFETY: there is room for 32 more bytes than a row has, and what is behind the row need only be readable.
            unsafe {
                to.copy_from_nonoverlapping(row.levels.as_ptr(), row.levels.len());
                to.wrapping_add(row.levels.len()).write_bytes(0, OVER);
                self.rows.settle::<true>(to, 0, to, row.levels.len(), index);
            }
            self.count = row.levels.len() / 4;
        }
        self.rows.count <= FOURS.min(self.count.wrapping_mul(R) / 4)
    }

    fn missing(&self) -> [Missing; R] {
        let mut both = self.rows.shifts.iter().zip(&self.zeros);
        [(); R].map(|()| both.next().map_or(Missing { same: 0, times: 0 }, |(&same, &times)| Missing { same, times }))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add<const V: usize>(&self, part: &Part<'_>, to: &mut [Sums; R]) {
        let mut sums = [[_mm256_setzero_si256(); V]; R];
        let levels = self.levels.each_ref().map(|levels| levels.as_ptr().cast::<u8>());
        for k in 0..self.count {
            // SAFETY: there are as many fours of weights as of x.
            let w = unsafe { part.weights::<V>(k) };
            for (levels, sums) in levels.iter().zip(&mut sums) {
                // SAFETY: every row has this four, which `fill` has written.
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
                    *sum = sum_of(*sum, w, _mm256_set1_epi32(four.inputs));
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
            let below = _mm256_cmpgt_epi8(_mm256_setzero_si256(), x);
            let (size, turn) = (_mm256_abs_epi8(x), _mm256_xor_si256(below, middle));
            for (sum, &w) in sums.iter_mut().zip(&w) {
                *sum = sum_of(*sum, size, _mm256_xor_si256(w, turn));
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
