//! Moves buffers so that a core overwrites what it has touched itself.
//!
//! Two threads share most steps by rows: the lower half of every picture is one core's, the upper half the other's. A line of
//! the cache that the other core has touched last costs several times as much to write as one's own, so that a buffer should
//! lie where the halves of what lay there before it end at the same place. The arena stays as large as it is.

use std::ops::Range;

use ocellus_ops::lower::Program;
use ocellus_plan::args::Lanes;
use ocellus_plan::{Arguments, Reader};

use crate::arena::{Buffer, Placement};
use crate::liveness::Memory;

/// Bytes that are looked at as one.
const CELL: usize = 1 << 10;
/// Smaller buffers stay where they are, and count for nothing.
const SMALL: usize = 4 << 10;
/// Buffers before and behind one whose middle it may share.
const NEAR: usize = 24;
/// How often every buffer is tried.
const ROUNDS: usize = 6;
/// How often it begins elsewhere, and how many buffers are moved for that.
const TRIALS: usize = 50;
const MOVED: usize = 4;

/// Moves the buffers of a program.
pub(crate) fn settle(program: &Program, memory: &Memory, placement: &mut Placement, align: usize) {
    let touched = touched(program, memory);
    let mut order: Vec<usize> = (0..memory.buffers.len()).collect();
    order.retain(|&i| touched[i] && memory.buffers[i].bytes >= SMALL);
    order.sort_by_key(|&i| memory.buffers[i].life().0);
    let arena = Arena { buffers: &memory.buffers, order: &order, align, bytes: placement.bytes };
    arena.settle(&mut placement.offsets);
}

/// Which buffers are touched where two threads run: not those of the steps that one thread runs instead of bands.
fn touched(program: &Program, memory: &Memory) -> Vec<bool> {
    let mut touched = vec![false; memory.buffers.len()];
    let (mut bands, mut whole) = (0, 0);
    for step in &program.steps {
        if step.code == Lanes::CODE {
            let args: Option<Lanes> = Reader::new(&step.args).get();
            (bands, whole) = args.map_or((0, 0), |a| (a.bands.saturating_mul(a.steps), a.whole));
        } else if bands > 0 {
            bands -= 1;
        } else if whole > 0 {
            whole -= 1;
            continue;
        }
        for &t in step.reads.iter().flatten().chain(&step.writes) {
            if let Some(buffer) = memory.buffer_of[t] {
                touched[buffer] = true;
            }
        }
    }
    touched
}

struct Arena<'a> {
    buffers: &'a [Buffer],
    /// The buffers that count, in the order of their first use.
    order: &'a [usize],
    align: usize,
    bytes: usize,
}

impl Arena<'_> {
    fn size(&self, buffer: usize) -> usize {
        self.buffers[buffer].bytes.next_multiple_of(self.align)
    }

    /// Cells that change hands from one buffer to the next that lies there, the first one's behind the last.
    fn changes(&self, offsets: &[usize]) -> i64 {
        let mut owners: Vec<[Option<bool>; 2]> = vec![[None; 2]; self.bytes.div_ceil(CELL)];
        let mut changes = 0;
        for &buffer in self.order {
            let (start, size) = (offsets[buffer], self.size(buffer));
            let cells = start / CELL..(start + size).div_ceil(CELL);
            for (cell, [first, last]) in cells.clone().zip(&mut owners[cells]) {
                let upper = is_upper(cell, start, size);
                changes += i64::from(last.is_some_and(|last| last != upper));
                (*first, *last) = (first.or(Some(upper)), Some(upper));
            }
        }
        changes + owners.iter().filter(|[first, last]| first != last).count() as i64
    }

    /// Settles, and from other beginnings again, of which the best stays.
    fn settle(&self, offsets: &mut Vec<usize>) {
        self.settle_here(offsets);
        let mut least = self.changes(offsets);
        // Numbers that look drawn.
        let mut state = 1u32;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % below.max(1)
        };
        for _ in 0..if self.order.is_empty() { 0 } else { TRIALS } {
            let mut other = offsets.clone();
            for _ in 0..MOVED {
                let buffer = self.order[draw(self.order.len())];
                let size = self.size(buffer);
                let gaps: Vec<_> = self.gaps(buffer, &other).into_iter().filter(|gap| gap.len() >= size).collect();
                if let Some(gap) = gaps.get(draw(gaps.len())) {
                    other[buffer] = gap.start + draw((gap.len() - size) / self.align + 1) * self.align;
                }
            }
            self.settle_here(&mut other);
            let changes = self.changes(&other);
            if changes < least {
                least = changes;
                *offsets = other;
            }
        }
    }

    /// Moves every buffer that counts, until none gains by it.
    fn settle_here(&self, offsets: &mut [usize]) {
        for _ in 0..ROUNDS {
            let moves = (0..self.order.len()).filter(|&place| self.settle_one(place, offsets)).count();
            if moves == 0 {
                return;
            }
        }
    }

    /// Moves a buffer to where it costs least; says whether it did.
    fn settle_one(&self, place: usize, offsets: &mut [usize]) -> bool {
        let (buffer, size) = (self.order[place], self.size(self.order[place]));
        let gaps = self.gaps(buffer, offsets);
        let count = self.order.len();
        let near = (1..=NEAR.min(count / 2)).flat_map(|k| [(place + k) % count, (place + count - k) % count]);
        let middles: Vec<usize> = near.map(|k| offsets[self.order[k]] + self.size(self.order[k]) / 2).collect();
        let mut candidates = Vec::new();
        for gap in gaps.iter().filter(|gap| gap.len() >= size) {
            let last = gap.end - size;
            candidates.extend([gap.start, last]);
            let centred = |&middle: &usize| Some(middle.checked_sub(size / 2)?.next_multiple_of(self.align));
            candidates.extend(middles.iter().filter_map(centred).filter(|at| (gap.start..=last).contains(at)));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let now = self.cost(place, offsets[buffer], offsets);
        let best = candidates.into_iter().map(|at| (self.cost(place, at, offsets), at)).min();
        let better = best.filter(|&(cost, _)| cost < now);
        if let Some((_, at)) = better {
            offsets[buffer] = at;
        }
        better.is_some()
    }

    /// What is free during the life of a buffer.
    fn gaps(&self, buffer: usize, offsets: &[usize]) -> Vec<Range<usize>> {
        let life = &self.buffers[buffer];
        let others = (0..self.buffers.len()).filter(|&k| k != buffer && self.buffers[k].bytes > 0);
        let meeting = others.filter(|&k| self.buffers[k].meets(life));
        let mut taken: Vec<Range<usize>> = meeting.map(|k| offsets[k]..offsets[k] + self.size(k)).collect();
        taken.sort_unstable_by_key(|range| range.start);
        let (mut gaps, mut at) = (Vec::new(), 0);
        for range in taken {
            if at < range.start {
                gaps.push(at..range.start);
            }
            at = at.max(range.end);
        }
        if at < self.bytes {
            gaps.push(at..self.bytes);
        }
        gaps
    }

    /// Cells that change hands because a buffer lies there: from what was there before it, and to what comes behind it, less
    /// those that would change hands without it. Runs follow each other.
    fn cost(&self, place: usize, at: usize, offsets: &[usize]) -> i64 {
        let size = self.size(self.order[place]);
        let cells = at / CELL..(at + size).div_ceil(CELL);
        let mut sides = vec![(None, None); cells.len()];
        let count = self.order.len();
        for k in 1..count {
            let other = self.order[(place + k) % count];
            let (start, bytes) = (offsets[other], self.size(other));
            let first = cells.start.max(start / CELL);
            for cell in first..cells.end.min((start + bytes).div_ceil(CELL)) {
                let upper = Some(is_upper(cell, start, bytes));
                let (next, previous) = &mut sides[cell - cells.start];
                *next = next.or(upper);
                *previous = upper;
            }
        }
        let change = |(cell, (next, previous)): (usize, (Option<bool>, Option<bool>))| {
            let own = Some(is_upper(cell, at, size));
            let differ = |a: Option<bool>, b: Option<bool>| i64::from(a.is_some() && b.is_some() && a != b);
            differ(previous, own) + differ(own, next) - differ(previous, next)
        };
        cells.clone().zip(sides).map(change).sum()
    }
}

