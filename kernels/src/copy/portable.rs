//! The reference: the axes that are dense on both sides become one run of bytes, the axis around them a loop, and the rest
//! is walked.

#[cfg(feature = "std")]
use super::{Across, blocks};
use super::{Params, strided};
use crate::Isa;
#[cfg(feature = "std")]
use crate::columns::Columns;
use crate::walk::Walk;

/// Fewer rows are no loop of their own where there is a longer one.
const FEW: u32 = 8;

pub(super) fn run(isa: Isa, params: &Params, x: &[u8], y: &mut [u8]) {
    match params.element_bytes {
        1 => copy::<1>(isa, params, x, y),
        2 => copy::<2>(isa, params, x, y),
        4 => copy::<4>(isa, params, x, y),
        _ => copy::<8>(isa, params, x, y),
    }
}

/// The box as one transpose, where it is one.
#[cfg(feature = "std")]
pub(super) fn across(params: &Params) -> Option<Across> {
    let rows = rows(params);
    let (from, to) = rows.transposed(params.x_offset, params.y_offset)?;
    let bytes = params.element_bytes as usize;
    let (row, column) = (to.first.checked_div(to.step)?, to.first.checked_rem(to.step)?);
    let inside = rows.outer.iter().all(|&size| size == 1) && column.checked_add(from.rows)? <= to.step;
    let (first, pitch) = (column.checked_mul(bytes)?, to.step.checked_mul(bytes)?);
    let rows = row..row.checked_add(to.rows)?;
    inside.then_some(Across { first, count: u32::try_from(from.rows).ok()?, pitch, from, rows })
}

/// As [`run`], only the elements from number `first` on of every row of the transpose, as many as `y` has columns.
#[cfg(feature = "std")]
pub(super) fn run_across(isa: Isa, params: &Params, across: &Across, first: u32, x: &[u8], y: &mut Columns<'_>) {
    match params.element_bytes {
        1 => columns::<1>(isa, across, first, x, y),
        2 => columns::<2>(isa, across, first, x, y),
        4 => columns::<4>(isa, across, first, x, y),
        _ => columns::<8>(isa, across, first, x, y),
    }
}

#[cfg(feature = "std")]
fn columns<const N: usize>(isa: Isa, across: &Across, first: u32, x: &[u8], y: &mut Columns<'_>) {
    let Some(rows) = y.width().checked_div(N) else { return };
    let first = across.from.first.wrapping_add((first as usize).wrapping_mul(across.from.step));
    if let Some(mut y) = y.of_rows(across.rows.clone()) {
        blocks::transpose::<N>(isa, x.as_chunks().0, blocks::Side { first, rows, ..across.from }, &mut y);
    }
}

/// The box without its innermost rows and the axis around them: lengths and strides along both.
struct Rows {
    outer: [u32; 6],
    count: u32,
    x_line: u32,
    y_line: u32,
    len: u32,
    x_stride: u32,
    y_stride: u32,
}

impl Rows {
    /// Both sides in bytes, from these elements of `size` bytes on, where rows are dense and follow each other forwards.
    fn in_bytes(&self, from: u32, to: u32, size: usize) -> Option<[strided::Side; 2]> {
        let side = |first: u32, step: u32| strided::Side {
            first: (first as usize).wrapping_mul(size),
            step: (step as usize).wrapping_mul(size),
        };
        let dense = (self.x_stride, self.y_stride) == (1, 1) && self.x_line <= i32::MAX as u32;
        dense.then(|| [side(from, self.x_line), side(to, self.y_line)])
    }

    /// The sides of a transpose, from these elements on, where rows of `x` go to columns of `y`.
    #[cfg(feature = "std")]
    fn transposed(&self, from: u32, to: u32) -> Option<(blocks::Side, blocks::Side)> {
        let side = |first: u32, step: u32, rows: u32| blocks::Side {
            first: first as usize,
            step: step as usize,
            rows: rows as usize,
        };
        let forward = |stride: u32| stride > 1 && stride <= i32::MAX as u32;
        match (self.x_line, self.x_stride, self.y_line, self.y_stride) {
            _ if self.count < 2 || self.len < 2 => None,
            (1, x, y, 1) if forward(x) && forward(y) => Some((side(from, x, self.len), side(to, y, self.count))),
            (x, 1, 1, y) if forward(x) && forward(y) => Some((side(from, x, self.count), side(to, y, self.len))),
            _ => None,
        }
    }
}

