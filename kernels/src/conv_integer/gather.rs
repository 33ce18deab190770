//! The windows of some pixels as rows of unsigned bytes.

use super::Job;
use crate::Isa;
use crate::product_i8::{Row, Shape};
use crate::rows::rows_mut;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::simd::{self, Body, Kernel, Simd};
use crate::windows::{Window, Windows};

/// The most pixels.
pub(super) const PIXELS: usize = 24;

/// Makes rows of windows: where they lie in the input, or copies in `room`.
pub(super) struct Gather<'a, 'r> {
    pub(super) job: &'a Job<'a>,
    pub(super) shape: Shape,
    pub(super) windows: &'a Windows,
    pub(super) places: &'a [Window],
    pub(super) group: usize,
    /// A row for every window; none where they are in place.
    pub(super) room: &'a mut [u8],
    pub(super) rows: &'r mut [Row<'a>],
}

impl Gather<'_, '_> {
    /// Fills `rows`.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(super) fn run(self, isa: Isa) {
        if isa.level() == crate::Level::Portable {
            self.all();
        } else {
            simd::run(isa, self);
        }
    }

    /// Fills `rows`.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(super) fn run(self, _: Isa) {
        self.all();
    }

    #[inline(always)]
    fn all(self) {
        let Self { job, shape, windows, places, group, room, rows } = self;
        let (row, zero) = (shape.row_bytes(), job.x_zero ^ job.flip);
        if room.is_empty() {
            for (to, place) in rows.iter_mut().zip(places) {
                let start = place.start.cast_unsigned();
                let levels = job.x.get(start..start.wrapping_add(row)).unwrap_or_default();
                *to = Row::new(levels, shape.inputs, 1.0, zero);
            }
            return;
        }
        for ((to, place), levels) in rows.iter_mut().zip(places).zip(rows_mut(room, row)) {
            copy(job, (windows, place, group), zero, levels);
            *to = Row::new(levels, shape.inputs, 1.0, zero);
        }
    }
}

/// Copies a window, rows of taps at once where they lie so; the zero point for what is outside.
#[inline(always)]
fn copy(job: &Job<'_>, (windows, place, group): (&Windows, &Window, usize), zero: u8, to: &mut [u8]) {
    let g = &job.geometry;
    let (inputs, whole) = (g.group_inputs() as usize, g.groups == 1);
    let first = group.wrapping_mul(inputs);
    let mut rest = to;
    for row in 0..g.kernel_height {
        let mut column = 0;
        while column < g.kernel_width {
            let (start, taps) =
                if whole { windows.run(place, row, column) } else { (windows.tap(place, row, column), 1) };
            let len = inputs.wrapping_mul(taps as usize);
            let Some((to, behind)) = rest.split_at_mut_checked(len) else { return };
            rest = behind;
            let start = start.map(|start| start.wrapping_add(first));
            match start.and_then(|start| job.x.get(start..start.wrapping_add(len))) {
                Some(x) => flipped(x, to, job.flip),
                None => to.fill(zero),
            }
            column = column.wrapping_add(taps.max(1));
        }
    }
    rest.fill(0);
}

/// Bytes from which on a call copies them faster.
const MANY: usize = 128;

/// Copies as many bytes as there is room for, with these bits turned.
#[inline(always)]
fn flipped(from: &[u8], to: &mut [u8], flip: u8) {
    if flip == 0 && from.len() >= MANY && from.len() == to.len() {
        to.copy_from_slice(from);
    } else if !(words::<16>(from, to, flip) || words::<8>(from, to, flip) || words::<4>(from, to, flip)) {
        to.iter_mut().zip(from).for_each(|(to, &x)| *to = x ^ flip);
    }
}

/// As [`flipped`], in words of `N` bytes, the last of which may overlap the one before it; false where there is none.
#[inline(always)]
fn words<const N: usize>(from: &[u8], to: &mut [u8], flip: u8) -> bool {
    let Some(last) = from.last_chunk::<N>().filter(|_| to.len() == from.len()) else { return false };
    let all = u128::from_ne_bytes([flip; 16]);
    let turn = |word: &[u8; N]| {
        let mut wide = [0; 16];
        wide.first_chunk_mut().into_iter().for_each(|to| *to = *word);
        let wide = (u128::from_ne_bytes(wide) ^ all).to_ne_bytes();
        wide.first_chunk().copied().unwrap_or(*word)
    };
    let whole = from.as_chunks::<N>().0.iter().zip(to.as_chunks_mut::<N>().0);
    whole.for_each(|(from, to)| *to = turn(from));
    if let Some(to) = to.last_chunk_mut() {
        *to = turn(last);
    }
    true
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Kernel for Gather<'_, '_> {
    fn run<S: Simd>(self, simd: S) {
        simd.enter(self);
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Body for Gather<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.all();
    }
}
