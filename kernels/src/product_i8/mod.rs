//! Rows of unsigned bytes times a matrix of int8, `Σ_k (x[k] - x_zero) * (w[n, k] - w_zero[n])`: the inner loop of
//! dynamically quantized layers.
//!
//! The matrix lies packed, its weights moved by 128 (so that they are unsigned, which spares AVX2 an instruction for every vector
//! of them), with scale, zero point and sum of every output behind it. Sums are int32 and wrap, so that
//! their order counts for nothing and every variant gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512vnni;
#[cfg(target_arch = "x86_64")]
mod avxvnni;
mod finish;
#[cfg(target_arch = "x86_64")]
mod fours;
mod pack;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse41;

pub use finish::Affine;
use finish::{Finished, Scaled, Whole};
pub use pack::{Columns, pack};

use core::ops::Range;

use crate::{Isa, view};

/// The most rows that share one pass over the weights.
pub const ROWS: usize = 4;
/// Outputs that are computed together; the last of them may be less, in steps of 16.
const BLOCK: usize = 64;

/// The sizes of a matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// K.
    pub inputs: u32,
    /// N.
    pub outputs: u32,
}

impl Shape {
    /// Bytes of a row of x: K, filled up to a multiple of 4. What stands in the filling counts for nothing.
    pub fn row_bytes(&self) -> usize {
        (self.inputs as usize).div_ceil(4).wrapping_mul(4)
    }

    /// Outputs, filled up to a multiple of 16.
    fn columns(&self) -> usize {
        (self.outputs as usize).div_ceil(16).wrapping_mul(16)
    }

    /// Bytes of the packed matrix with what lies behind it, a multiple of 64; `None` where a size is zero or the product
    /// leaves `i32`.
    pub fn packed_bytes(&self) -> Option<u32> {
        let positive = self.inputs > 0 && self.outputs > 0;
        let columns = self.outputs.checked_add(15)? & !15;
        let column = (self.inputs.checked_add(3)? & !3).checked_add(12)?;
        columns.checked_mul(column).filter(|&n| positive && n <= i32::MAX as u32)
    }
}

/// A packed matrix.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    shape: Shape,
    /// Blocks of 64 outputs (the last one of 16, 32 or 48), each `[K / 4][outputs of the block][4]`, as `w + 128`.
    weights: &'a [u8],
    scales: &'a [f32],
    zero_points: &'a [i32],
    sums: &'a [i32],
}

impl<'a> Matrix<'a> {
    /// Matrix `index` of those that lie packed in `bytes` one after the other; `None` where it does not lie there.
    pub fn of(shape: Shape, bytes: &'a [u8], index: usize) -> Option<Self> {
        let total = shape.packed_bytes()? as usize;
        let start = total.checked_mul(index)?;
        let bytes = bytes.get(start..start.checked_add(total)?)?;
        let columns = shape.columns();
        let (weights, rest) = bytes.split_at_checked(columns.wrapping_mul(shape.row_bytes()))?;
        let (scales, rest) = rest.split_at_checked(columns.wrapping_mul(4))?;
        let (zero_points, sums) = rest.split_at_checked(columns.wrapping_mul(4))?;
        Some(Self {
            shape,
            weights: view(weights)?,
            scales: view(scales)?,
            zero_points: view(zero_points)?,
            sums: view(sums)?,
        })
    }
}

