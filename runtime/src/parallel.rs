//! Steps shared by several threads, which are the caller's.

use core::ops::Range;

use ocellus_kernels::average_pool_i8::Sums;
use ocellus_kernels::columns::{Columns, ROOM};
use ocellus_kernels::turns::Claim;
use ocellus_plan::Operand;

use crate::walk::{Claims, Kind, part};
use crate::{OpEntry, Operands, Outline};

/// The most threads that share a run.
pub const MAX_PARTS: usize = 32;

/// A part is worth a thread from these nanoseconds of work on.
const LEAST_WORK: u64 = 4_000;

/// Who runs the parts of a step: a pool, or what a board has in its place.
pub trait Parallel: Sync {
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
    /// A step or a stage is shared by so many threads: for profiles and tests. It is called on the first part's thread.
    fn told(&self, _shares: usize) {}
    /// Calls [`Part::run`] on every part and returns when all calls have; they may run at once, in any order. The first one
    /// does what the others do not come to in time.
    fn run(&self, parts: &mut [Part<'_>]);
}

/// How an operation can be cut.
#[derive(Clone, Copy)]
pub struct Split {
    /// How a step can be cut; `None` where it cannot.
    pub units: fn(&Outline<'_>) -> Option<Units>,
    /// Computes these units of a checked step into their part of write 0.
    pub run: fn(&Operands<'_>, Range<u32>, &mut [u8]) -> Option<()>,
}

/// How an operation can be cut into columns of its output: for steps that read more weights than anything else, of which
/// every part then needs its own.
#[derive(Clone, Copy)]
pub struct ColumnSplit {
    /// How a step can be cut; `None` where it cannot, or where rows are better.
    pub units: fn(&Outline<'_>) -> Option<ColumnUnits>,
    /// Computes these units of a checked step into their part of write 0.
    pub run: fn(&Operands<'_>, Range<u32>, Columns<'_>) -> Option<()>,
}

/// How an operation can be cut into rows of its input that all count for every output: every part has sums of its own.
#[derive(Clone, Copy)]
pub struct SumSplit {
    /// How a step can be cut, into units whose bytes are those of a part's sums; `None` where it cannot, or other ways are
    /// better.
    pub units: fn(&Outline<'_>) -> Option<Units>,
    /// Adds these units of a checked step.
    pub run: fn(&Operands<'_>, Range<u32>, &mut Sums) -> Option<()>,
    /// Computes write 0 from the sums of all parts together.
    pub finish: fn(&mut Operands<'_>, &Sums) -> Option<()>,
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

/// A thread's part of a run.
pub struct Part<'a>(Task<'a>);

/// What a thread does.
pub(crate) enum Task<'a> {
    /// Leads through the steps.
    Lead(&'a mut (dyn FnMut() + Send)),
    /// Does shares of what another thread leads through.
    Help(&'a (dyn Fn() + Sync)),
    /// Nothing more.
    Done,
}

impl<'a> Part<'a> {
    pub(crate) const DONE: Self = Self(Task::Done);

    pub(crate) fn of(task: Task<'a>) -> Self {
        Self(task)
    }

    /// Does it.
    pub fn run(&mut self) {
        match core::mem::replace(&mut self.0, Task::Done) {
            Task::Lead(lead) => lead(),
            Task::Help(help) => help(),
            Task::Done => {}
        }
    }
}

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
    (shares == 2).then_some(Cut { kind: Kind::Sums, units: count, shares })
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
