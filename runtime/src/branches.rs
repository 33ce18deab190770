//! Two groups of steps that do not depend on each other, which two threads run at the same time: what the loader
//! checks. [`crate::walk`] runs them.

use ocellus_plan::args::Branches;
use ocellus_plan::{Arguments, Reader, Space, Step, Steps};

use crate::regions::Place;
use crate::{OpEntry, StepFault};

/// Steps of both groups that a step announces.
pub(crate) fn counts(step: Step<'_>) -> Option<[usize; 2]> {
    let args: Branches = Reader::new(step.args).get()?;
    Some([args.first as usize, args.second as usize])
}

/// The steps of a group, and those behind it.
pub(crate) fn split(mut steps: Steps<'_>, count: usize) -> (impl Iterator<Item = Step<'_>>, Steps<'_>) {
    let group = steps.flatten().take(count);
    steps.by_ref().take(count).for_each(drop);
    (group, steps)
}

/// Checks that each group writes nothing that the other one reads or writes. `rest` are the steps behind `step`.
pub(crate) fn check(step: Step<'_>, rest: Steps<'_>) -> Result<(), StepFault> {
    let [first, second] = counts(step).ok_or(StepFault::Arguments)?;
    let groups = || {
        let (a, rest) = split(rest, first);
        (a, split(rest, second).0)
    };
    let (a, b) = groups();
    if a.count() != first || b.count() != second {
        return Err(StepFault::Arguments);
    }
    let one_write = |step: Step<'_>| step.writes().count() == 1 && step.writes().all(|write| write.len > 0);
    let (mut a, mut b) = groups();
    if !a.all(one_write) || !b.all(one_write) {
        return Err(StepFault::Operand);
    }
    let apart = |step: Step<'_>, other: Step<'_>| {
        let Some(write) = step.writes().next().and_then(Place::of) else { return false };
        let touched = other.writes().chain(other.reads()).filter(|o| o.space == Space::Arena);
        touched.map(Place::of).all(|place| place.is_some_and(|place| !write.meets(place)))
    };
    let all_apart = groups().0.all(|a| groups().1.all(|b| apart(a, b) && apart(b, a)));
    if all_apart { Ok(()) } else { Err(StepFault::Overlap) }
}

/// Whether an operation announces branches. Where there is no operating system that costs no code: they run as any steps.
pub(crate) fn announced(op: &OpEntry) -> bool {
    cfg!(feature = "std") && op.code == Branches::CODE
}
