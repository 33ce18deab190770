//! AVX2 for weights in fours: tiles of 4 pixels times 16 channels, 32 products of bytes by one instruction.
//!
//! vpmaddubsw multiplies unsigned by signed bytes and adds the products in pairs, with saturation to int16; vpmaddwd adds
//! these in pairs again. That is a quarter faster than products of int16, and exact where no pair saturates. So every pair
//! of gathered inputs is looked at once, for all channels:
//!
//! - *Unsigned* inputs, `u = x + 128`, suit a zero point near -128, as after ReLU: most of them are small. Pairs of at most
//!   256 cannot saturate, whatever the weights are.
//! - *Signed* inputs, `d = x - zero_point`, suit a zero point near 0: most are small in magnitude. The weights are the
//!   unsigned factor, `w + 128`; pairs of magnitudes of at most 128 cannot saturate. `Σ 128 * d` is taken off again.
//!
//! Of the few pairs beyond that, the panel gets a part that cannot saturate, and a list the rest, in fours of inputs that
//! are multiplied after the others. Where the list is too long, this panel is multiplied in int16.
//!
//! So the time depends on the inputs: a quarter less than with weights in pairs where few are large, twice as long where most
//! are, which is why nothing is packed for this variant: it reads what was packed for AVX-VNNI.
#![allow(unsafe_code)] // Loads and stores of vectors, and the entry into code that needs the instruction set.

use core::arch::x86_64::*;
use core::iter::once;
use core::ops::Range;

use super::avx2::{Finish, load};
use super::gathered::{GROUP, TILES, WEIGHTS, gathered};
use super::panel::{FAR, Job, Memory, NEAR, Panel, Runs};
use super::{Operands, Params, layout};
use crate::avx2_rest::{FOURS, Rows};
use crate::pixels::Pixels;
use crate::windows::{Window, Windows};
use crate::{Isa, Level};

/// Convolves with weights in O16K4 or O16G4; false where the CPU or the layout is another one.
pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
    if isa.level() < Level::Avx2 || !matches!(params.layout, layout::O16K4 | layout::O16G4) {
        return false;
    }
    // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
    unsafe { all(&Job::new(params, operands, pixels), y) };
    true
}

/// Inputs with their top bit flipped, `x + 128`, or signed ones.
type Element = u8;
/// Of 16 channels.
type Sums = [__m256i; 2];
/// Fours.
const TOGETHER: usize = 4;
/// The sums of the channels.
const HEAD: usize = 64;

/// Most pixels of a tile: its 8 sums leave registers for both halves of the weights, for inputs and products.
const TILE: usize = 4;

gathered!("avx2");

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

/// What the sums start at, with inputs of `x + 128`.
///
/// # Safety
/// A block of weights lies at `block`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn start(bias: &[i32; 16], block: *const i8) -> [__m256i; 2] {
    let ([a, b], [s, t]) = (load(bias), {
        // SAFETY: the caller's promise: a block begins with 16 sums.
        unsafe { vectors(block) }
    });
    [_mm256_add_epi32(a, s), _mm256_add_epi32(b, t)]
}

/// 64 bytes.
///
/// # Safety
/// They can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn vectors(from: *const i8) -> [__m256i; 2] {
    // SAFETY: the caller's promise.
    unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.wrapping_add(32).cast())] }
}

