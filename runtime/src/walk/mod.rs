//! A run on several threads: one leads through the steps, and every one does its share of those that are shared.

pub(crate) mod branches;
mod cut;
mod lanes;
mod regions;

use core::mem::MaybeUninit;
use core::ops::Range;

use ocellus_kernels::Isa;
use ocellus_kernels::average_pool_i8::SUMS;
use ocellus_kernels::turns::{Claim, Leader, Leave, MAX_CLAIMS, Share, Turns};
use ocellus_plan::{Step, Steps};

use cut::{Cut, end};

use crate::parallel::Task;
use crate::session::After;
use crate::{MAX_PARTS, OpEntry, Operands, Outline, Parallel, Part};

/// Does a share.
type Work<'w> = dyn Fn(Share<'_>) + Sync + 'w;

/// What is shared, in a note to all: the lowest bits of a word, above which the step's place is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rows,
    Columns,
    Sums,
    Lanes,
    Branches,
}

impl Kind {
    const BITS: u32 = 3;

    fn of(word: u32) -> Option<Self> {
        let all = [Self::Rows, Self::Columns, Self::Sums, Self::Lanes, Self::Branches];
        all.get((word & ((1 << Self::BITS) - 1)) as usize).copied()
    }
}

/// What the shares of a turn write.
pub(crate) struct Claims {
    all: [Claim; MAX_CLAIMS],
    count: usize,
}

impl Claims {
    const fn new() -> Self {
        let none = Claim { share: 0, start: 0, width: 0, rows: 0, pitch: 0 };
        Self { all: [none; MAX_CLAIMS], count: 0 }
    }

    /// Adds one.
    pub(crate) fn push(&mut self, claim: Claim) -> Option<()> {
        *self.all.get_mut(self.count)? = claim;
        self.count = self.count.checked_add(1)?;
        Some(())
    }

    fn all(&self) -> &[Claim] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

/// A plan's steps, and what all threads need to do them.
pub(crate) struct Walk<'a> {
    pub(crate) words: &'a [u32],
    pub(crate) ops: &'static [OpEntry],
    pub(crate) isa: Isa,
    pub(crate) weights: &'a [u8],
    /// Whether two threads can run groups of steps at the same time.
    pub(crate) branches: bool,
}

/// Runs all steps on the threads of `parallel`, and calls `after` when one is done.
pub(crate) fn run(walk: &Walk<'_>, arena: &mut [u8], parallel: &dyn Parallel, after: Option<After<'_>>) {
    /// Few threads take less memory, and so less time, to prepare.
    const FEW: usize = 4;
    if parallel.threads() <= FEW {
        walk.run::<FEW>(arena, parallel, after);
    } else {
        walk.run::<MAX_PARTS>(arena, parallel, after);
    }
}

