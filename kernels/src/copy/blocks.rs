//! Transposes of two axes, in blocks.

use crate::Isa;
use crate::columns::Columns;

/// Elements of a block's side, where there is no vector variant.
const SIDE: usize = 8;
/// Rows of `x` that are transposed together, so that whole lines of the cache of `y` are written.
const ROWS: usize = 64;

/// The side of a transpose that is read: first element, elements from row to row, and rows. Of what is written they are the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) first: usize,
    pub(super) step: usize,
    pub(super) rows: usize,
}

/// Copies element `j` of every row `i` of `x` to element `i` of row `j` of `y`, of which all are written. What lies outside
/// stays as it is.
pub(super) fn transpose<const N: usize>(isa: Isa, x: &[[u8; N]], from: Side, y: &mut Columns<'_>) {
    #[cfg(target_arch = "x86_64")]
    if super::avx2::can(isa, N, [from.rows, y.rows()]) {
        return in_blocks(x, from, y, super::avx2::BLOCK, |x, step, y, to| super::avx2::whole(isa, x, step, y, to));
    }
    let _ = isa;
    #[cfg(target_arch = "x86_64")]
    if let Some(side) = super::sse2::side(N) {
        return in_blocks(x, from, y, (side, side), super::sse2::whole);
    }
    in_blocks(x, from, y, (SIDE, SIDE), whole);
}

/// Transposes in blocks of so many rows and columns of `x` with `whole`, which says whether a block lies inside. The last
/// ones overlap those before them.
#[inline(always)]
fn in_blocks<const N: usize>(
    x: &[[u8; N]],
    from: Side,
    y: &mut Columns<'_>,
    block: (usize, usize),
    whole: impl Fn(&[[u8; N]], usize, &mut Columns<'_>, (usize, usize)) -> bool,
) {
    let all = (from.rows, y.rows());
    let (rows, columns) = (block.0.min(all.0), block.1.min(all.1));
    let last = (all.0.wrapping_sub(rows), all.1.wrapping_sub(columns));
    for first in (0..all.0).step_by(ROWS) {
        let end = first.wrapping_add(ROWS).min(all.0);
        for column in (0..all.1).step_by(block.1) {
            let column = column.min(last.1);
            for row in (first..end).step_by(block.0) {
                let row = row.min(last.0);
                let at = from.first.wrapping_add(row.wrapping_mul(from.step)).wrapping_add(column);
                let x = x.get(at..).unwrap_or_default();
                if (rows, columns) != block || !whole(x, from.step, y, (column, row.wrapping_mul(N))) {
                    single(x, (from.step, rows), y, (column, row), columns);
                }
            }
        }
    }
}

/// A whole block, to row and byte `to` of `y`; false where it does not lie inside.
#[inline(always)]
fn whole<const N: usize>(x: &[[u8; N]], x_step: usize, y: &mut Columns<'_>, to: (usize, usize)) -> bool {
    let mut block = [[[0; N]; SIDE]; SIDE];
    for (i, to) in block.iter_mut().enumerate() {
        let Some(row) = x.get(i.wrapping_mul(x_step)..).and_then(<[_]>::first_chunk) else { return false };
        *to = *row;
    }
    let block = turned(block);
    for (j, from) in block.iter().enumerate() {
        let row = y.bytes(to.0.wrapping_add(j)).and_then(|row| row.get_mut(to.1..));
        let Some(row) = row.and_then(|row| row.as_chunks_mut().0.first_chunk_mut()) else { return false };
        *row = *from;
    }
    true
}

/// The block with rows for columns.
#[inline(always)]
fn turned<const N: usize>(block: [[[u8; N]; SIDE]; SIDE]) -> [[[u8; N]; SIDE]; SIDE] {
    if N == 1 {
        return bytes(block);
    }
    let mut turned = block;
    for (j, row) in turned.iter_mut().enumerate() {
        for (to, from) in row.iter_mut().zip(&block) {
            *to = from.get(j).copied().unwrap_or([0; N]);
        }
    }
    turned
}

/// As [`turned`], of bytes: halves, quarters and eighths of rows change places.
#[inline(always)]
fn bytes<const N: usize>(block: [[[u8; N]; SIDE]; SIDE]) -> [[[u8; N]; SIDE]; SIDE] {
    let word = |row: [[u8; N]; SIDE]| u64::from_le_bytes(row.map(|byte| byte.first().copied().unwrap_or(0)));
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = block.map(word);
    let exchange = |low: &mut u64, high: &mut u64, shift: u32, mask: u64| {
        let both = ((*low >> shift) ^ *high) & mask;
        *high ^= both;
        *low ^= both << shift;
    };
    for (low, high) in [(&mut a, &mut e), (&mut b, &mut f), (&mut c, &mut g), (&mut d, &mut h)] {
        exchange(low, high, 32, 0x0000_0000_FFFF_FFFF);
    }
    for (low, high) in [(&mut a, &mut c), (&mut b, &mut d), (&mut e, &mut g), (&mut f, &mut h)] {
        exchange(low, high, 16, 0x0000_FFFF_0000_FFFF);
    }
    for (low, high) in [(&mut a, &mut b), (&mut c, &mut d), (&mut e, &mut f), (&mut g, &mut h)] {
        exchange(low, high, 8, 0x00FF_00FF_00FF_00FF);
    }
    [a, b, c, d, e, f, g, h].map(|word| word.to_le_bytes().map(|byte| [byte; N]))
}

/// Fewer rows or columns than a whole block has, element by element, from row and element `to` of `y` on.
fn single<const N: usize>(
    x: &[[u8; N]],
    (x_step, rows): (usize, usize),
    y: &mut Columns<'_>,
    to: (usize, usize),
    columns: usize,
) {
    for j in 0..columns {
        let Some(row) = y.bytes(to.0.wrapping_add(j)) else { return };
        let row = row.as_chunks_mut::<N>().0.get_mut(to.1..).unwrap_or_default();
        for (i, to) in row.iter_mut().enumerate().take(rows) {
            if let Some(from) = x.get(i.wrapping_mul(x_step).wrapping_add(j)) {
                *to = *from;
            }
        }
    }
}