/// The sums, with the products of runs of `steps` fours of unsigned inputs and weights added in int16, of `P` pixels and
/// `8 * H` channels.
///
/// # Safety
/// A run has `P` rows of as many fours, `pitch` apart, so many elements behind the first row, and 64 bytes of weights for
/// each of them.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn add<const P: usize, const H: usize>(
    mut sums: [[__m256i; 2]; P],
    (x, pitch): (*const u8, usize),
    runs: impl Iterator<Item = (usize, *const i8)>,
    steps: usize,
) -> [[__m256i; 2]; P] {
    let low = _mm256_set1_epi16(255);
    for (first, mut weights) in runs {
        let mut x = x.wrapping_add(first);
        for _ in 0..steps {
            // SAFETY: the caller's promise.
            let w = unsafe { vectors(weights) };
            weights = weights.wrapping_add(64);
            for (p, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                let four = unsafe { x.wrapping_add(p.wrapping_mul(pitch)).cast::<i32>().read_unaligned() };
                let four = _mm256_set1_epi32(four);
                let (even, odd) = (_mm256_and_si256(four, low), _mm256_srli_epi16::<8>(four));
                for (sum, &w) in sums.iter_mut().zip(&w).take(H) {
                    let others = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w));
                    let products = _mm256_madd_epi16(odd, _mm256_srai_epi16::<8>(w));
                    *sum = _mm256_add_epi32(*sum, _mm256_add_epi32(_mm256_madd_epi16(even, others), products));
                }
            }
            x = x.wrapping_add(4);
        }
    }
    sums
}

/// As [`add`], with products of bytes, none of which saturates.
///
/// # Safety
/// As for [`add`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn add_bytes<const P: usize, const H: usize, const SIGNED: bool>(
    mut sums: [[__m256i; 2]; P],
    (mut x, pitch): (*const u8, usize),
    mut weights: *const i8,
    steps: usize,
) -> [[__m256i; 2]; P] {
    for _ in 0..steps {
        // SAFETY: the caller's promise.
        let w = unsafe { factors::<SIGNED>(weights) };
        weights = weights.wrapping_add(64);
        for (p, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let four = unsafe { x.wrapping_add(p.wrapping_mul(pitch)).cast::<i32>().read_unaligned() };
            *sums = four_more::<H, SIGNED>(*sums, four, w);
        }
        x = x.wrapping_add(4);
    }
    sums
}

/// A step of weights as factors of unsigned inputs, or of signed ones.
///
/// # Safety
/// There are 64 bytes of weights.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn factors<const SIGNED: bool>(weights: *const i8) -> [__m256i; 2] {
    // SAFETY: the caller's promise.
    let w = unsafe { vectors(weights) };
    if SIGNED { w.map(|w| _mm256_xor_si256(w, _mm256_set1_epi8(-128))) } else { w }
}

/// The sums of a pixel with the products of four inputs added.
#[inline]
#[target_feature(enable = "avx2")]
fn four_more<const H: usize, const SIGNED: bool>(mut sums: [__m256i; 2], four: i32, w: [__m256i; 2]) -> [__m256i; 2] {
    let four = _mm256_set1_epi32(four);
    for (sum, w) in sums.iter_mut().zip(w).take(H) {
        let pairs = if SIGNED { _mm256_maddubs_epi16(w, four) } else { _mm256_maddubs_epi16(four, w) };
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
    sums
}

/// What the panel holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Unsigned,
    Signed,
    /// Unsigned inputs, for products in int16.
    Wide,
}

/// What is known of the rows of a panel.
struct Beside {
    /// The form for this zero point, and that of the panel.
    best: Form,
    form: Form,
    zero_point: i32,
    rows: Rows<{ TILE * TILES }>,
}

impl Beside {
    /// Rows need a gap, as they are written in whole vectors.
    const FLAT: bool = false;

    fn new(job: &Job<'_>) -> Self {
        let zero_point = job.params.input_zero_point;
        // Signed inputs and what is left of them are within 8 bits for these.
        let best = if (-64..64).contains(&zero_point) { Form::Signed } else { Form::Unsigned };
        Self { best, form: best, zero_point, rows: Rows::new(zero_point as i8) }
    }

