//! The vector variant, for int8 too: some channels of an output pixel at a time, whose taps are found once; or, with two taps
//! along both axes, of a row of them, so that pixels between the same inputs share these.
//!
//! Fewer channels than a vector has lanes are computed in arrays.
#![allow(unsafe_code)] // Loads and stores of vectors.

use core::ops::Range;

use super::{Params, Table};
use crate::rows::rows_mut;
use crate::simd::{Body, Kernel, Simd};

/// Most taps of an output.
const TAPS: usize = 16;
/// Most bytes of a row of outputs that is computed some channels at a time: as many as stay in the nearest cache.
const NEAR: usize = 32 << 10;

/// What is resampled.
pub(crate) trait Element: Copy {
    /// The way to a number and back.
    type Way: Copy;
    /// The number that it stands for.
    fn value(self, way: Self::Way) -> f32;
    /// What stands for a number.
    fn of(value: f32, way: Self::Way) -> Self;
    /// The numbers of a vector.
    ///
    /// # Safety
    /// `from` points to [`Simd::LANES`] readable elements.
    unsafe fn load<S: Simd>(simd: S, from: *const Self, way: Self::Way) -> S::F32;
    /// Stores what stands for the numbers of a vector.
    ///
    /// # Safety
    /// `to` points to [`Simd::LANES`] writable elements.
    unsafe fn store<S: Simd>(simd: S, to: *mut Self, values: S::F32, way: Self::Way);
}

impl Element for f32 {
    type Way = ();

    #[inline(always)]
    fn value(self, (): ()) -> f32 {
        self
    }

    #[inline(always)]
    fn of(value: f32, (): ()) -> Self {
        value
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Self, (): ()) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe { simd.load(from) }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(simd: S, to: *mut Self, values: S::F32, (): ()) {
        // SAFETY: the caller's promise.
        unsafe { simd.store(to, values) }
    }
}

/// Output rows, numbered over all batch elements, and the part of y that holds them.
pub(crate) struct Rows<'a, 'y, E: Element> {
    pub(crate) params: &'a Params,
    pub(crate) x: &'a [E],
    pub(crate) rows: Table<'a>,
    pub(crate) columns: Table<'a>,
    pub(crate) way: E::Way,
    pub(crate) lines: Range<u32>,
    pub(crate) y: &'y mut [E],
}

/// Where a tap reads, and what it is multiplied by.
#[derive(Clone, Copy)]
struct Tap {
    start: usize,
    weight: f32,
}

impl<E: Element> Rows<'_, '_, E> {
    /// Whether the list of taps has room for those of an output.
    pub(crate) fn fit(&self) -> bool {
        (self.params.row_taps as usize).saturating_mul(self.params.column_taps as usize) <= TAPS
    }
}

impl<E: Element> Kernel for Rows<'_, '_, E> {
    fn run<S: Simd>(self, simd: S) {
        simd.enter(self);
    }
}

impl<E: Element> Body for Rows<'_, '_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { params: p, x, rows, columns, way, lines, y } = self;
        let channels = p.channels as usize;
        let bytes = (p.line().unwrap_or(0) as usize).wrapping_mul(size_of::<E>());
        if p.row_taps == 2 && p.column_taps == 2 && channels >= S::LANES && bytes <= NEAR {
            let between = Between { params: p, x, rows, columns, way };
            for (line, y) in lines.zip(rows_mut(y, p.line().unwrap_or(0) as usize)) {
                between.line(simd, line, y);
            }
            return;
        }
        let mut pixels = rows_mut(y, channels);
        for line in lines {
            let (n, row) = p.place(line);
            let row = rows.taps(row, p.row_taps);
            for column in 0..p.out_width {
                let column = columns.taps(column, p.column_taps);
                let (mut all, mut count) = ([Tap { start: 0, weight: 0.0 }; TAPS], 0usize);
                for (&r, row_weight) in row.0.iter().zip(row.1) {
                    let r = n.wrapping_mul(p.in_height).wrapping_add(r.min(p.in_height.wrapping_sub(1))) as usize;
                    for (&c, column_weight) in column.0.iter().zip(column.1) {
                        let c = c.min(p.in_width.wrapping_sub(1)) as usize;
                        let pixel = r.wrapping_mul(p.in_width as usize).wrapping_add(c);
                        let Some(tap) = all.get_mut(count) else { return };
                        *tap = Tap { start: pixel.wrapping_mul(channels), weight: row_weight * column_weight };
                        count = count.wrapping_add(1);
                    }
                }
                let (Some(y), Some(all)) = (pixels.next(), all.get(..count)) else { return };
                match channels {
                    _ if channels >= S::LANES => vectors(simd, x, all, way, y),
                    8.. => pieces::<E, 8>(x, all, way, y),
                    4.. => pieces::<E, 4>(x, all, way, y),
                    _ => pieces::<E, 1>(x, all, way, y),
                }
            }
        }
    }
}

