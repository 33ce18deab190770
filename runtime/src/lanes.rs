//! Bands of steps that threads run beside each other.

use ocellus_kernels::Isa;
use ocellus_plan::args::Lanes;
use ocellus_plan::{Arguments, Operand, Reader, Space, Step, Steps};

use crate::parallel::{MAX_PARTS, Piece, end};
use crate::regions::{Place, Region, run_among};
use crate::{OpEntry, Parallel, Part, StepFault};

/// The arguments of a step that announces lanes.
fn arguments(step: Step<'_>) -> Option<Lanes> {
    Reader::new(step.args).get()
}

/// Checks that bands write what is their own, and read nothing that another one writes. `rest` are the steps behind `step`.
pub(crate) fn check(step: Step<'_>, rest: Steps<'_>) -> Result<(), StepFault> {
    let args = arguments(step).ok_or(StepFault::Arguments)?;
    let mut writes = step.writes().filter_map(Place::of);
    let (Some(y), Some(all)) = (writes.next(), writes.next()) else { return Err(StepFault::Operand) };
    let memory = Place { end: all.start.saturating_add(args.memory as usize), ..all };
    let mut rest = rest.flatten();
    for band in 0..args.bands as usize {
        let start = y.start.saturating_add(band.saturating_mul(args.piece as usize));
        let piece = Place { start, end: start.saturating_add(args.piece as usize).min(y.end) };
        for _ in 0..args.steps {
            let step = rest.next().ok_or(StepFault::Arguments)?;
            let mut writes = step.writes();
            let write = writes.next().and_then(Place::of).ok_or(StepFault::Operand)?;
            let own = |o: Place| memory.holds(o) || piece.holds(o);
            let read = |o: Operand| match Place::of(o) {
                Some(place) => o.space != Space::Arena || own(place) || !(all.meets(place) || y.meets(place)),
                None => false,
            };
            if writes.next().is_some() || !own(write) || !step.reads().all(read) {
                return Err(StepFault::Overlap);
            }
        }
    }
    // What is to be run instead has to be there as well, without lanes of its own.
    let whole = args.whole as usize;
    let count = rest.take(whole).take_while(|step| step.code != Lanes::CODE).count();
    if count == whole { Ok(()) } else { Err(StepFault::Arguments) }
}

/// How many steps behind a step that announces lanes one thread leaves out: the bands, where others do the same.
pub(crate) fn skipped(step: Step<'_>) -> usize {
    arguments(step).filter(|args| args.whole > 0).map_or(0, |args| count(&args))
}

fn count(args: &Lanes) -> usize {
    (args.bands as usize).saturating_mul(args.steps as usize)
}

/// Some bands, with what they read and write.
pub(crate) struct Lane<'a> {
    steps: Steps<'a>,
    count: usize,
    ops: &'static [OpEntry],
    isa: Isa,
    weights: &'a [u8],
    /// Its memory, and its part of y.
    own: [Region<'a>; 2],
    /// The rest of the arena, which nobody writes meanwhile.
    others: [(usize, &'a [u8]); 3],
}

impl Lane<'_> {
    /// Runs the bands.
    pub(crate) fn run(&mut self) -> Option<()> {
        for step in self.steps.flatten().take(self.count) {
            let op = self.ops.get(usize::from(step.code))?;
            run_among::<6>(op, step, (self.isa, self.weights), &mut self.own, &self.others)?;
        }
        Some(())
    }
}

/// Runs the bands behind `step` on several threads; says how many steps that makes unnecessary. `None` where nothing was
/// run: there are more threads than memories, or only one.
pub(crate) fn run(
    step: Step<'_>,
    rest: Steps<'_>,
    (ops, isa): (&'static [OpEntry], Isa),
    (arena, weights): (&mut [u8], &[u8]),
    parallel: &dyn Parallel,
) -> Option<usize> {
    let args = arguments(step)?;
    let lanes = parallel.threads().min(args.bands as usize);
    if lanes < 2 || parallel.threads() > (args.memories as usize).min(MAX_LANES) {
        return None;
    }
    let mut writes = step.writes().filter_map(Place::of);
    let (y, memories) = (writes.next()?, writes.next()?);
    let y_first = y.start < memories.start;
    let (low, high) = if y_first { (y, memories) } else { (memories, y) };
    let (before, tail) = arena.split_at_mut_checked(low.start)?;
    let (at_low, tail) = tail.split_at_mut_checked(low.end.checked_sub(low.start)?)?;
    let (between, tail) = tail.split_at_mut_checked(high.start.checked_sub(low.end)?)?;
    let (at_high, behind) = tail.split_at_mut_checked(high.end.checked_sub(high.start)?)?;
    let others = [(0, &*before), (low.end, &*between), (high.end, &*behind)];
    let (mut y_rest, mut memory_rest) = if y_first { (at_low, at_high) } else { (at_high, at_low) };
    let mut parts = [const { Part::DONE }; MAX_LANES];
    let (mut steps, mut start, mut y_start) = (rest, 0u32, y.start);
    for (k, part) in parts.iter_mut().enumerate().take(lanes) {
        let end = end(args.bands, k, lanes);
        let bands = end.wrapping_sub(start) as usize;
        let bytes = bands.saturating_mul(args.piece as usize).min(y_rest.len());
        let (own_y, other_y) = y_rest.split_at_mut_checked(bytes)?;
        let (memory, other_memory) = memory_rest.split_at_mut_checked(args.memory as usize)?;
        let own = [Region { start: memories.start, bytes: memory }, Region { start: y_start, bytes: own_y }];
        let count = bands.saturating_mul(args.steps as usize);
        *part = Part::of(Piece::Lane(Lane { steps, count, ops, isa, weights, own, others }));
        steps.by_ref().take(count).for_each(drop);
        (y_rest, memory_rest, start) = (other_y, other_memory, end);
        y_start = y_start.saturating_add(bytes);
    }
    parallel.run(parts.get_mut(..lanes)?);
    Some(count(&args).saturating_add(args.whole as usize))
}

/// The most threads that share lanes.
const MAX_LANES: usize = 8;
const _: () = assert!(MAX_LANES <= MAX_PARTS);

/// Whether an operation announces lanes. Where there is no operating system that costs no code: bands run as any steps.
pub(crate) fn announced(op: &OpEntry) -> bool {
    cfg!(feature = "std") && op.code == Lanes::CODE
}