impl Walk<'_> {
    #[inline(never)] // Stack that is not needed is not taken.
    fn run<const N: usize>(&self, arena: &mut [u8], parallel: &dyn Parallel, mut after: Option<After<'_>>) {
        let mut place = MaybeUninit::uninit();
        let turns = Turns::<N>::within(&mut place, arena);
        // A checked step finds every operand.
        let work: &Work<'_> = &|share| {
            let done = self.share(share);
            debug_assert!(done.is_some(), "a share without its operands");
        };
        let mut lead = || {
            let Some(mut leader) = turns.lead(work) else { return };
            self.lead(&mut leader, parallel, after.take());
            leader.end();
        };
        let help = || turns.help(work);
        let mut parts = [const { Part::DONE }; N];
        for part in parts.iter_mut() {
            *part = Part::of(Task::Help(&help));
        }
        if let Some(first) = parts.first_mut() {
            *first = Part::of(Task::Lead(&mut lead));
        }
        parallel.run(parts.get_mut(..parallel.threads().min(N)).unwrap_or_default());
    }

    fn lead<const N: usize>(
        &self,
        leader: &mut Leader<'_, '_, N, Work<'_>>,
        parallel: &dyn Parallel,
        mut after: Option<After<'_>>,
    ) {
        let mut steps = Steps::checked(self.words);
        let (mut index, mut done) = (0usize, 0usize);
        loop {
            let place = self.words.len().wrapping_sub(steps.words().len());
            let Some(Ok(step)) = steps.next() else { return };
            // It was found at loading.
            let Some(op) = self.ops.get(usize::from(step.code)) else { return };
            if done > 0 {
                done = done.wrapping_sub(1);
            } else if crate::lanes::announced(op) {
                let skipped = |lanes| {
                    let mut claims = Claims::new();
                    lanes::claim(step, lanes, &mut claims)?;
                    self.tell(leader, (place, Kind::Lanes, 0), lanes, &claims, parallel)?;
                    lanes::shared(step)
                };
                done = lanes::lanes(step, parallel.threads())
                    .and_then(skipped)
                    .unwrap_or_else(|| crate::lanes::skipped(step));
            } else if crate::branches::announced(op) && self.branches && parallel.threads() > 1 {
                let mut skipped = || {
                    let mut claims = Claims::new();
                    branches::claim(step, steps, &mut claims)?;
                    self.tell(leader, (place, Kind::Branches, 0), branches::COUNT, &claims, parallel)?;
                    branches::steps(step)
                };
                done = skipped().unwrap_or(0);
            } else if self.step(leader, (step, place), op, parallel).is_none() {
                let cut = Operands::cut(step, self.isa, leader.alone(), self.weights);
                let _ = cut.map(|mut operands| (op.run)(&mut operands));
            }
            if let Some(after) = &mut after {
                leader.settle();
                after(index, op.name);
            }
            index = index.wrapping_add(1);
        }
    }

    /// Shares a step where that pays; `None` where it does not, and nothing was done.
    fn step<const N: usize>(
        &self,
        leader: &mut Leader<'_, '_, N, Work<'_>>,
        (step, place): (Step<'_>, usize),
        op: &OpEntry,
        parallel: &dyn Parallel,
    ) -> Option<()> {
        let outline = Outline::new(step, self.isa);
        let mut claims = Claims::new();
        let Cut { kind, units, shares } = Cut::of(op, &outline, parallel, &mut claims)?;
        self.tell(leader, (place, kind, units), shares, &claims, parallel)?;
        if kind == Kind::Sums {
            let mut all = [0i32; SUMS];
            for number in 0..shares {
                let part = leader.left(number)?;
                all.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.wrapping_add(*part));
            }
            let mut operands = Operands::cut(step, self.isa, leader.alone(), self.weights)?;
            (op.sums?.finish)(&mut operands, &all);
        }
        Some(())
    }

    /// Tells a turn. `None` where it cannot be, and nothing was done.
    fn tell<const N: usize>(
        &self,
        leader: &mut Leader<'_, '_, N, Work<'_>>,
        (place, kind, units): (usize, Kind, u32),
        shares: usize,
        claims: &Claims,
        parallel: &dyn Parallel,
    ) -> Option<()> {
        let word = u32::try_from(place).ok().filter(|&place| place < 1 << (u32::BITS - Kind::BITS))?;
        parallel.told(shares);
        leader.turn([word << Kind::BITS | kind as u32, units], shares, claims.all())
    }

    /// Does a share of a turn.
    fn share(&self, share: Share<'_>) -> Option<()> {
        let ([word, units], (number, of)) = (share.note(), share.place());
        let mut steps = Steps::checked(self.words.get((word >> Kind::BITS) as usize..)?);
        let step = steps.next()?.ok()?;
        let op = self.ops.get(usize::from(step.code))?;
        let (mut own, others, leave) = share.parts();
        let others = others.filter(|(_, piece)| !piece.is_empty());
        let kind = Kind::of(word)?;
        match kind {
            Kind::Lanes => return lanes::run(self, step, steps, (number, of), own, others),
            Kind::Branches => return branches::run(self, step, steps, number, own, others),
            _ => {}
        }
        // What lies before and behind that which all shares write.
        let mut pieces = [(0usize, &[][..]); 2];
        pieces.iter_mut().zip(others).for_each(|(to, piece)| *to = piece);
        let operands = Operands::among(step, self.isa, &mut [], &pieces, self.weights)?;
        match kind {
            Kind::Sums => {
                let used = (op.sums?.units)(&Outline::new(step, self.isa))?.bytes.div_euclid(size_of::<i32>());
                add(op, &operands, first(units, number, of), (leave, used))
            }
            Kind::Columns => (op.columns?.run)(&operands, part(units, number, of), own.next()?.1),
            _ => (op.split?.run)(&operands, part(units, number, of), own.next()?.1.into_bytes()?),
        }
    }
}

/// Adds some rows, and leaves the sums, of which so many are used.
#[inline(never)] // Stack that is not needed is not taken.
fn add(op: &OpEntry, operands: &Operands<'_>, rows: Range<u32>, (leave, used): (Leave<'_>, usize)) -> Option<()> {
    let mut sums = [0; SUMS];
    (op.sums?.run)(operands, rows, &mut sums)?;
    leave.numbers(sums.get(..used)?)
}

/// The units of part `number` of so many.
pub(crate) fn part(units: u32, number: usize, of: usize) -> Range<u32> {
    number.checked_sub(1).map_or(0, |before| end(units, before, of))..end(units, number, of)
}

/// As [`part`], where the first parts have more if they are not equally many, as those of bands do.
fn first(units: u32, number: usize, of: usize) -> Range<u32> {
    let place = |behind: usize| units.saturating_sub(behind.checked_sub(1).map_or(0, |k| end(units, k, of)));
    place(of.saturating_sub(number))..place(of.saturating_sub(number).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_units() {
        for units in 0..40 {
            for of in 1..8 {
                for range in [part, first] {
                    let all = (0..of).map(|number| range(units, number, of));
                    let last = all.fold(0, |next, range| {
                        assert!(range.start == next && range.end >= next);
                        range.end
                    });
                    assert_eq!(last, units);
                }
            }
        }
        assert_eq!((part(13, 0, 2), first(13, 0, 2)), (0..6, 0..7));
    }
}