/// Two taps along both axes.
struct Between<'a, E: Element> {
    params: &'a Params,
    x: &'a [E],
    rows: Table<'a>,
    columns: Table<'a>,
    way: E::Way,
}

impl<E: Element> Between<'_, E> {
    /// A row of output pixels of at least a vector of channels: the last ones may be computed twice.
    #[inline(always)]
    fn line<S: Simd>(&self, simd: S, line: u32, y: &mut [E]) {
        let Self { params: p, x, rows, columns, way } = *self;
        let (n, row) = p.place(line);
        let (&[above, below], &[upper, lower]) = rows.taps(row, 2) else { return };
        let channels = p.channels as usize;
        let start = |row: u32, column: u32| {
            let row = n.wrapping_mul(p.in_height).wrapping_add(row.min(p.in_height.wrapping_sub(1))) as usize;
            let column = column.min(p.in_width.wrapping_sub(1)) as usize;
            row.wrapping_mul(p.in_width as usize).wrapping_add(column).wrapping_mul(channels)
        };
        let (upper, lower) = (simd.splat(upper), simd.splat(lower));
        let (columns, weights) = (columns.index.as_chunks::<2>().0, columns.weights.as_chunks::<2>().0);
        let (last, mut first) = (channels.saturating_sub(S::LANES), 0usize);
        loop {
            let (mut known, mut around) = (None, [simd.splat(0.0); 4]);
            for ((&[left, right], &[a, b]), y) in columns.iter().zip(weights).zip(rows_mut(y, channels)) {
                if known != Some([left, right]) {
                    let places = [(above, left), (above, right), (below, left), (below, right)];
                    for (to, (row, column)) in around.iter_mut().zip(places) {
                        let from = start(row, column).wrapping_add(first);
                        let Some(x) = x.get(from..from.wrapping_add(S::LANES)) else { return };
                        // SAFETY: the slice holds a vector.
                        *to = unsafe { E::load(simd, x.as_ptr(), way) };
                    }
                    known = Some([left, right]);
                }
                let (a, b) = (simd.splat(a), simd.splat(b));
                let weights = [simd.mul(upper, a), simd.mul(upper, b), simd.mul(lower, a), simd.mul(lower, b)];
                let mut sum = simd.splat(0.0);
                for (&x, weight) in around.iter().zip(weights) {
                    sum = simd.add(sum, simd.mul(weight, x));
                }
                let Some(to) = y.get_mut(first..first.wrapping_add(S::LANES)) else { return };
                // SAFETY: the slice holds a vector.
                unsafe { E::store(simd, to.as_mut_ptr(), sum, way) };
            }
            if first >= last {
                return;
            }
            first = first.wrapping_add(S::LANES).min(last);
        }
    }
}

/// An output pixel of at least a vector of channels: the last ones may be computed twice.
#[inline(always)]
fn vectors<S: Simd, E: Element>(simd: S, x: &[E], taps: &[Tap], way: E::Way, y: &mut [E]) {
    let last = y.len().saturating_sub(S::LANES);
    let mut first = 0usize;
    loop {
        let mut sum = simd.splat(0.0);
        for tap in taps {
            let from = tap.start.wrapping_add(first);
            let Some(x) = x.get(from..from.wrapping_add(S::LANES)) else { return };
            // SAFETY: the slice holds a vector.
            let x = unsafe { E::load(simd, x.as_ptr(), way) };
            sum = simd.add(sum, simd.mul(simd.splat(tap.weight), x));
        }
        let Some(to) = y.get_mut(first..first.wrapping_add(S::LANES)) else { return };
        // SAFETY: the slice holds a vector.
        unsafe { E::store(simd, to.as_mut_ptr(), sum, way) };
        if first >= last {
            return;
        }
        first = first.wrapping_add(S::LANES).min(last);
    }
}

/// An output pixel of at least `N` channels, so many at a time: the last ones may be computed twice.
#[inline(always)]
fn pieces<E: Element, const N: usize>(x: &[E], taps: &[Tap], way: E::Way, y: &mut [E]) {
    let last = y.len().saturating_sub(N);
    let mut first = 0usize;
    loop {
        let mut sums = [0f32; N];
        for tap in taps {
            let from = tap.start.wrapping_add(first);
            let Some(x) = x.get(from..).and_then(|x| x.first_chunk::<N>()) else { return };
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum += tap.weight * x.value(way);
            }
        }
        let Some(to) = y.get_mut(first..).and_then(|y| y.first_chunk_mut::<N>()) else { return };
        for (to, sum) in to.iter_mut().zip(sums) {
            *to = E::of(sum, way);
        }
        if first >= last {
            return;
        }
        first = first.wrapping_add(N).min(last);
    }
}
