//! Steps shared by several threads, which are the caller's.

use core::ops::Range;

use ocellus_plan::Step;

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

impl Units {
    /// How many parts a step is cut into for this number of threads: the same for the same plan.
    fn parts(&self, threads: usize, least_work: u64) -> usize {
        let worth = self.work.checked_div(least_work).unwrap_or(u64::MAX);
        let most = worth.min(u64::from(self.count)).min(MAX_PARTS as u64) as usize;
        most.min(threads)
    }
}

/// A part of a step that may run beside the others.
pub struct Part<'a> {
    run: fn(&Operands<'_>, Range<u32>, &mut [u8]) -> Option<()>,
    operands: Option<&'a Operands<'a>>,
    units: Range<u32>,
    y: &'a mut [u8],
}

impl Part<'_> {
    /// Computes it.
    pub fn run(&mut self) {
        if let Some(operands) = self.operands {
            // A checked step finds every operand.
            let _ = (self.run)(operands, self.units.clone(), self.y);
        }
    }
}

/// Runs a step in parts where that pays; says whether it did.
pub(crate) fn run(op: &OpEntry, step: Step<'_>, operands: &mut Operands<'_>, parallel: &dyn Parallel) -> bool {
    let Some(split) = op.split.filter(|_| step.writes().count() == 1) else { return false };
    let Some(units) = (split.units)(operands) else { return false };
    let count = units.parts(parallel.threads(), parallel.least_work());
    if count < 2 {
        // Before the write is taken: the step still has to run.
        return false;
    }
    let Some(y) = operands.write::<u8>(0) else { return false };
    let operands = &*operands;
    let mut parts: [Part<'_>; MAX_PARTS] =
        core::array::from_fn(|_| Part { run: split.run, operands: None, units: 0..0, y: Default::default() });
    let (mut rest, mut start) = (y, 0u32);
    for (k, part) in parts.iter_mut().enumerate().take(count) {
        // Part k ends where k + 1 of `count` equal parts do.
        let end = (u64::from(units.count) * (k as u64 + 1)).checked_div(count as u64).unwrap_or(0) as u32;
        let bytes = (end.wrapping_sub(start) as usize).wrapping_mul(units.bytes).min(rest.len());
        let Some((y, tail)) = rest.split_at_mut_checked(bytes) else { break };
        *part = Part { run: split.run, operands: Some(operands), units: start..end, y };
        (rest, start) = (tail, end);
    }
    parallel.run(parts.get_mut(..count).unwrap_or_default());
    true
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