    /// What the sums of a block start at.
    ///
    /// # Safety
    /// A block of weights lies at `block`.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn start(&self, start: [__m256i; 2], block: *const i8) -> [__m256i; 2] {
        if self.form != Form::Signed {
            return start;
        }
        // SAFETY: the caller's promise: a block begins with 16 sums.
        let sums = unsafe { vectors(block) };
        // The sums are -128 times those of the weights: with `x = d + zero_point`, they are asked for `zero_point` times.
        let times = _mm256_set1_epi32(self.zero_point.wrapping_add(128));
        let [s, t] = sums.map(|sum| _mm256_mullo_epi32(_mm256_srai_epi32::<7>(sum), times));
        [_mm256_sub_epi32(start[0], s), _mm256_sub_epi32(start[1], t)]
    }

    /// What those of the pixels from `first` on start at.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sums<const P: usize>(&self, start: [__m256i; 2], first: usize) -> [[__m256i; 2]; P] {
        let mut sums = [start; P];
        if self.form == Form::Signed {
            for (sums, &shift) in sums.iter_mut().zip(self.rows.shifts.get(first..).unwrap_or_default()) {
                *sums = sums.map(|sum| _mm256_add_epi32(sum, _mm256_set1_epi32(shift)));
            }
        }
        sums
    }

    /// The sums with all products added.
    ///
    /// # Safety
    /// As for [`add`]; the fours of the rows are of these steps.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn add<const P: usize, const H: usize>(
        &self,
        sums: [[__m256i; 2]; P],
        rows: (*const u8, usize),
        weights: *const i8,
        runs: Runs,
        first: usize,
    ) -> [[__m256i; 2]; P] {
        let (places, steps) = (runs.places(weights, TOGETHER), runs.steps(TOGETHER));
        // SAFETY: the caller's promise.
        let sums = unsafe {
            match self.form {
                Form::Unsigned => add_bytes::<P, H, false>(sums, rows, weights, steps),
                Form::Signed => add_bytes::<P, H, true>(sums, rows, weights, steps),
                Form::Wide => return add::<P, H>(sums, rows, places, steps),
            }
        };
        if !self.rows.any(first, P) {
            return sums;
        }
        // Another array, so that those above stay in registers.
        let mut all = sums;
        // SAFETY: the caller's promise.
        unsafe {
            match self.form {
                Form::Signed => self.add_fours::<true>(&mut all, weights, first),
                _ => self.add_fours::<false>(&mut all, weights, first),
            }
        }
        all
    }

    /// Adds the products of the fours of the pixels from `first` on.
    ///
    /// # Safety
    /// There are weights for the steps of the fours.
    #[inline(never)]
    #[target_feature(enable = "avx2")]
    unsafe fn add_fours<const SIGNED: bool>(&self, sums: &mut [[__m256i; 2]], weights: *const i8, first: usize) {
        for (row, sums) in (first..).zip(sums) {
            let mut here = *sums;
            for four in self.rows.fours(row) {
                // SAFETY: rows end within the written part of the list.
                let four = unsafe { four.assume_init() };
                // SAFETY: the caller's promise.
                let w = unsafe { factors::<SIGNED>(weights.wrapping_add((four.step as usize).wrapping_mul(64))) };
                here = four_more::<2, SIGNED>(here, four.inputs, w);
            }
            *sums = here;
        }
    }
}

impl Group<'_> {
    /// Fills the panel with the next windows.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn fill(&mut self, count: usize) {
        (self.beside.form, self.beside.rows.count) = (self.beside.best, 0);
        if self.job.runs.inputs != self.job.depth {
            // In groups, nobody looks at the inputs.
            self.beside.form = Form::Wide;
            self.gather(count);
            return;
        }
        let stretch = self.job.stretch(self.done, count).map(<[i8]>::as_ptr);
        if stretch.is_none() {
            self.gather(count);
        }
        for row in 0..count {
            let to = self.panel.rows.wrapping_add(row.wrapping_mul(self.panel.pitch));
            let (from, flip) = match stretch {
                Some(x) => (x.wrapping_add(row.wrapping_mul(self.job.depth)).cast(), -128),
                None => (to.cast_const(), 0),
            };
            // SAFETY: the input can be read further than a row, the panel has a gap after it.
            unsafe {
                match self.beside.best {
                    Form::Signed => self.beside.rows.settle::<true>(from, flip, to, self.job.depth, row),
                    _ => self.beside.rows.settle::<false>(from, flip, to, self.job.depth, row),
                }
            }
        }
        if self.beside.rows.count > FOURS {
            self.beside.form = Form::Wide;
            self.windows = self.job.windows_from(self.done);
            self.gather(count);
        }
    }
}