/// Cuts off the innermost axes, as many as together have one stride on either side, and the next one.
fn rows(params: &Params) -> Rows {
    let outer = params.sizes;
    let mut rows = Rows { outer, count: 1, x_line: 0, y_line: 0, len: 1, x_stride: 1, y_stride: 1 };
    let mut axis = 0;
    for k in (0..6).rev() {
        // By index from the back: the reversed zip of three arrays keeps a panic path.
        let at = (rows.outer.get_mut(k), params.x_strides.get(k), params.y_strides.get(k));
        let (Some(size), Some(x), Some(&y)) = at else { break };
        if *size == 1 {
            continue;
        }
        let x = x.cast_unsigned();
        if rows.len == 1 {
            (rows.x_stride, rows.y_stride) = (x, y);
        } else if x != rows.x_stride.wrapping_mul(rows.len) || y != rows.y_stride.wrapping_mul(rows.len) {
            (rows.count, rows.x_line, rows.y_line) = (*size, x, y);
            (*size, axis) = (1, k);
            break;
        }
        rows.len = rows.len.wrapping_mul(*size);
        *size = 1;
    }
    // A board's flash is small, and its copies are.
    if cfg!(feature = "std") { longest(params, rows, axis) } else { rows }
}

/// Instead of few rows along `axis` those along the longest one: what is left to the walk takes time for every step.
fn longest(params: &Params, mut rows: Rows, axis: usize) -> Rows {
    let longest = rows.outer.iter().copied().enumerate().max_by_key(|&(_, size)| size);
    let Some((k, size)) = longest.filter(|&(_, size)| size > rows.count && rows.count < FEW) else { return rows };
    let (Some(&x), Some(&y)) = (params.x_strides.get(k), params.y_strides.get(k)) else { return rows };
    if (rows.x_stride, rows.y_stride) != (1, 1) || !apart(params) {
        return rows;
    }
    if let Some(before) = rows.outer.get_mut(axis) {
        *before = rows.count;
    }
    if let Some(now) = rows.outer.get_mut(k) {
        *now = 1;
    }
    (rows.count, rows.x_line, rows.y_line) = (size, x.cast_unsigned(), y);
    rows
}

/// Whether every element is written once, for sure: then their order does not matter.
fn apart(params: &Params) -> bool {
    let mut reach = 1u32;
    for k in (0..6).rev() {
        let (Some(&size), Some(&y)) = (params.sizes.get(k), params.y_strides.get(k)) else { return false };
        if size > 1 && y < reach {
            return false;
        }
        reach = if size > 1 { y.saturating_mul(size) } else { reach };
    }
    true
}

fn copy<const N: usize>(isa: Isa, params: &Params, x: &[u8], y: &mut [u8]) {
    let (x, y) = (x.as_chunks::<N>().0, y.as_chunks_mut::<N>().0);
    let rows = rows(params);
    // Negative strides are added modulo 2^32, as the walk does it.
    for [from, to] in Walk::new(rows.outer, [params.x_strides.map(i32::cast_unsigned), params.y_strides]) {
        let (mut from, mut to) = (params.x_offset.wrapping_add(from), params.y_offset.wrapping_add(to));
        #[cfg(feature = "std")]
        if let Some((x_side, y_side)) = rows.transposed(from, to) {
            let shape = [y_side.rows, y_side.step.wrapping_mul(N), x_side.rows.wrapping_mul(N)];
            // Rows that overlap are left to the order of the definition.
            if let Some(mut y) = Columns::within(y.as_flattened_mut(), y_side.first.wrapping_mul(N), shape) {
                blocks::transpose(isa, x, x_side, &mut y);
                continue;
            }
        }
        if cfg!(feature = "std")
            && let Some([x_side, y_side]) = rows.in_bytes(from, to, N)
        {
            let bytes = (rows.len as usize).wrapping_mul(N);
            strided::rows(isa, x.as_flattened(), x_side, y.as_flattened_mut(), y_side, rows.count as usize, bytes);
            continue;
        }
        for _ in 0..rows.count {
            row(&rows, x, from, y, to);
            (from, to) = (from.wrapping_add(rows.x_line), to.wrapping_add(rows.y_line));
        }
    }
}

/// One row from element `from` on to element `to`.
#[inline]
fn row<T: Copy>(rows: &Rows, x: &[T], mut from: u32, y: &mut [T], mut to: u32) {
    let len = rows.len as usize;
    if (rows.x_stride, rows.y_stride) == (1, 1) {
        let (from, to) = (from as usize, to as usize);
        let source = x.get(from..from.wrapping_add(len)).unwrap_or(&[]);
        for (y, x) in y.get_mut(to..to.wrapping_add(len)).unwrap_or(&mut []).iter_mut().zip(source) {
            *y = *x;
        }
        return;
    }
    for _ in 0..len {
        if let (Some(y), Some(x)) = (y.get_mut(to as usize), x.get(from as usize)) {
            *y = *x;
        }
        (from, to) = (from.wrapping_add(rows.x_stride), to.wrapping_add(rows.y_stride));
    }
}