/// Whether a cell is of the upper half of a buffer.
fn is_upper(cell: usize, start: usize, bytes: usize) -> bool {
    cell * CELL + CELL / 2 >= start + bytes / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::{overlaps, place};

    /// Settles all of these; gives where they lay and where they lie.
    fn settled(buffers: &[Buffer]) -> [Vec<usize>; 2] {
        let Placement { offsets: before, bytes, .. } = place(buffers, 64);
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|&i| buffers[i].life().0);
        let arena = Arena { buffers, order: &order, align: 64, bytes };
        let mut offsets = before.clone();
        arena.settle(&mut offsets);
        assert_eq!(overlaps(buffers, &offsets), None);
        assert!(buffers.iter().zip(&offsets).all(|(b, at)| at + b.bytes <= bytes && at % 64 == 0));
        [before, offsets]
    }

    #[test]
    fn halves_end_at_the_same_place() {
        let buffer = |bytes: usize, first, last| Buffer::new(bytes << 10, first, last);
        let buffers = [buffer(64, 0, 1), buffer(48, 1, 2), buffer(16, 2, 3)];
        let [_, after] = settled(&buffers);
        let middle = |k: usize| after[k] + buffers[k].bytes / 2;
        assert_eq!(middle(0), middle(2), "{after:?}");
    }

    /// Cells that change hands from one run to the next.
    fn changes(buffers: &[Buffer], offsets: &[usize]) -> usize {
        let (mut owners, mut changes) = (std::collections::HashMap::new(), 0);
        for round in 0..2 {
            for (buffer, &at) in buffers.iter().zip(offsets) {
                for cell in at / CELL..(at + buffer.bytes).div_ceil(CELL) {
                    let upper = is_upper(cell, at, buffer.bytes);
                    let other = owners.insert(cell, upper).is_some_and(|before| before != upper);
                    changes += usize::from(round > 0 && other);
                }
            }
        }
        changes
    }

    #[test]
    fn fewer_cells_change_hands_and_no_byte_is_shared() {
        // Numbers that look drawn.
        let mut state = 1u32;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % below
        };
        let (mut before, mut after) = (0, 0);
        for _ in 0..20 {
            let mut buffer = |first| {
                let (bytes, last) = ((draw(60) + 4) << 10, first + 1 + draw(3));
                Buffer::new(bytes, first, last)
            };
            let buffers: Vec<Buffer> = (0..30).map(&mut buffer).collect();
            let [from, to] = settled(&buffers).map(|offsets| changes(&buffers, &offsets));
            assert!(to <= from);
            (before, after) = (before + from, after + to);
        }
        assert!(after < before * 9 / 10, "{before} {after}");
    }
}
