//! Steps shared by several threads, which are the caller's.

use core::ops::Range;

use ocellus_kernels::average_pool_i8::Sums;
use ocellus_kernels::columns::Columns;

use crate::{Operands, Outline};

/// The most threads that share a run.
pub const MAX_PARTS: usize = 32;

/// A part is worth a thread from these nanoseconds of work on.
const LEAST_WORK: u64 = 1_000;

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
    /// Whether a part needs room for its columns of all rows beside the output ([`Columns::update`]).
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
