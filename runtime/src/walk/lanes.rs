//! Bands of steps that threads run beside each other.

use core::ops::Range;

use ocellus_kernels::turns::{Claim, Own};
use ocellus_plan::{Step, Steps};

use super::regions::{Region, run_among, take};
use super::{Claims, Walk, part};
use crate::MAX_PARTS;
use crate::lanes::{arguments, count};
use crate::regions::Place;

/// The most threads that share lanes.
const MAX_LANES: usize = 8;
const _: () = assert!(MAX_LANES <= MAX_PARTS);

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
