//! The operands of a step: checked at loading, cut out of the arena at every run.

use ocellus_kernels::{Isa, Pod, view, view_mut};
use ocellus_plan::{Arguments, MAX_READS, MAX_WRITES, Operand, Reader, Space, Step};

use crate::StepFault;

/// What an operation checks once, when the plan is loaded.
pub struct Check<'a> {
    /// The step.
    pub step: Step<'a>,
    /// Alignment of the arena and of the weights in bytes: no operand is aligned better.
    pub align: u32,
    /// The instruction set that will run it.
    pub isa: Isa,
}

impl Check<'_> {
    /// The arguments, all of them and no more.
    pub fn args<A: Arguments>(&self) -> Result<A, StepFault> {
        let mut reader = Reader::new(self.step.args);
        let args = reader.get().ok_or(StepFault::Arguments)?;
        if reader.is_empty() { Ok(args) } else { Err(StepFault::Arguments) }
    }

    fn operand<T: Pod>(&self, operand: Option<Operand>, elements: Option<u32>) -> Result<(), StepFault> {
        let operand = operand.ok_or(StepFault::Operand)?;
        let size = size_of::<T>() as u32;
        if operand.space == Space::InPlace {
            return Ok(());
        }
        if operand.space == Space::Absent || elements.and_then(|n| n.checked_mul(size)) != Some(operand.len) {
            return Err(StepFault::Operand);
        }
        // Sizes are 1, 2, 4 or 8, alignments powers of two: the mask is exact.
        if self.align < size || operand.offset & (size - 1) != 0 {
            return Err(StepFault::Alignment);
        }
        Ok(())
    }

    /// Checks that write `index` holds `elements` values of `T`; `None` is a product that overflowed.
    pub fn write<T: Pod>(&self, index: usize, elements: Option<u32>) -> Result<(), StepFault> {
        self.operand::<T>(self.step.writes().nth(index), elements)
    }

    /// Checks that read `index` holds `elements` values of `T` (or is write 0).
    pub fn read<T: Pod>(&self, index: usize, elements: Option<u32>) -> Result<(), StepFault> {
        self.operand::<T>(self.step.reads().nth(index), elements)
    }

    /// Whether read `index` is given; checks it where it is.
    pub fn optional<T: Pod>(&self, index: usize, elements: Option<u32>) -> Result<bool, StepFault> {
        match self.step.reads().nth(index) {
            None => Ok(false),
            Some(operand) if operand.space == Space::Absent => Ok(false),
            some => self.operand::<T>(some, elements).map(|()| true),
        }
    }

    /// Checks the number of operands.
    pub fn count(&self, writes: usize, reads: usize) -> Result<(), StepFault> {
        let fits = self.step.writes().count() == writes && self.step.reads().count() == reads;
        if fits { Ok(()) } else { Err(StepFault::Operand) }
    }

    /// Refuses in-place operands, for operations that cannot work so.
    pub fn not_in_place(&self) -> Result<(), StepFault> {
        self.in_place_from(usize::MAX)
    }

    /// Refuses in-place operands among the first `count` reads.
    pub fn in_place_from(&self, count: usize) -> Result<(), StepFault> {
        if self.step.reads().take(count).any(|o| o.space == Space::InPlace) { Err(StepFault::Operand) } else { Ok(()) }
    }
}

/// What a step is told, without its memory.
pub struct Outline<'a> {
    step: Step<'a>,
    /// The instruction set that runs it.
    pub isa: Isa,
}

impl<'a> Outline<'a> {
    pub(crate) fn new(step: Step<'a>, isa: Isa) -> Self {
        Self { step, isa }
    }

    /// The arguments.
    pub fn args<A: Arguments>(&self) -> Option<A> {
        Reader::new(self.step.args).get()
    }

    /// Whether read `index` is write 0.
    pub fn is_in_place(&self, index: usize) -> bool {
        self.step.reads().nth(index).is_some_and(|o| o.space == Space::InPlace)
    }

    /// Where write 0 lies in the arena, if there is one write and no more.
    pub(crate) fn write(&self) -> Option<Operand> {
        let mut writes = self.step.writes();
        writes.next().filter(|_| writes.next().is_none())
    }
}

