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

/// Calls `each` with every row of the output and those of the operands, of which one that is `None` is `y` itself. The
/// operands fit the broadcasting.
#[inline]
pub(crate) fn each_row<'a>(
    broadcast: &Broadcast,
    a: Option<&'a [i8]>,
    b: Option<&'a [i8]>,
    y: &mut [i8],
    mut each: impl FnMut(Row<'a>, Row<'a>, &mut [i8]),
) {
    let rows = broadcast.rows();
    let len = rows.len as usize;
    let starts = Walk::new(rows.outer.sizes, [broadcast.a_strides, broadcast.b_strides]);
    for (y, [i, j]) in rows_mut(y, len).zip(starts) {
        let (a, b) = (Row::of(a, i, rows.a_step, len), Row::of(b, j, rows.b_step, len));
        let (Some(a), Some(b)) = (a, b) else { return };
        each(a, b, y);
    }
}
