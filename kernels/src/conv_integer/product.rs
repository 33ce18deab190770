//! Windows as rows of bytes, several of which are multiplied by the packed matrix of their group at a time.

use core::ops::Range;

use super::gather::{Gather, PIXELS};
use super::{Job, portable};
use crate::Isa;
use crate::geometry::Geometry;
use crate::product_i8::{Affine, Matrix, Row, Shape, affine, integers};
use crate::room::Room;
use crate::rows::rows_mut;
use crate::windows::{Window, Windows};

/// Bytes of windows that lie gathered at a time: what a board's stack has, and what the nearest caches of others hold.
const ROOM: usize = if cfg!(feature = "std") { 32 << 10 } else { 2 << 10 };
/// Bytes of weights that stay in a core's caches; of more only a block passes over all gathered windows at a time.
const NEAR: usize = 256 << 10;

/// What becomes of the sums of a group, the first of whose outputs that are computed is `first`.
pub(crate) trait Finish {
    /// An output.
    type Y;

    /// Writes rows of outputs.
    fn rows<const R: usize>(&self, isa: Isa, m: &Matrix<'_>, rows: &[Row<'_>; R], first: usize, y: [&mut [Self::Y]; R]);

    /// The outputs of these sums from `first` on, as many as `y` has room for.
    fn several(&self, sums: &[i32], first: usize, y: &mut [Self::Y]);
}

/// Nothing.
pub(crate) struct Integers;

impl Finish for Integers {
    type Y = i32;

    fn rows<const R: usize>(&self, isa: Isa, m: &Matrix<'_>, rows: &[Row<'_>; R], _: usize, y: [&mut [i32]; R]) {
        integers(isa, m, rows, y);
    }

    #[inline(always)]
    fn several(&self, sums: &[i32], _: usize, y: &mut [i32]) {
        y.iter_mut().zip(sums).for_each(|(y, &sum)| *y = sum);
    }
}

impl Finish for Affine<'_> {
    type Y = f32;

    fn rows<const R: usize>(&self, isa: Isa, m: &Matrix<'_>, rows: &[Row<'_>; R], first: usize, y: [&mut [f32]; R]) {
        affine(isa, m, rows, self.from(first), y);
    }

    #[inline(always)]
    fn several(&self, sums: &[i32], first: usize, y: &mut [f32]) {
        self.from(first).all(sums, y);
    }
}

/// The matrix of every group.
pub(crate) fn shape(g: &Geometry) -> Option<Shape> {
    let inputs = g.kernel_height.checked_mul(g.kernel_width)?.checked_mul(g.group_inputs())?;
    Some(Shape { inputs, outputs: g.group_outputs() })
}

/// Computes these output pixels, of which `y` holds the outputs; all lengths fit.
pub(crate) fn run<F: Finish>(isa: Isa, job: &Job<'_>, finish: &F, pixels: &Range<u32>, y: &mut [F::Y]) {
    let g = &job.geometry;
    let Some(shape) = shape(g) else { return };
    let (row, channels) = (shape.row_bytes(), g.out_channels as usize);
    let in_place = job.in_place(row);
    let together = if in_place { PIXELS } else { ROOM.checked_div(row).unwrap_or(0).min(PIXELS) };
    if together == 0 {
        return portable::run(job, finish, shape, pixels, y);
    }
    let mut room = Room::<u8, ROOM>::new(0);
    let mut windows = Windows::new(g.rows(), g.columns(), g.in_channels, pixels.start);
    let mut left = y;
    while !left.is_empty() {
        let len = together.wrapping_mul(channels).min(left.len());
        let (y, rest) = left.split_at_mut_checked(len).unwrap_or_default();
        left = rest;
        let count = len.checked_div(channels).unwrap_or(0);
        if count == 0 {
            return;
        }
        let mut places = [Window::default(); PIXELS];
        places.iter_mut().take(count).for_each(|place| *place = windows.next());
        for group in 0..g.groups as usize {
            let Some(m) = Matrix::of(shape, job.packed, group) else { return };
            let mut rows = [Row::EMPTY; PIXELS];
            let (Some(rows), Some(places)) = (rows.get_mut(..count), places.get(..count)) else { return };
            let room = if in_place { Some(&mut [][..]) } else { room.first(count.wrapping_mul(row)) };
            let Some(room) = room else { return };
            Gather { job, shape, windows: &windows, places, group, room, rows }.run(isa);
            multiply(isa, &m, rows, finish, (group.wrapping_mul(m.outputs()), channels), y);
        }
    }
}

/// The outputs of a group, which are those from the `first` of `channels` on.
fn multiply<F: Finish>(
    isa: Isa,
    m: &Matrix<'_>,
    rows: &[Row<'_>],
    finish: &F,
    (first, channels): (usize, usize),
    y: &mut [F::Y],
) {
    let step = if m.bytes() > NEAR { 1 } else { m.blocks() };
    let mut block = 0;
    while block < m.blocks() {
        let next = block.wrapping_add(step).min(m.blocks());
        let Some((start, part)) = m.part(block..next) else { return };
        let outputs = first.wrapping_add(start)..first.wrapping_add(start).wrapping_add(part.outputs());
        let tile = Tile { isa, m: &part, finish, outputs };
        let mut y = rows_mut(y, channels);
        let (sixes, rest) = rows.as_chunks::<6>();
        let (twos, ones) = rest.as_chunks::<2>();
        sixes.iter().for_each(|rows| tile.run(rows, &mut y));
        twos.iter().for_each(|rows| tile.run(rows, &mut y));
        ones.iter().for_each(|&row| tile.run(&[row], &mut y));
        block = next;
    }
}

/// What the tiles of a part of a matrix share.
struct Tile<'a, F> {
    isa: Isa,
    m: &'a Matrix<'a>,
    finish: &'a F,
    /// Places of its outputs among a pixel's.
    outputs: Range<usize>,
}

impl<F: Finish> Tile<'_, F> {
    /// The outputs of the next pixels.
    fn run<'y, const R: usize>(&self, rows: &[Row<'_>; R], pixels: &mut impl Iterator<Item = &'y mut [F::Y]>)
    where
        F::Y: 'y,
    {
        let y = [(); R].map(|()| pixels.next().and_then(|y| y.get_mut(self.outputs.clone())).unwrap_or_default());
        self.finish.rows(self.isa, self.m, rows, self.outputs.start, y);
    }
}
