//! Parts of the arena, each of which one thread has while it runs several steps.

use ocellus_kernels::Isa;
use ocellus_kernels::turns::Own;
use ocellus_plan::Step;

use crate::regions::Place;
use crate::{OpEntry, Operands};

/// A part of the arena that is a thread's own, with its place in the arena.
#[derive(Default)]
pub(crate) struct Region<'a> {
    pub(crate) start: usize,
    pub(crate) bytes: &'a mut [u8],
}

impl Region<'_> {
    pub(crate) fn place(&self) -> Place {
        Place { start: self.start, end: self.start.saturating_add(self.bytes.len()) }
    }
}

/// Takes what a share writes; `None` where it is more, or not in one piece each.
pub(crate) fn take<'t>(own: Own<'t>, regions: &mut [Region<'t>]) -> Option<()> {
    let mut slots = regions.iter_mut();
    own.into_iter().try_for_each(|(start, bytes)| {
        *slots.next()? = Region { start, bytes: bytes.into_bytes()? };
        Some(())
    })
}

/// Runs a step with one write, which lies in one of the regions `own`; its reads lie in those and in `others`, which nobody
/// writes meanwhile: in `N` pieces, one more than there are of both.
pub(crate) fn run_among<const N: usize>(
    op: &OpEntry,
    step: Step<'_>,
    (isa, weights): (Isa, &[u8]),
    own: &mut [Region<'_>],
    others: &[(usize, &[u8])],
) -> Option<()> {
    let write = step.writes().next()?;
    let (start, len) = (write.offset as usize, write.len as usize);
    let (mut pieces, mut written) = ([(0usize, &[][..]); N], None);
    let mut slots = pieces.iter_mut();
    for region in own {
        let at = start.checked_sub(region.start).filter(|&at| at < region.bytes.len());
        match at.filter(|_| written.is_none()) {
            Some(at) => {
                let (before, rest) = region.bytes.split_at_mut_checked(at)?;
                let (y, behind) = rest.split_at_mut_checked(len)?;
                *slots.next()? = (region.start, &*before);
                *slots.next()? = (start.checked_add(len)?, &*behind);
                written = Some(y);
            }
            None => *slots.next()? = (region.start, &*region.bytes),
        }
    }
    for (slot, other) in slots.zip(others) {
        *slot = *other;
    }
    (op.run)(&mut Operands::among(step, isa, written?, &pieces, weights)?)
}
