//! Bands of steps that threads run beside each other.

use core::ops::Range;

use ocellus_kernels::turns::{Claim, Own};
use ocellus_plan::args::Lanes;
use ocellus_plan::{Arguments, Operand, Reader, Space, Step, Steps};

use crate::parallel::MAX_PARTS;
use crate::regions::{Place, Region, run_among, take};
use crate::walk::{Claims, Walk, part};
use crate::{OpEntry, StepFault};

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

/// How many threads share the bands, of so many; `None` where there are more than memories, or only one.
pub(crate) fn lanes(step: Step<'_>, threads: usize) -> Option<usize> {
    let args = arguments(step)?;
    let lanes = threads.min(args.bands as usize);
    (lanes > 1 && threads <= (args.memories as usize).min(MAX_LANES)).then_some(lanes)
}

/// What each of so many threads writes: its part of y, and its memory.
pub(crate) fn claim(step: Step<'_>, lanes: usize, claims: &mut Claims) -> Option<()> {
    let args = arguments(step)?;
    let mut writes = step.writes();
    let (y, memories) = (writes.next()?, writes.next()?);
    let pieces = |claims: &mut Claims| {
        (0..lanes).try_for_each(|k| {
            let Range { start, end } = part(args.bands, k, lanes);
            let place = |band: u32| band.saturating_mul(args.piece).min(y.len);
            let len = place(end).wrapping_sub(place(start));
            claims.push(Claim::bytes(k as u32, y.offset.checked_add(place(start))?, len))
        })
    };
    let own = |claims: &mut Claims| {
        (0..lanes as u32).try_for_each(|k| {
            let start = memories.offset.checked_add(k.checked_mul(args.memory)?)?;
            claims.push(Claim::bytes(k, start, args.memory))
        })
    };
    if y.offset < memories.offset {
        pieces(claims)?;
        own(claims)
    } else {
        own(claims)?;
        pieces(claims)
    }
}

/// How many steps behind one that announces lanes are done when the bands are shared.
pub(crate) fn shared(step: Step<'_>) -> Option<usize> {
    arguments(step).map(|args| count(&args).saturating_add(args.whole as usize))
}

/// Runs the bands of share `number` of so many; `rest` are the steps behind `step`.
pub(crate) fn run<'t>(
    walk: &Walk<'_>,
    step: Step<'_>,
    mut rest: Steps<'_>,
    (number, of): (usize, usize),
    own: Own<'t>,
    others: impl Iterator<Item = (usize, &'t [u8])>,
) -> Option<()> {
    let args = arguments(step)?;
    let Range { start, end } = part(args.bands, number, of);
    let steps = |bands: u32| (bands as usize).saturating_mul(args.steps as usize);
    rest.by_ref().take(steps(start)).for_each(drop);
    let mut pieces = [(0usize, &[][..]); 3];
    pieces.iter_mut().zip(others).for_each(|(to, piece)| *to = piece);
    let mut regions: [Region<'_>; 2] = Default::default();
    take(own, &mut regions)?;
    let memories = step.writes().nth(1).and_then(Place::of)?;
    // Every thread's memory stands in the place of the first one.
    regions.iter_mut().filter(|own| memories.meets(own.place())).for_each(|own| own.start = memories.start);
    for step in rest.flatten().take(steps(end.wrapping_sub(start))) {
        let op = walk.ops.get(usize::from(step.code))?;
        run_among::<6>(op, step, (walk.isa, walk.weights), &mut regions, &pieces)?;
    }
    Some(())
}

/// The most threads that share lanes.
const MAX_LANES: usize = 8;
const _: () = assert!(MAX_LANES <= MAX_PARTS);

/// Whether an operation announces lanes. Where there is no operating system that costs no code: bands run as any steps.
pub(crate) fn announced(op: &OpEntry) -> bool {
    cfg!(feature = "std") && op.code == Lanes::CODE
}
