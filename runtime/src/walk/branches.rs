//! Two groups of steps that do not depend on each other, which two threads run at the same time.

use ocellus_kernels::turns::{Claim, Own};
use ocellus_plan::args::Branches;
use ocellus_plan::{Space, Step, Steps};

use super::regions::{Region, run_among, take};
use super::{Claims, Walk};
use crate::branches::{counts, split};
use crate::regions::Place;

/// The most parts of the arena that a group writes.
const REGIONS: usize = Branches::REGIONS;
/// What is between the regions of both groups, before and behind them.
const GAPS: usize = 2 * REGIONS + 1;
/// The most pieces that steps of a group read: its own regions, of which a write cuts one, and what is between all regions.
const PIECES: usize = REGIONS + 1 + GAPS;

/// The parts of the arena that a group writes: no two of them meet or touch.
struct Places {
    all: [Place; REGIONS],
    count: usize,
}

impl Places {
    /// Those of a group of steps; `None` where they are too many.
    fn of<'a>(steps: impl Iterator<Item = Step<'a>>) -> Option<Self> {
        let mut places = Self { all: [Place::default(); REGIONS], count: 0 };
        for step in steps {
            places.add(step.writes().next().and_then(Place::of)?)?;
        }
        Some(places)
    }

    /// Whether a read of the same group finds its bytes in one piece: it lies in one of them, or meets none.
    fn hold(&self, read: Place) -> bool {
        !self.meet(read) || self.all().any(|place| place.holds(read))
    }

    fn all(&self) -> impl Iterator<Item = Place> {
        self.all.iter().take(self.count).copied()
    }

    fn meet(&self, other: Place) -> bool {
        self.all().any(|place| place.meets(other))
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
        self.all().filter(|place| place.start >= start).min_by_key(|place| place.start)
    }
}

/// How many threads share both groups.
pub(crate) const COUNT: usize = 2;

/// What both groups write. `rest` are the steps behind `step`. `None` where a group writes too many parts of the arena.
fn places(step: Step<'_>, rest: Steps<'_>) -> Option<[Places; COUNT]> {
    let [first, second] = counts(step)?;
    let (a, behind) = split(rest, first);
    Some([Places::of(a)?, Places::of(split(behind, second).0)?])
}

/// Whether two threads can run the groups, which keep apart: neither writes too many parts of the arena, or what an earlier step
/// of its own has read together with what nobody writes.
pub(crate) fn can_be_shared(step: Step<'_>, rest: Steps<'_>) -> bool {
    let all_held = |places: &Places, steps: &mut dyn Iterator<Item = Step<'_>>| {
        let mut reads = steps.flat_map(|step| step.reads());
        reads.all(|read| read.space != Space::Arena || Place::of(read).is_some_and(|read| places.hold(read)))
    };
    let Some(([a, b], [first, second])) = places(step, rest).zip(counts(step)) else { return false };
    let (mut own, behind) = split(rest, first);
    all_held(&a, &mut own) && all_held(&b, &mut split(behind, second).0)
}

/// What each group writes, of those that can be shared. `rest` are the steps behind `step`.
pub(crate) fn claim(step: Step<'_>, rest: Steps<'_>, claims: &mut Claims) -> Option<()> {
    let places = places(step, rest)?;
    let mut start = 0usize;
    loop {
        let [a, b] = places.each_ref().map(|places| places.next(start));
        let (share, place) = match (a, b) {
            (Some(a), Some(b)) if b.start < a.start => (1, b),
            (Some(a), _) => (0, a),
            (None, Some(b)) => (1, b),
            (None, None) => return Some(()),
        };
        claims.push(Claim::bytes(share, place.start as u32, place.end.wrapping_sub(place.start) as u32))?;
        start = place.end;
    }
}

/// How many steps both groups have.
pub(crate) fn steps(step: Step<'_>) -> Option<usize> {
    counts(step).map(|[first, second]| first.saturating_add(second))
}

/// Runs group `number`; `rest` are the steps behind `step`.
pub(crate) fn run<'t>(
    walk: &Walk<'_>,
    step: Step<'_>,
    rest: Steps<'_>,
    number: usize,
    own: Own<'t>,
    others: impl Iterator<Item = (usize, &'t [u8])>,
) -> Option<()> {
    let [first, second] = counts(step)?;
    let (mut steps, mut count) = (rest, first);
    if number > 0 {
        (steps, count) = (split(rest, first).1, second);
    }
    let mut pieces = [(0usize, &[][..]); GAPS];
    pieces.iter_mut().zip(others).for_each(|(to, piece)| *to = piece);
    let mut regions: [Region<'_>; REGIONS] = Default::default();
    take(own, &mut regions)?;
    for step in steps.by_ref().flatten().take(count) {
        let op = walk.ops.get(usize::from(step.code))?;
        run_among::<PIECES>(op, step, (walk.isa, walk.weights), &mut regions, &pieces)?;
    }
    Some(())
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
