//! The vector variant: vectors along the axis where it lies dense, of neighbouring lines where it does not.
#![allow(unsafe_code)] // Loads and stores of vectors.

use super::Params;
use crate::rows::rows_mut;
use crate::simd::{Body, Kernel, Simd, math};

/// The most lanes of a vector.
const LANES: usize = 16;
/// Sums that are added side by side.
const WIDE: usize = 4;

/// A tensor, in place, whose length fits.
pub(super) struct Softmax<'a> {
    pub(super) params: &'a Params,
    pub(super) y: &'a mut [f32],
}

impl Kernel for Softmax<'_> {
    fn run<S: Simd>(self, simd: S) {
        simd.enter(self);
    }
}

impl Body for Softmax<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let &Params { axis, inner, logarithm, .. } = self.params;
        let (axis, inner) = (axis as usize, inner as usize);
        if inner == 1 {
            rows_mut(self.y, axis).for_each(|line| dense(s, line, logarithm));
            return;
        }
        for block in rows_mut(self.y, axis.wrapping_mul(inner)) {
            let mut first = 0usize;
            while first < inner {
                let lanes = inner.wrapping_sub(first).min(S::LANES);
                if let Some(from) = block.get_mut(first..) {
                    Lines { from: from.as_mut_ptr(), lanes, axis, inner }.run(s, logarithm);
                }
                first = first.wrapping_add(S::LANES);
            }
        }
    }
}

/// All lanes of a vector as one number.
#[inline(always)]
fn folded<S: Simd>(s: S, v: S::F32, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    // SAFETY: no vector has more lanes than the array.
    unsafe { s.store(lanes.as_mut_ptr(), v) };
    let (first, rest) = lanes.split_first().unwrap_or((&0.0, &[]));
    rest.iter().take(S::LANES.wrapping_sub(1)).fold(*first, |a, &b| f(a, b))
}

/// One line that lies dense.
#[inline(always)]
fn dense<S: Simd>(s: S, line: &mut [f32], logarithm: bool) {
    let count = line.len().checked_div(S::LANES).unwrap_or(0);
    let (whole, rest) = line.split_at_mut_checked(count.wrapping_mul(S::LANES)).unwrap_or_default();
    // What stands behind the end changes neither the greatest nor the sum.
    let mut tail = [f32::NEG_INFINITY; LANES];
    tail.iter_mut().zip(&*rest).for_each(|(to, &from)| *to = from);
    let (at, end) = (whole.as_mut_ptr(), tail.as_mut_ptr());
    // SAFETY: the places below are those of whole vectors of the line, and of the tail, which has as many lanes as any vector.
    let load = |from: *mut f32| unsafe { s.load(from) };
    // SAFETY: as above.
    let store = |to: *mut f32, v| unsafe { s.store(to, v) };
    let places = || (0..count).map(|k| at.wrapping_add(k.wrapping_mul(S::LANES)));
    let mut all = load(end);
    for place in places() {
        all = s.max(load(place), all);
    }
    let max = s.splat(folded(s, all, |a, b| if b > a { b } else { a }));
    let mut sums = [s.splat(0.0); WIDE];
    for (k, place) in places().enumerate() {
        let e = math::exp(s, s.sub(load(place), max));
        if !logarithm {
            store(place, e);
        }
        if let Some(sum) = sums.get_mut(k & const { WIDE - 1 }) {
            *sum = s.add(*sum, e);
        }
    }
    let e = math::exp(s, s.sub(load(end), max));
    if !logarithm {
        store(end, e);
    }
    let sum = folded(s, sums.into_iter().fold(e, |a, b| s.add(a, b)), |a, b| a + b);
    let scale = if logarithm { s.splat(libm::logf(sum)) } else { s.splat(sum) };
    for place in places().chain([end]) {
        let v = load(place);
        store(place, if logarithm { s.sub(s.sub(v, max), scale) } else { s.div(v, scale) });
    }
    rest.iter_mut().zip(tail).for_each(|(to, from)| *to = from);
}

/// As many neighbouring lines as a vector has lanes, or fewer.
struct Lines {
    /// The first element of the first one.
    from: *mut f32,
    lanes: usize,
    /// Elements of a line, and from each to the next.
    axis: usize,
    inner: usize,
}

impl Lines {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, logarithm: bool) {
        let Self { from, lanes, axis, inner } = self;
        let place = |k: usize| from.wrapping_add(k.wrapping_mul(inner));
        // SAFETY: there are `axis` elements of so many lines.
        let load =
            |k: usize| unsafe { if lanes == S::LANES { s.load(place(k)) } else { s.load_first(place(k), lanes) } };
        // SAFETY: as above.
        let store = |k: usize, v| unsafe {
            if lanes == S::LANES { s.store(place(k), v) } else { s.store_first(place(k), lanes, v) }
        };
        let mut max = s.splat(f32::NEG_INFINITY);
        for k in 0..axis {
            max = s.max(load(k), max);
        }
        let mut sum = s.splat(0.0);
        for k in 0..axis {
            let e = math::exp(s, s.sub(load(k), max));
            if !logarithm {
                store(k, e);
            }
            sum = s.add(sum, e);
        }
        if logarithm {
            let mut logs = [0.0; LANES];
            // SAFETY: no vector has more lanes than the array.
            unsafe { s.store(logs.as_mut_ptr(), sum) };
            logs.iter_mut().for_each(|log| *log = libm::logf(*log));
            // SAFETY: as above.
            sum = unsafe { s.load(logs.as_ptr()) };
        }
        for k in 0..axis {
            store(k, if logarithm { s.sub(s.sub(load(k), max), sum) } else { s.div(load(k), sum) });
        }
    }
}
