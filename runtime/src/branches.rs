//! Two groups of steps that do not depend on each other, which two threads run at the same time.

use ocellus_kernels::Isa;
use ocellus_plan::args::Branches;
use ocellus_plan::{Arguments, Reader, Space, Step, Steps};

use crate::parallel::Piece;
use crate::regions::{Place, Region, run_among};
use crate::{OpEntry, Parallel, Part, StepFault};

/// The most parts of the arena that a group writes.
const REGIONS: usize = 16;
/// The most pieces that steps of a group read: its own regions, of which a write cuts one, and what is between all regions.
const PIECES: usize = 3 * REGIONS + 2;

/// Steps of both groups that a step announces.
fn counts(step: Step<'_>) -> Option<[usize; 2]> {
    let args: Branches = Reader::new(step.args).get()?;
    Some([args.first as usize, args.second as usize])
}

/// The steps of a group, and those behind it.
fn split(mut steps: Steps<'_>, count: usize) -> (impl Iterator<Item = Step<'_>>, Steps<'_>) {
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

/// The parts of the arena that a group writes: no two of them meet or touch.
struct Places {
    all: [Place; REGIONS],
    count: usize,
}

impl Places {
    /// Those of these steps; `None` where they are too many.
    fn of<'a>(steps: impl Iterator<Item = Step<'a>>) -> Option<Self> {
        let mut places = Self { all: [Place::default(); REGIONS], count: 0 };
        for step in steps {
            places.add(step.writes().next().and_then(Place::of)?)?;
        }
        Some(places)
    }

    fn add(&mut self, mut place: Place) -> Option<()> {
        let mut k = 0usize;
        while k < self.count {
            let other = *self.all.get(k)?;
            if place.start <= other.end && other.start <= place.end {
                // They become one, which may touch any other.
                place = Place { start: place.start.min(other.start), end: place.end.max(other.end) };
                self.count = self.count.checked_sub(1)?;
                *self.all.get_mut(k)? = *self.all.get(self.count)?;
                k = 0;
            } else {
                k = k.wrapping_add(1);
            }
        }
        *self.all.get_mut(self.count)? = place;
        self.count = self.count.wrapping_add(1);
        Some(())
    }

    /// The one that begins first from `start` on.
    fn next(&self, start: usize) -> Option<Place> {
        self.all.iter().take(self.count).copied().filter(|place| place.start >= start).min_by_key(|place| place.start)
    }
}

/// A group, with what it reads and writes.
pub(crate) struct Branch<'a, 'p> {
    steps: Steps<'a>,
    count: usize,
    ops: &'static [OpEntry],
    isa: Isa,
    weights: &'a [u8],
    own: [Region<'a>; REGIONS],
    /// The rest of the arena, which nobody writes meanwhile.
    others: &'p [(usize, &'a [u8])],
}

impl Branch<'_, '_> {
    /// Runs the group.
    pub(crate) fn run(&mut self) -> Option<()> {
        for step in self.steps.flatten().take(self.count) {
            let op = self.ops.get(usize::from(step.code))?;
            run_among::<PIECES>(op, step, (self.isa, self.weights), &mut self.own, self.others)?;
        }
        Some(())
    }
}

/// Runs the groups behind `step` on two threads; says how many steps that makes unnecessary. `None` where nothing was run:
/// there is one thread, or a group writes too many parts of the arena.
pub(crate) fn run(
    step: Step<'_>,
    rest: Steps<'_>,
    (ops, isa): (&'static [OpEntry], Isa),
    (arena, weights): (&mut [u8], &[u8]),
    parallel: &dyn Parallel,
) -> Option<usize> {
    let [first, second] = counts(step).filter(|_| parallel.threads() > 1)?;
    let (a, behind) = split(rest, first);
    let places = [Places::of(a)?, Places::of(split(behind, second).0)?];
    let mut own: [[Region<'_>; REGIONS]; 2] = Default::default();
    let mut others = [(0usize, &[][..]); 2 * REGIONS + 1];
    let (mut start, mut tail) = (0usize, arena);
    let [own_a, own_b] = &mut own;
    let (mut own_a, mut own_b, mut gaps) = (own_a.iter_mut(), own_b.iter_mut(), others.iter_mut());
    loop {
        let [a, b] = places.each_ref().map(|places| places.next(start));
        let is_first = match (a, b) {
            (Some(a), Some(b)) => a.start < b.start,
            (a, _) => a.is_some(),
        };
        let Some(place) = (if is_first { a } else { b }) else { break };
        let (gap, rest) = tail.split_at_mut_checked(place.start.checked_sub(start)?)?;
        let (bytes, rest) = rest.split_at_mut_checked(place.end.checked_sub(place.start)?)?;
        *gaps.next()? = (start, &*gap);
        let slot = if is_first { own_a.next()? } else { own_b.next()? };
        *slot = Region { start: place.start, bytes };
        (start, tail) = (place.end, rest);
    }
    *gaps.next()? = (start, &*tail);
    let [own_a, own_b] = own;
    let branch = |steps, count, own| Branch { steps, count, ops, isa, weights, own, others: &others };
    let (mut a, mut b) = (branch(rest, first, own_a), branch(behind, second, own_b));
    parallel.run(&mut [Part::of(Piece::Branch(&mut a)), Part::of(Piece::Branch(&mut b))]);
    Some(first.saturating_add(second))
}

/// Whether an operation announces branches. Where there is no operating system that costs no code: they run as any steps.
pub(crate) fn announced(op: &OpEntry) -> bool {
    cfg!(feature = "std") && op.code == Branches::CODE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn what_touches_becomes_one() {
        let mut places = Places { all: [Place::default(); REGIONS], count: 0 };
        let all = |places: &Places| -> Vec<[usize; 2]> {
            let (mut start, mut all) = (0, Vec::new());
            while let Some(place) = places.next(start) {
                all.push([place.start, place.end]);
                start = place.end;
            }
            all
        };
        for (start, end) in [(10, 20), (30, 40), (50, 60), (35, 38)] {
            places.add(Place { start, end }).unwrap();
        }
        assert_eq!(all(&places), [[10, 20], [30, 40], [50, 60]]);
        places.add(Place { start: 40, end: 50 }).unwrap();
        assert_eq!(all(&places), [[10, 20], [30, 60]]);
        places.add(Place { start: 15, end: 31 }).unwrap();
        assert_eq!(all(&places), [[10, 60]]);
        for k in 1..REGIONS {
            places.add(Place { start: 100 * k, end: 100 * k + 1 }).unwrap();
        }
        assert!(places.add(Place { start: 99_999, end: 100_000 }).is_none());
    }
}