impl Matrix<'_> {
    /// Blocks of the matrix: so many.
    pub(crate) fn blocks(&self) -> usize {
        self.shape.columns().div_ceil(BLOCK)
    }

    /// These blocks as a matrix, with its first output.
    pub(crate) fn part(&self, blocks: Range<usize>) -> Option<(usize, Self)> {
        let columns = self.shape.columns();
        let place = |block: usize| block.wrapping_mul(BLOCK).min(columns);
        let (first, end) = (place(blocks.start), place(blocks.end));
        let row = self.shape.row_bytes();
        let outputs = (end.min(self.shape.outputs as usize)).checked_sub(first)?;
        let part = Self {
            shape: Shape { outputs: outputs as u32, ..self.shape },
            weights: self.weights.get(first.wrapping_mul(row)..end.wrapping_mul(row))?,
            scales: self.scales.get(first..end)?,
            zero_points: self.zero_points.get(first..end)?,
            sums: self.sums.get(first..end)?,
        };
        Some((first, part))
    }

    /// Bytes of the weights.
    pub(crate) fn bytes(&self) -> usize {
        self.weights.len()
    }

    /// Outputs.
    pub(crate) fn outputs(&self) -> usize {
        self.shape.outputs as usize
    }

    /// `w - w_zero`, for input `input` and output `output`.
    pub(crate) fn weight(&self, input: usize, output: usize) -> i32 {
        let (block, place) = (output.div_euclid(BLOCK), output.rem_euclid(BLOCK));
        let (row, first) = (self.shape.row_bytes(), block.wrapping_mul(BLOCK));
        let wide = self.shape.columns().wrapping_sub(first).min(BLOCK);
        let four = input.div_euclid(4).wrapping_mul(wide).wrapping_add(place);
        let place = first.wrapping_mul(row).wrapping_add(four.wrapping_mul(4)).wrapping_add(input.rem_euclid(4));
        let zero = self.zero_points.get(output).copied().unwrap_or(0);
        let w = self.weights.get(place).copied().unwrap_or(0);
        i32::from(w).wrapping_sub(128).wrapping_sub(zero)
    }
}

/// A row of x.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// [`Shape::row_bytes`] bytes.
    pub levels: &'a [u8],
    /// Real value of one step.
    pub scale: f32,
    /// The byte that stands for zero.
    pub zero_point: u8,
    /// The sum of the levels, without the filling.
    sum: i32,
    /// The sum of the filling.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    filling: i32,
}

impl<'a> Row<'a> {
    /// None.
    pub const EMPTY: Self = Self { levels: &[], scale: 0.0, zero_point: 0, sum: 0, filling: 0 };

    /// A row of these levels, of which the first `inputs` count.
    #[inline(always)]
    pub fn new(levels: &'a [u8], inputs: u32, scale: f32, zero_point: u8) -> Self {
        let (_, filling) = levels.split_at_checked(inputs as usize).unwrap_or((levels, &[]));
        let filling = total(filling);
        Self { levels, scale, zero_point, sum: total(levels).wrapping_sub(filling), filling }
    }
}

/// The sum of bytes.
#[inline(always)]
fn total(bytes: &[u8]) -> i32 {
    let (chunks, rest) = bytes.as_chunks::<16>();
    let mut sums = [0i32; 16];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, &x)| *sum = sum.wrapping_add(x.into()));
    }
    let sum = rest.iter().fold(0i32, |sum, &x| sum.wrapping_add(x.into()));
    sums.into_iter().fold(sum, i32::wrapping_add)
}

/// The outputs of one block, filled up.
type Sums = [i32; BLOCK];

/// What a variant's sums of a row lack to be `Σ x * w`: the same for every output, and so many times the sum of its weights.
#[derive(Clone, Copy)]
struct Missing {
    same: i32,
    times: i32,
}

/// Takes the products of one block: sums of `R` rows, with the place of the first output, and what the sums lack.
trait Sink<const R: usize> {
    fn take(&mut self, first: usize, sums: &[Sums; R], missing: &[Missing; R]);
}

fn fits<const R: usize, T>(m: &Matrix<'_>, rows: &[Row<'_>; R], y: &[&mut [T]; R]) -> bool {
    rows.iter().all(|row| row.levels.len() == m.shape.row_bytes())
        && y.iter().all(|y| y.len() == m.shape.outputs as usize)
}

/// Writes `Σ (x - x_zero) * (w - w_zero)`. Rows of other lengths than the matrix has leave `y` as it is.
pub fn integers<const R: usize>(isa: Isa, m: &Matrix<'_>, rows: &[Row<'_>; R], y: [&mut [i32]; R]) {
    if fits(m, rows, &y) {
        each_block(isa, m, rows, false, &mut Finished { m, rows, y, finish: Whole });
    }
}

/// Writes `clamp((Σ (x - x_zero) * (w - w_zero)) as f32 * scale + bias)`. Rows of other lengths than the matrix has leave `y`
/// as it is.
pub fn affine<const R: usize>(isa: Isa, m: &Matrix<'_>, rows: &[Row<'_>; R], finish: Affine<'_>, y: [&mut [f32]; R]) {
    if fits(m, rows, &y) {
        each_block(isa, m, rows, false, &mut Finished { m, rows, y, finish });
    }
}