/// The operands of one step in a run, disjoint where they are written.
pub struct Operands<'a> {
    /// The arguments.
    args: &'a [u32],
    /// The instruction set that runs it.
    pub isa: Isa,
    writes: [&'a mut [u8]; MAX_WRITES],
    reads: [Option<&'a [u8]>; MAX_READS],
}

impl<'a> Operands<'a> {
    /// Cuts the operands of a step out of arena and weights; `None` where they do not fit or overlap.
    #[inline]
    pub(crate) fn cut(step: Step<'a>, isa: Isa, arena: &'a mut [u8], weights: &'a [u8]) -> Option<Self> {
        let mut writes = step.writes();
        match (writes.next(), writes.next()) {
            (Some(write), None) => Self::cut_one(step, isa, write, arena, weights),
            _ => Self::cut_many(step, isa, arena, weights),
        }
    }

    /// One write, as nearly every step has it: a read lies before or behind it.
    #[inline(always)]
    fn cut_one(step: Step<'a>, isa: Isa, write: Operand, arena: &'a mut [u8], weights: &'a [u8]) -> Option<Self> {
        let (start, end) = (write.offset as usize, write.end()? as usize);
        let (before, rest) = arena.split_at_mut_checked(start)?;
        let (y, behind) = rest.split_at_mut_checked(write.len as usize)?;
        let (before, behind) = (&*before, &*behind);
        let mut reads = [None; MAX_READS];
        for (slot, o) in reads.iter_mut().zip(step.reads()) {
            let (offset, len) = (o.offset as usize, o.len as usize);
            let (space, offset) = match o.space {
                Space::Weights => (weights, offset),
                Space::Arena if offset >= end => (behind, offset.wrapping_sub(end)),
                Space::Arena => (before, offset),
                Space::InPlace | Space::Absent => continue,
            };
            *slot = Some(space.get(offset..offset.checked_add(len)?)?);
        }
        let mut writes: [&mut [u8]; MAX_WRITES] = Default::default();
        *writes.first_mut()? = y;
        Some(Self { args: step.args, isa, writes, reads })
    }

    /// Several writes: the arena is cut at each of them, from the first place to the last.
    fn cut_many(step: Step<'a>, isa: Isa, arena: &'a mut [u8], weights: &'a [u8]) -> Option<Self> {
        let mut order = [(0usize, 0usize, 0usize); MAX_WRITES];
        let mut count = 0;
        for (slot, (index, o)) in order.iter_mut().zip(step.writes().enumerate()) {
            *slot = (o.offset as usize, o.len as usize, index);
            count += 1;
        }
        let order = order.get_mut(..count)?;
        insertion_sort(order);
        let mut writes: [&mut [u8]; MAX_WRITES] = Default::default();
        let mut gaps: [(usize, &[u8]); MAX_WRITES + 1] = Default::default();
        let (mut rest, mut base) = (arena, 0usize);
        for (&mut (offset, len, index), gap_slot) in order.iter_mut().zip(gaps.iter_mut()) {
            let (gap, tail) = rest.split_at_mut_checked(offset.checked_sub(base)?)?;
            let (write, tail) = tail.split_at_mut_checked(len)?;
            *gap_slot = (base, gap);
            *writes.get_mut(index)? = write;
            base = offset.checked_add(len)?;
            rest = tail;
        }
        *gaps.get_mut(count)? = (base, rest);
        let reads = reads(step, &gaps, weights)?;
        Some(Self { args: step.args, isa, writes, reads })
    }

    /// The operands of a step with one write, which is `written`, or taken already where that is empty; its reads lie in the weights or in one of `pieces` of the
    /// arena, of which each has its place there.
    pub(crate) fn among(
        step: Step<'a>,
        isa: Isa,
        written: &'a mut [u8],
        pieces: &[(usize, &'a [u8])],
        weights: &'a [u8],
    ) -> Option<Self> {
        let mut writes: [&mut [u8]; MAX_WRITES] = Default::default();
        *writes.first_mut()? = written;
        Some(Self { args: step.args, isa, writes, reads: reads(step, pieces, weights)? })
    }

    /// The arguments.
    pub fn args<A: Arguments>(&self) -> Option<A> {
        Reader::new(self.args).get()
    }

    /// Takes write `index` out as values of `T`.
    pub fn write<T: Pod>(&mut self, index: usize) -> Option<&'a mut [T]> {
        view_mut(core::mem::take(self.writes.get_mut(index)?))
    }

    /// Read `index` as values of `T`; `None` where it is absent or write 0.
    pub fn read<T: Pod>(&self, index: usize) -> Option<&'a [T]> {
        view((*self.reads.get(index)?)?)
    }
}

/// The reads of a step, each within the weights or one of these pieces of the arena.
fn reads<'a>(step: Step<'a>, pieces: &[(usize, &'a [u8])], weights: &'a [u8]) -> Option<[Option<&'a [u8]>; MAX_READS]> {
    let mut reads = [None; MAX_READS];
    for (slot, o) in reads.iter_mut().zip(step.reads()) {
        let (offset, len) = (o.offset as usize, o.len as usize);
        *slot = match o.space {
            Space::Weights => Some(weights.get(offset..offset.checked_add(len)?)?),
            Space::Arena => Some(pieces.iter().find_map(|(base, piece)| {
                let start = offset.checked_sub(*base)?;
                piece.get(start..start.checked_add(len)?)
            })?),
            Space::InPlace | Space::Absent => None,
        };
    }
    Some(reads)
}

fn insertion_sort(order: &mut [(usize, usize, usize)]) {
    for end in 1..order.len() {
        for k in (1..=end).rev() {
            if let Some([a, b]) = order.get_mut(k - 1..=k)
                && a.0 > b.0
            {
                core::mem::swap(a, b);
            }
        }
    }
}
