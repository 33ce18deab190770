//! Transposes of two axes, in blocks.

/// Elements of a block's side, where there is no vector variant.
const SIDE: usize = 8;
/// Rows of `x` that are transposed together, so that whole lines of the cache of `y` are written.
const ROWS: usize = 64;

/// One side of a transpose: first element, elements from row to row, and rows.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) first: usize,
    pub(super) step: usize,
    pub(super) rows: usize,
}

/// Copies element `j` of every row `i` of `x` to element `i` of row `j` of `y`. What lies outside stays as it is.
pub(super) fn transpose<const N: usize>(x: &[[u8; N]], from: Side, y: &mut [[u8; N]], to: Side) {
    #[cfg(target_arch = "x86_64")]
    if let Some(side) = super::sse2::side(N) {
        return in_blocks(x, from, y, to, side, super::sse2::whole);
    }
    in_blocks(x, from, y, to, SIDE, whole);
}

/// Transposes in blocks of a side with `whole`, which says whether a block lies inside.
#[inline(always)]
fn in_blocks<const N: usize>(
    x: &[[u8; N]],
    from: Side,
    y: &mut [[u8; N]],
    to: Side,
    side: usize,
    whole: impl Fn(&[[u8; N]], usize, &mut [[u8; N]], usize) -> bool,
) {
    for first in (0..from.rows).step_by(ROWS) {
        let rows = ROWS.min(from.rows.wrapping_sub(first));
        for column in (0..to.rows).step_by(side) {
            let columns = side.min(to.rows.wrapping_sub(column));
            for row in (first..first.wrapping_add(rows)).step_by(side) {
                let rows = side.min(first.wrapping_add(rows).wrapping_sub(row));
                let x_at = from.first.wrapping_add(row.wrapping_mul(from.step)).wrapping_add(column);
                let y_at = to.first.wrapping_add(column.wrapping_mul(to.step)).wrapping_add(row);
                let (x, y) = (x.get(x_at..).unwrap_or_default(), y.get_mut(y_at..).unwrap_or_default());
                if (rows, columns) != (side, side) || !whole(x, from.step, y, to.step) {
                    single(x, (from.step, rows), y, (to.step, columns));
                }
            }
        }
    }
}

/// A whole block; false where it does not lie inside.
#[inline(always)]
fn whole<const N: usize>(x: &[[u8; N]], x_step: usize, y: &mut [[u8; N]], y_step: usize) -> bool {
    let mut block = [[[0; N]; SIDE]; SIDE];
    for (i, to) in block.iter_mut().enumerate() {
        let Some(row) = x.get(i.wrapping_mul(x_step)..).and_then(<[_]>::first_chunk) else { return false };
        *to = *row;
    }
    let block = turned(block);
    for (j, from) in block.iter().enumerate() {
        let row = y.get_mut(j.wrapping_mul(y_step)..).and_then(<[_]>::first_chunk_mut);
        let Some(row) = row else { return false };
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

/// What is left over at the ends, element by element.
fn single<T: Copy>(x: &[T], (x_step, rows): (usize, usize), y: &mut [T], (y_step, columns): (usize, usize)) {
    for i in 0..rows {
        for j in 0..columns {
            let from = x.get(i.wrapping_mul(x_step).wrapping_add(j));
            let to = y.get_mut(j.wrapping_mul(y_step).wrapping_add(i));
            if let (Some(to), Some(from)) = (to, from) {
                *to = *from;
            }
        }
    }
}
