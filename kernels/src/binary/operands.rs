//! What the vector variants share: rows of f32 along which every operand is dense or one number.

use super::Params;
use crate::rows::rows_mut;
use crate::walk::Walk;

/// An operand along a row.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    /// The output itself.
    InPlace,
    /// As long as the row.
    Dense(&'a [f32]),
    /// The same number everywhere.
    One(f32),
}

impl<'a> Operand<'a> {
    /// The row of a tensor that starts at `start`; `None` where that is outside.
    fn of(all: Option<&'a [f32]>, start: u32, step: u32, len: usize) -> Option<Self> {
        let (Some(all), start) = (all, start as usize) else { return Some(Self::InPlace) };
        if step == 0 {
            return Some(Self::One(*all.get(start)?));
        }
        Some(Self::Dense(all.get(start..start.wrapping_add(len))?))
    }

    /// The element at `k`, where the output holds `y`.
    #[inline(always)]
    pub(super) fn at(&self, k: usize, y: f32) -> f32 {
        match self {
            Self::InPlace => y,
            Self::Dense(all) => all.get(k).copied().unwrap_or(0.0),
            Self::One(v) => *v,
        }
    }
}

/// Calls `each` with every row of the output and those of the operands, which are as long where they are dense.
#[inline(always)]
pub(super) fn each_row<'a>(
    params: &Params,
    a: Option<&'a [f32]>,
    b: Option<&'a [f32]>,
    y: &mut [f32],
    mut each: impl FnMut(Operand<'a>, Operand<'a>, &mut [f32]),
) {
    let rows = params.broadcast.rows();
    let (outer, len) = (&rows.outer, rows.len as usize);
    let starts = Walk::new(outer.sizes, [outer.a_strides, outer.b_strides]);
    for (y, [i, j]) in rows_mut(y, len).zip(starts) {
        let (a, b) = (Operand::of(a, i, rows.a_step, len), Operand::of(b, j, rows.b_step, len));
        let (Some(a), Some(b)) = (a, b) else { return };
        each(a, b, y);
    }
}
