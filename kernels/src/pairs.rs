//! Elementwise functions of two int8 tensors that meet by broadcasting, row by row.

use crate::broadcast::Broadcast;
use crate::rows::rows_mut;
use crate::walk::Walk;

/// A row of an operand.
#[derive(Clone, Copy)]
pub(crate) enum Row<'a> {
    /// As long as the output's.
    Dense(&'a [i8]),
    /// One element for all.
    Repeated(i8),
    /// The output's own.
    Output,
}

impl<'a> Row<'a> {
    /// The row that starts at `start`; `None` where that is outside.
    fn of(all: Option<&'a [i8]>, start: u32, step: u32, len: usize) -> Option<Self> {
        let start = start as usize;
        match all {
            None => Some(Self::Output),
            Some(all) if step == 0 => all.get(start).copied().map(Self::Repeated),
            Some(all) => all.get(start..start.wrapping_add(len)).map(Self::Dense),
        }
    }

    /// The 16 elements from `k` on, where the output holds `y`; zeros behind the end of the row.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn sixteen(&self, k: usize, y: &[i8; 16]) -> [i8; 16] {
        let rest = match self {
            Self::Dense(x) => x.get(k..).unwrap_or_default(),
            Self::Repeated(x) => return [*x; 16],
            Self::Output => return *y,
        };
        rest.first_chunk().copied().unwrap_or_else(|| {
            let mut last = [0; 16];
            last.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
            last
        })
    }

    /// The element at `k`, where the output holds `y`.
    pub(crate) fn one(&self, k: usize, y: i8) -> Option<i8> {
        match self {
            Self::Dense(x) => x.get(k).copied(),
            Self::Repeated(x) => Some(*x),
            Self::Output => Some(y),
        }
    }
}

/// Elements for which a row that all rows meet is laid out again and again, so that rows of few elements become long ones. On
/// boards that pays less than it costs.
const ROOM: usize = if cfg!(target_arch = "arm") { 0 } else { 2048 };

/// Calls `each` with every row of the output, or several that follow each other, and those of the operands, of which one that
/// is `None` is `y` itself. The operands fit the broadcasting.
#[inline]
pub(crate) fn each_row(
    broadcast: &Broadcast,
    a: Option<&[i8]>,
    b: Option<&[i8]>,
    y: &mut [i8],
    mut each: impl FnMut(Row<'_>, Row<'_>, &mut [i8]),
) {
    let rows = broadcast.rows();
    let len = rows.len as usize;
    if ROOM > 0 && rows.a_step == 1 && rows.b_step == 1 {
        let repeats = |own: Option<u32>| own == Some(rows.len) && len < y.len();
        if let Some(b) = b.filter(|_| broadcast.a_in_place() && repeats(broadcast.b_len())) {
            return each_long_row(a, b, y, each);
        }
        if let Some(a) = a.filter(|_| broadcast.b_in_place() && repeats(broadcast.a_len())) {
            return each_long_row(b, a, y, |b, a, y| each(a, b, y));
        }
    }
    let starts = Walk::new(rows.outer.sizes, [broadcast.a_strides, broadcast.b_strides]);
    for (y, [i, j]) in rows_mut(y, len).zip(starts) {
        let (a, b) = (Row::of(a, i, rows.a_step, len), Row::of(b, j, rows.b_step, len));
        let (Some(a), Some(b)) = (a, b) else { return };
        each(a, b, y);
    }
}

/// The row as often as there is room for it, at least once.
fn again_and_again<'a>(row: &'a [i8], room: &'a mut [i8; ROOM]) -> &'a [i8] {
    let mut whole = 0;
    for to in rows_mut(room.as_mut_slice(), row.len()) {
        to.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
        whole = to.len().wrapping_add(whole);
    }
    if whole > row.len() { room.get(..whole).unwrap_or(row) } else { row }
}

/// Calls `each` with several rows of the output at a time, which all meet the same `row`, and with those of the other operand.
#[inline]
fn each_long_row(other: Option<&[i8]>, row: &[i8], y: &mut [i8], mut each: impl FnMut(Row<'_>, Row<'_>, &mut [i8])) {
    let mut room = [0; ROOM];
    let same = again_and_again(row, &mut room);
    let (mut start, mut y) = (0u32, y);
    while !y.is_empty() && !same.is_empty() {
        let len = y.len().min(same.len());
        let (Some((here, rest)), Some(same)) = (y.split_at_mut_checked(len), same.get(..len)) else { return };
        let Some(other) = Row::of(other, start, 1, len) else { return };
        each(other, Row::Dense(same), here);
        (start, y) = (start.wrapping_add(len as u32), rest);
    }
}