/// Adds `(Σ (x - x_zero) * (w - w_zero)) as f32 * (x_scale * w_scale)`. Rows of other lengths than the matrix has leave
/// `y` as it is. `backwards` walks the weights from their end: two passes in turns find what the cache still holds.
pub fn add<const R: usize>(isa: Isa, m: &Matrix<'_>, rows: &[Row<'_>; R], y: [&mut [f32]; R], backwards: bool) {
    if fits(m, rows, &y) {
        each_block(isa, m, rows, backwards, &mut Finished { m, rows, y, finish: Scaled { scales: m.scales } });
    }
}

/// Gives the sums of every block to the sink.
#[cfg(target_arch = "x86_64")]
fn each_block<const R: usize>(isa: Isa, m: &Matrix<'_>, rows: &[Row<'_>; R], backwards: bool, sink: &mut impl Sink<R>) {
    if !avx512vnni::run(isa, m, rows, backwards, sink)
        && !avxvnni::run(isa, m, rows, backwards, sink)
        && !avx2::run(isa, m, rows, backwards, sink)
        && !sse41::run(isa, m, rows, backwards, sink)
    {
        portable::run(m, rows, backwards, sink);
    }
}

/// No vector variant for this architecture.
#[cfg(not(target_arch = "x86_64"))]
fn each_block<const R: usize>(_: Isa, m: &Matrix<'_>, rows: &[Row<'_>; R], backwards: bool, sink: &mut impl Sink<R>) {
    portable::run(m, rows, backwards, sink);
}

