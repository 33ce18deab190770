//! How steps are shared.

use ocellus_kernels::columns::ROOM;
use ocellus_kernels::turns::{Claim, LEAVING};
use ocellus_plan::Operand;

use super::{Claims, Kind, part};
use crate::{ColumnUnits, MAX_PARTS, OpEntry, Outline, Parallel, Units};

/// How a step is shared.
pub(crate) struct Cut {
    pub(crate) kind: Kind,
    pub(crate) units: u32,
    pub(crate) shares: usize,
}

impl Cut {
    /// The way that pays, if one does, with what each share writes.
    pub(crate) fn of(
        op: &OpEntry,
        outline: &Outline<'_>,
        parallel: &dyn Parallel,
        claims: &mut Claims,
    ) -> Option<Self> {
        let write = outline.write()?;
        let sums = in_sums(op, outline, parallel);
        let columns = sums.or_else(|| in_columns(op, outline, write, parallel, claims));
        columns.or_else(|| in_rows(op, outline, write, parallel, claims))
    }
}

fn in_sums(op: &OpEntry, outline: &Outline<'_>, parallel: &dyn Parallel) -> Option<Cut> {
    let Units { count, work, .. } = (op.sums?.units)(outline)?;
    let shares = parts(count, work, parallel);
    (shares == LEAVING).then_some(Cut { kind: Kind::Sums, units: count, shares })
}

fn in_columns(
    op: &OpEntry,
    outline: &Outline<'_>,
    write: Operand,
    parallel: &dyn Parallel,
    claims: &mut Claims,
) -> Option<Cut> {
    let ColumnUnits { first, count, bytes, pitch, work, room } = (op.columns?.units)(outline)?;
    let shares = parts(count, work, parallel);
    // Of the widest part, which the first one may not be.
    let width = (count.div_ceil(shares.max(1) as u32) as usize).checked_mul(bytes)?;
    let rows = (write.len as usize).checked_div(pitch)?;
    let whole = rows.checked_mul(pitch)? == write.len as usize;
    if shares < 2 || !whole || first > pitch || room && rows.checked_mul(width)? > ROOM {
        return None;
    }
    let (mut start, mut left) = (first, pitch.checked_sub(first)?);
    for k in 0..shares {
        let units = part(count, k, shares).len();
        let width = units.wrapping_mul(bytes).min(left);
        let place = write.offset.checked_add(start as u32)?;
        claims.push(Claim {
            share: k as u32,
            start: place,
            width: width as u32,
            rows: rows as u32,
            pitch: pitch as u32,
        })?;
        (start, left) = (start.wrapping_add(width), left.wrapping_sub(width));
    }
    Some(Cut { kind: Kind::Columns, units: count, shares })
}

fn in_rows(
    op: &OpEntry,
    outline: &Outline<'_>,
    write: Operand,
    parallel: &dyn Parallel,
    claims: &mut Claims,
) -> Option<Cut> {
    let Units { count, bytes, work } = (op.split?.units)(outline)?;
    let shares = parts(count, work, parallel);
    if shares < 2 {
        return None;
    }
    let (mut start, mut left) = (write.offset, write.len);
    for k in 0..shares {
        let len = part(count, k, shares).len().wrapping_mul(bytes).min(left as usize) as u32;
        claims.push(Claim::bytes(k as u32, start, len))?;
        (start, left) = (start.checked_add(len)?, left.wrapping_sub(len));
    }
    Some(Cut { kind: Kind::Rows, units: count, shares })
}

/// How many parts `count` units are cut into for this number of threads: the same for the same plan.
fn parts(count: u32, work: u64, parallel: &dyn Parallel) -> usize {
    let worth = work.checked_div(parallel.least_work()).unwrap_or(u64::MAX);
    let most = worth.min(u64::from(count)).min(MAX_PARTS as u64) as usize;
    most.min(parallel.threads())
}

/// Where part k of `parts` equal ones of `count` units ends. Where they are not equally many the last ones have more: the last
/// unit may be a short one.
pub(crate) fn end(count: u32, k: usize, parts: usize) -> u32 {
    (u64::from(count) * (k as u64 + 1)).checked_div(parts as u64).unwrap_or(0) as u32
}
