//! Bands of steps that threads run beside each other: what the loader checks. [`crate::walk`] runs them.

use ocellus_plan::args::Lanes;
use ocellus_plan::{Arguments, Operand, Reader, Space, Step, Steps};

use crate::regions::Place;
use crate::{OpEntry, StepFault};

/// The arguments of a step that announces lanes.
pub(crate) fn arguments(step: Step<'_>) -> Option<Lanes> {
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

pub(crate) fn count(args: &Lanes) -> usize {
    (args.bands as usize).saturating_mul(args.steps as usize)
}

/// Whether an operation announces lanes. Where there is no operating system that costs no code: bands run as any steps.
pub(crate) fn announced(op: &OpEntry) -> bool {
    cfg!(feature = "std") && op.code == Lanes::CODE
}