/// The blocks of a matrix in the wanted direction: first output and weights.
fn blocks<'a>(m: &Matrix<'a>, backwards: bool) -> impl Iterator<Item = (usize, &'a [u8])> + use<'a> {
    let (weights, row, columns) = (m.weights, m.shape.row_bytes(), m.shape.columns());
    let count = columns.div_ceil(BLOCK);
    (0..count).filter_map(move |k| {
        let k = if backwards { count.wrapping_sub(1).wrapping_sub(k) } else { k };
        let first = k.wrapping_mul(BLOCK);
        let end = columns.min(first.wrapping_add(BLOCK));
        Some((first, weights.get(first.wrapping_mul(row)..end.wrapping_mul(row))?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;
    use std::vec::Vec;

    struct Case {
        shape: Shape,
        rows: Vec<i8>,
        scales: Vec<f32>,
        zero_points: Vec<i32>,
        x: Vec<Vec<u8>>,
        zeros: Vec<u8>,
    }

    /// With `all`, every weight and every x is this one.
    fn case(inputs: u32, outputs: u32, all: Option<(i8, u8)>) -> Case {
        let mut samples = Samples::new(u64::from(inputs * 1000 + outputs));
        let n = outputs as usize;
        let shape = Shape { inputs, outputs };
        let mut rows = samples.bytes(inputs * outputs);
        if let Some((w, _)) = all {
            rows.fill(w);
        }
        let scales = samples.floats(n, 0.01, 0.1);
        let zero_points = (0..n as i32).map(|n| n % 3 - 1).collect();
        let mut row = || (0..shape.row_bytes()).map(|_| all.map_or(samples.below(256) as u8, |(_, x)| x)).collect();
        Case {
            shape,
            rows,
            scales,
            zero_points,
            x: (0..ROWS).map(|_| row()).collect(),
            zeros: std::vec![0, 255, 128, 3],
        }
    }

    /// Gives the packed matrix, aligned as in a plan.
    fn with_packed<R>(c: &Case, f: impl FnOnce(&[u8]) -> R) -> R {
        let len = c.shape.packed_bytes().unwrap() as usize;
        let mut buffer = std::vec![0u8; len + 8];
        let start = buffer.as_ptr().align_offset(8);
        let columns = Columns { rows: &c.rows, scales: &c.scales, zero_points: &c.zero_points };
        assert!(pack(c.shape, &columns, &mut buffer[start..][..len]));
        f(&buffer[start..][..len])
    }

    fn exact(c: &Case, r: usize, n: usize) -> i32 {
        let k = c.shape.inputs as usize;
        (0..k).fold(0i32, |sum, i| {
            let x = i32::from(c.x[r][i]) - i32::from(c.zeros[r]);
            sum.wrapping_add(x * (i32::from(c.rows[n * k + i]) - c.zero_points[n]))
        })
    }

    fn battery<const R: usize>(c: &Case) {
        let n = c.shape.outputs as usize;
        with_packed(c, |bytes| {
            let m = Matrix::of(c.shape, bytes, 0).unwrap();
            let row = |r: usize| Row::new(&c.x[r], c.shape.inputs, 0.25 + r as f32, c.zeros[r]);
            let rows: [Row<'_>; R] = core::array::from_fn(row);
            for isa in Isa::available() {
                let mut y = std::vec![std::vec![7; n]; R];
                let mut slots = y.iter_mut();
                integers(isa, &m, &rows, core::array::from_fn(|_| slots.next().unwrap().as_mut_slice()));
                for (r, y) in y.iter().enumerate() {
                    for (j, &y) in y.iter().enumerate() {
                        assert_eq!(y, exact(c, r, j), "{:?} {:?} {r} {j}", isa.level(), c.shape);
                    }
                }
                for backwards in [false, true] {
                    let mut z = std::vec![std::vec![0.5f32; n]; R];
                    let mut slots = z.iter_mut();
                    let to = core::array::from_fn(|_| slots.next().unwrap().as_mut_slice());
                    add(isa, &m, &rows, to, backwards);
                    for (r, z) in z.iter().enumerate() {
                        for (j, &z) in z.iter().enumerate() {
                            let want = 0.5 + y[r][j] as f32 * (rows[r].scale * c.scales[j]);
                            assert_eq!(z.to_bits(), want.to_bits(), "{:?} {:?} {r} {j}", isa.level(), c.shape);
                        }
                    }
                }
            }
        });
    }

    #[test]
    fn every_variant_follows_the_definition() {
        for inputs in [1, 3, 4, 5, 8, 17, 64, 100] {
            for outputs in [1, 15, 16, 17, 33, 48, 64, 65, 130, 200] {
                let c = case(inputs, outputs, None);
                battery::<1>(&c);
                battery::<2>(&c);
                battery::<4>(&c);
            }
        }
        for extreme in [(-128, 255), (-128, 0), (-127, 0), (127, 0), (127, 255)] {
            battery::<4>(&case(512, 64, Some(extreme)));
            battery::<1>(&case(512, 80, Some(extreme)));
        }
    }

    /// Variants that look at the inputs take other ways for small, for some large and for large ones only.
    #[test]
    fn large_inputs_among_small_ones_are_exact() {
        for inputs in [30, 256, 2048, 2052] {
            for zeros in [[128, 120, 141, 100], [64, 191, 63, 192], [0, 255, 1, 254]] {
                for one_in in [1, 2, 20, 200] {
                    let mut c = case(inputs, 80, None);
                    let mut samples = Samples::new(one_in);
                    for (x, &zero) in c.x.iter_mut().zip(&zeros) {
                        let small = |x: u8| (i32::from(zero) + i32::from(x) / 8 - 16).clamp(0, 255) as u8;
                        x.iter_mut().filter(|_| samples.below(one_in as u32) != 0).for_each(|x| *x = small(*x));
                    }
                    c.zeros = zeros.to_vec();
                    battery::<1>(&c);
                    battery::<2>(&c);
                    battery::<4>(&c);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left() {
        let c = case(5, 20, None);
        assert_eq!(Shape { inputs: 0, outputs: 4 }.packed_bytes(), None);
        assert_eq!(Shape { inputs: 1 << 16, outputs: 1 << 16 }.packed_bytes(), None);
        with_packed(&c, |bytes| {
            assert!(Matrix::of(c.shape, bytes, 1).is_none());
            let m = Matrix::of(c.shape, bytes, 0).unwrap();
            for isa in Isa::available() {
                let mut y = [7; 20];
                integers(isa, &m, &[Row::new(&[0; 5], 5, 1.0, 0)], [&mut y]);
                integers(isa, &m, &[Row::new(&[0; 8], 5, 1.0, 0)], [&mut y[..19]]);
                assert_eq!(y, [7; 20]);
            }
        });
        let mut short = [0; 10];
        let columns = Columns { rows: &c.rows, scales: &c.scales, zero_points: &c.zero_points };
        assert!(!pack(c.shape, &columns, &mut short));
    }
}
