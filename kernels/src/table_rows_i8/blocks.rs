//! Vector variants of `table_i8` between strided places: short rows are gathered in a block, which is looked up as a whole.

use super::Params;
use crate::copy::strided::{Side, rows};
use crate::{Isa, Level, table_i8, view, view_mut};

/// Bytes of a block: many rows, since the vectors of a table are made once for each.
const BLOCK: usize = 1024;

/// Looks all rows up; false where it leaves that to the reference.
pub(super) fn run(isa: Isa, p: &Params, table: &[i8; 256], x: &[u8], y: &mut [u8]) -> bool {
    if isa.level() == Level::Portable {
        return false;
    }
    let (count, row) = (p.count as usize, p.row as usize);
    let together = if row > BLOCK / 2 { 1 } else { BLOCK.checked_div(row).unwrap_or(1) };
    let (mut block, mut first) = ([0; BLOCK], 0usize);
    while first < count {
        let rows = together.min(count.wrapping_sub(first));
        let place = |offset: u32, stride: u32| Side {
            first: (offset as usize).wrapping_add(first.wrapping_mul(stride as usize)),
            step: stride as usize,
        };
        some(
            isa,
            table,
            (x, place(p.x_offset, p.x_stride)),
            (y, place(p.y_offset, p.y_stride)),
            [rows, row],
            &mut block,
        );
        first = first.saturating_add(together.max(1));
    }
    true
}

/// So many rows of so many bytes: one that is long, or as many as fit into the block.
fn some(
    isa: Isa,
    table: &[i8; 256],
    (x, from): (&[u8], Side),
    (y, to): (&mut [u8], Side),
    [count, row]: [usize; 2],
    block: &mut [u8; BLOCK],
) {
    let bytes = count.wrapping_mul(row);
    if bytes > BLOCK {
        let x = x.get(from.first..).and_then(|x| x.get(..row)).and_then(view);
        let y = y.get_mut(to.first..).and_then(|y| y.get_mut(..row)).and_then(view_mut);
        if let (Some(x), Some(y)) = (x, y) {
            table_i8::run(isa, table, x, y);
        }
        return;
    }
    let dense = Side { first: 0, step: row };
    rows(isa, x, from, block, dense, count, row);
    if let Some(block) = block.get_mut(..bytes).and_then(view_mut) {
        table_i8::run_in_place(isa, table, block);
    }
    rows(isa, block, dense, y, to, count, row);
}
