//! Steps shared by several threads, which are the caller's.

use core::ops::Range;

use ocellus_kernels::average_pool_i8::{SUMS, Sums};
use ocellus_kernels::columns::{Columns, ROOM};
use ocellus_plan::Step;

use crate::branches::Branch;
use crate::lanes::Lane;
use crate::{OpEntry, Operands};

/// The most parts of a step.
pub const MAX_PARTS: usize = 32;

/// A part is worth a thread from these nanoseconds of work on.
const LEAST_WORK: u64 = 4_000;

/// Who runs the parts of a step: a pool, or what a board has in its place.
pub trait Parallel {
    /// How many parts can run at once.
    fn threads(&self) -> usize;
    /// Nanoseconds of work from which a part is worth a thread: a step with less for every thread gets fewer parts.
    fn least_work(&self) -> u64 {
        LEAST_WORK
    }
    /// A run begins, in which steps will follow each other closely: whoever helps may stay awake.
    fn begin(&self) {}
    /// The run has ended.
    fn end(&self) {}
    /// Calls [`Part::run`] on every part and returns when all calls have; they may run at once, in any order.
    fn run(&self, parts: &mut [Part<'_>]);
}

/// How an operation can be cut.
#[derive(Clone, Copy)]
pub struct Split {
    /// How a step can be cut; `None` where it cannot.
    pub units: fn(&Operands<'_>) -> Option<Units>,
    /// Computes these units of a checked step into their part of write 0.
    pub run: fn(&Operands<'_>, Range<u32>, &mut [u8]) -> Option<()>,
}

/// How an operation can be cut into columns of its output: for steps that read more weights than anything else, of which
/// every part then needs its own.
#[derive(Clone, Copy)]
pub struct ColumnSplit {
    /// How a step can be cut; `None` where it cannot, or where rows are better.
    pub units: fn(&Operands<'_>) -> Option<ColumnUnits>,
    /// Computes these units of a checked step into their part of write 0.
    pub run: fn(&Operands<'_>, Range<u32>, Columns<'_>) -> Option<()>,
}

/// How an operation can be cut into rows of its input that all count for every output: every part has sums of its own.
#[derive(Clone, Copy)]
pub struct SumSplit {
    /// How a step can be cut, into units of which the bytes do not matter; `None` where it cannot, or other ways are better.
    pub units: fn(&Operands<'_>) -> Option<Units>,
    /// Adds these units of a checked step.
    pub run: fn(&Operands<'_>, Range<u32>, &mut Sums) -> Option<()>,
    /// Computes write 0 from the sums of all parts.
    pub finish: fn(&mut Operands<'_>, &mut [Sums]) -> Option<()>,
}

/// What a step consists of whose write 0 is a matrix.
#[derive(Clone, Copy, Debug)]
pub struct ColumnUnits {
    /// Bytes of a row before the first of them, which no unit writes.
    pub first: usize,
    /// Groups of columns, one beside the other, of which every run computes the same bits.
    pub count: u32,
    /// Bytes of a row in each of them; the last one may be narrower.
    pub bytes: usize,
    /// Bytes of a whole row.
    pub pitch: usize,
    /// As in [`Units`].
    pub work: u64,
    /// Whether a part needs [`ROOM`] for its columns of all rows.
    pub room: bool,
}

/// What a step consists of.
#[derive(Clone, Copy, Debug)]
pub struct Units {
    /// Pieces of write 0, one behind the other, of which every run computes the same bits.
    pub count: u32,
    /// Bytes of a piece in write 0; the last one may be shorter.
    pub bytes: usize,
    /// Nanoseconds of all of them on a slow core, more or less.
    pub work: u64,
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

/// A part of a step that may run beside the others, or some steps that may.
pub struct Part<'a> {
    operands: Option<&'a Operands<'a>>,
    units: Range<u32>,
    y: Piece<'a>,
}

/// A part of write 0 and what computes it, or whole steps.
pub(crate) enum Piece<'a> {
    Rows(&'a mut [u8], fn(&Operands<'_>, Range<u32>, &mut [u8]) -> Option<()>),
    Columns(Columns<'a>, fn(&Operands<'_>, Range<u32>, Columns<'_>) -> Option<()>),
    Sums(&'a mut Sums, fn(&Operands<'_>, Range<u32>, &mut Sums) -> Option<()>),
    Lane(Lane<'a>),
    Branch(&'a mut Branch<'a, 'a>),
    Done,
}

impl<'a> Part<'a> {
    pub(crate) const DONE: Self = Self { operands: None, units: 0..0, y: Piece::Done };

    /// A part that finds its operands itself.
    pub(crate) fn of(y: Piece<'a>) -> Self {
        Self { y, ..Self::DONE }
    }

    /// Computes it.
    pub fn run(&mut self) {
        // A checked step finds every operand.
        let _ = match (core::mem::replace(&mut self.y, Piece::Done), self.operands) {
            (Piece::Rows(y, run), Some(operands)) => run(operands, self.units.clone(), y),
            (Piece::Columns(y, run), Some(operands)) => run(operands, self.units.clone(), y),
            (Piece::Sums(sums, run), Some(operands)) => run(operands, self.units.clone(), sums),
            (Piece::Lane(mut lane), _) => lane.run(),
            (Piece::Branch(branch), _) => branch.run(),
            _ => None,
        };
    }
}

/// Runs a step in parts where that pays; says whether it did.
pub(crate) fn run(op: &OpEntry, step: Step<'_>, operands: &mut Operands<'_>, parallel: &dyn Parallel) -> bool {
    /// Parts that few threads run, which take less memory, and so less time, to prepare.
    const FEW: usize = 4;
    if step.writes().count() != 1 {
        return false;
    }
    let done = if parallel.threads() <= FEW {
        let sums = in_sums::<FEW>(op, operands, parallel);
        let columns = sums.or_else(|| in_columns::<FEW>(op, operands, parallel));
        columns.or_else(|| in_rows::<FEW>(op, operands, parallel))
    } else {
        in_columns::<MAX_PARTS>(op, operands, parallel).or_else(|| in_rows::<MAX_PARTS>(op, operands, parallel))
    };
    done.is_some()
}

#[inline(never)] // Stack that is not needed is not taken.
fn in_sums<const N: usize>(op: &OpEntry, operands: &mut Operands<'_>, parallel: &dyn Parallel) -> Option<()> {
    let split = op.sums?;
    let Units { count: units, work, .. } = (split.units)(operands)?;
    let count = parts(units, work, parallel);
    if count < 2 {
        return None;
    }
    let mut sums = [[0; SUMS]; N];
    let used = sums.get_mut(..count)?;
    let mut parts = [const { Part::DONE }; N];
    let mut start = 0u32;
    for (k, (part, sums)) in parts.iter_mut().zip(&mut *used).enumerate() {
        // All rows are as long: the first parts have more, as those of bands do.
        let behind = count.saturating_sub(k).checked_sub(2).map_or(0, |behind| end(units, behind, count));
        let end = units.saturating_sub(behind);
        *part = Part { operands: Some(&*operands), units: start..end, y: Piece::Sums(sums, split.run) };
        start = end;
    }
    parallel.run(parts.get_mut(..count).unwrap_or_default());
    (split.finish)(operands, used)
}

fn in_columns<const N: usize>(op: &OpEntry, operands: &mut Operands<'_>, parallel: &dyn Parallel) -> Option<()> {
    let split = op.columns?;
    let ColumnUnits { first, count: units, bytes, pitch, work, room } = (split.units)(operands)?;
    let count = parts(units, work, parallel);
    // Of the widest part, which the first one may not be.
    let width = (units.div_ceil(count.max(1) as u32) as usize).checked_mul(bytes)?;
    // Before the write is taken: the step still has to run.
    let written = operands.written()?;
    let rows = written.checked_div(pitch)?;
    if count < 2 || rows.checked_mul(pitch)? != written || first > pitch || room && rows.checked_mul(width)? > ROOM {
        return None;
    }
    let (_, mut rest) = Columns::new(operands.write::<u8>(0)?, pitch)?.split_at(first)?;
    let operands = &*operands;
    let mut parts = [const { Part::DONE }; N];
    let mut start = 0u32;
    for (k, part) in parts.iter_mut().enumerate().take(count) {
        let end = end(units, k, count);
        let width = (end.wrapping_sub(start) as usize).wrapping_mul(bytes).min(rest.width());
        let (y, others) = rest.split_at(width)?;
        *part = Part { operands: Some(operands), units: start..end, y: Piece::Columns(y, split.run) };
        (rest, start) = (others, end);
    }
    parallel.run(parts.get_mut(..count).unwrap_or_default());
    Some(())
}

fn in_rows<const N: usize>(op: &OpEntry, operands: &mut Operands<'_>, parallel: &dyn Parallel) -> Option<()> {
    let split = op.split?;
    let Units { count: units, bytes, work } = (split.units)(operands)?;
    let count = parts(units, work, parallel);
    if count < 2 {
        // Before the write is taken: the step still has to run.
        return None;
    }
    let mut rest = operands.write::<u8>(0)?;
    let operands = &*operands;
    let mut parts = [const { Part::DONE }; N];
    let mut start = 0u32;
    for (k, part) in parts.iter_mut().enumerate().take(count) {
        let end = end(units, k, count);
        let bytes = (end.wrapping_sub(start) as usize).wrapping_mul(bytes).min(rest.len());
        let (y, others) = rest.split_at_mut_checked(bytes)?;
        *part = Part { operands: Some(operands), units: start..end, y: Piece::Rows(y, split.run) };
        (rest, start) = (others, end);
    }
    parallel.run(parts.get_mut(..count).unwrap_or_default());
    Some(())
}

#[cfg(feature = "std")]
impl Parallel for ocellus_kernels::pool::Pool {
    fn threads(&self) -> usize {
        Self::threads(self)
    }

    fn begin(&self) {
        Self::begin(self);
    }

    fn end(&self) {
        Self::end(self);
    }

    fn run(&self, parts: &mut [Part<'_>]) {
        self.each(parts, |part| part.run());
    }
}
