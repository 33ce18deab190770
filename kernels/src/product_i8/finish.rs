//! From the sums of a block to outputs. What happens to an output is inlined into the variant, whose vectors it then has.

use super::{Matrix, Missing, Row, Sink, Sums};
use crate::round::bound;

/// Outputs that go on together.
const TOGETHER: usize = 16;

/// What becomes of sums.
pub(super) trait Finish<T> {
    /// The outputs of a row from `first` on, as many as `y` has room for.
    fn put(&self, row: &Row<'_>, first: usize, sums: [i32; TOGETHER], y: &mut [T]);
}

/// Nothing.
pub(super) struct Whole;

impl Finish<i32> for Whole {
    #[inline(always)]
    fn put(&self, _: &Row<'_>, _: usize, sums: [i32; TOGETHER], y: &mut [i32]) {
        store(sums, y);
    }
}

/// They are added as real numbers, with the scales of row and matrix.
pub(super) struct Scaled<'a> {
    pub(super) scales: &'a [f32],
}

impl Finish<f32> for Scaled<'_> {
    #[inline(always)]
    fn put(&self, row: &Row<'_>, first: usize, sums: [i32; TOGETHER], y: &mut [f32]) {
        let mut all = from(y, 0);
        for ((y, sum), scale) in all.iter_mut().zip(sums).zip(from(self.scales, first)) {
            *y += sum as f32 * (row.scale * scale);
        }
        store(all, y);
    }
}

/// They become real numbers: `clamp(sum as f32 * scale + bias)`.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// Real value of one step of the sums: one, or one for every output.
    pub scales: &'a [f32],
    /// What is added, for every output.
    pub bias: &'a [f32],
    /// Smallest result, `-inf` for no bound.
    pub low: f32,
    /// Largest result, `inf` for no bound.
    pub high: f32,
}

impl Finish<f32> for Affine<'_> {
    #[inline(always)]
    fn put(&self, _: &Row<'_>, first: usize, sums: [i32; TOGETHER], y: &mut [f32]) {
        let scales = match *self.scales {
            [scale] => [scale; TOGETHER],
            _ => from(self.scales, first),
        };
        let mut all = from(self.bias, first);
        for ((y, sum), scale) in all.iter_mut().zip(sums).zip(scales) {
            *y = bound(sum as f32 * scale + *y, self.low, self.high);
        }
        store(all, y);
    }
}

impl Affine<'_> {
    /// For the outputs from `first` on.
    pub(crate) fn from(&self, first: usize) -> Self {
        let scales = if self.scales.len() == 1 { self.scales } else { self.scales.get(first..).unwrap_or_default() };
        Self { scales, bias: self.bias.get(first..).unwrap_or_default(), ..*self }
    }

    /// The outputs of these sums, the first ones.
    #[inline(always)]
    pub(crate) fn all(&self, sums: &[i32], y: &mut [f32]) {
        let outputs = y.iter_mut().zip(sums).zip(self.bias);
        if let &[scale] = self.scales {
            outputs.for_each(|((y, &sum), &bias)| *y = bound(sum as f32 * scale + bias, self.low, self.high));
        } else {
            let outputs = outputs.zip(self.scales);
            outputs.for_each(|(((y, &sum), &bias), &scale)| *y = bound(sum as f32 * scale + bias, self.low, self.high));
        }
    }
}

/// Numbers from `first` on; those that are not there are zero.
#[inline(always)]
fn from(all: &[f32], first: usize) -> [f32; TOGETHER] {
    let all = all.get(first..).unwrap_or_default();
    if let Some(all) = all.first_chunk() {
        return *all;
    }
    let mut some = [0.0; TOGETHER];
    some.iter_mut().zip(all).for_each(|(to, &from)| *to = from);
    some
}

/// Stores them, or as many as there is room for.
#[inline(always)]
fn store<T: Copy>(all: [T; TOGETHER], y: &mut [T]) {
    match y.first_chunk_mut() {
        Some(y) => *y = all,
        None => y.iter_mut().zip(all).for_each(|(y, from)| *y = from),
    }
}

/// Outputs of some rows.
pub(super) struct Finished<'a, 'b, const R: usize, T, F> {
    pub(super) m: &'a Matrix<'a>,
    pub(super) rows: &'a [Row<'a>; R],
    pub(super) y: [&'b mut [T]; R],
    pub(super) finish: F,
}

impl<const R: usize, T, F: Finish<T>> Sink<R> for Finished<'_, '_, R, T, F> {
    #[inline(always)]
    fn take(&mut self, first: usize, sums: &[Sums; R], missing: &[Missing; R]) {
        for (((row, y), sums), &missing) in self.rows.iter().zip(&mut self.y).zip(sums).zip(missing) {
            centered((self.m, row), (first, sums, missing), y, &self.finish);
        }
    }
}

/// Finishes the outputs of a row from `first` on, without the zero points' part of their sums.
#[inline(always)]
fn centered<T>(
    (m, row): (&Matrix<'_>, &Row<'_>),
    (first, sums, missing): (usize, &Sums, Missing),
    y: &mut [T],
    finish: &impl Finish<T>,
) {
    let x_zero = i32::from(row.zero_point);
    let x_sum = row.sum.wrapping_sub(x_zero.wrapping_mul(m.shape.inputs.cast_signed()));
    let times = missing.times.wrapping_sub(x_zero);
    let mut y = y.get_mut(first..).unwrap_or_default();
    let (Some(w_sums), Some(zeros)) = (m.sums.get(first..), m.zero_points.get(first..)) else { return };
    // What is filled up has whole chunks of everything but `y`.
    let columns = many(sums).zip(many(w_sums)).zip(many(zeros));
    for (place, ((&sums, w_sums), zeros)) in columns.enumerate() {
        if y.is_empty() {
            return;
        }
        let mut sums = sums;
        for ((sum, w_sum), zero) in sums.iter_mut().zip(w_sums).zip(zeros) {
            let all = sum.wrapping_add(missing.same).wrapping_add(w_sum.wrapping_mul(times));
            *sum = all.wrapping_sub(zero.wrapping_mul(x_sum));
        }
        finish.put(row, first.wrapping_add(place.wrapping_mul(TOGETHER)), sums, y);
        y = y.get_mut(TOGETHER..).unwrap_or_default();
    }
}

#[inline(always)]
fn many<T>(all: &[T]) -> core::slice::Iter<'_, [T; TOGETHER]> {
    all.as_chunks::<TOGETHER>().0.iter()
}
