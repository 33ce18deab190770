//! Moves buffers so that a core overwrites what it has touched itself.
//!
//! A line of the cache that the other core has touched last costs several times as much to write as one's own. Which lines those
//! are depends on what lay there before: two threads share most steps by rows, so that the middles of buffers should meet, and
//! the memories that threads have of their own lie where the same thread's rows do. What both threads touch in a run is
//! therefore followed for every placement that is tried ([`turns`]). The arena stays as large as it is.
//!
//! Simulated annealing: a buffer goes somewhere, whatever is in its way goes elsewhere, and that stays where it costs less, or
//! little more at first.

mod turns;

use ocellus_ops::lower::Program;

use crate::arena::{Buffer, Placement};
use crate::liveness::Memory;

use turns::{Turn, turns, waited_for};

/// Smaller buffers only move out of the way.
const SMALL: usize = 2 << 10;
/// How many placements are tried.
const TRIALS: usize = 20_000;
/// At first what costs more is taken too, up to this part of what all costs.
const HEAT: usize = 30;

/// Moves the buffers of a program that two threads share.
pub(crate) fn settle(program: &Program, memory: &Memory, placement: &mut Placement, align: usize) {
    let arena = Arena::new(&memory.buffers, turns(program, memory), placement.bytes, align);
    arena.settle(&mut placement.offsets);
}

/// Numbers that look drawn, the same for the same program.
struct Draw(u64);

impl Draw {
    /// One below a limit.
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}

struct Arena<'a> {
    buffers: &'a [Buffer],
    turns: Vec<Turn>,
    bytes: usize,
    align: usize,
    /// The buffers that two threads touch.
    shared: Vec<usize>,
    /// Of every buffer those that exist when it does.
    meeting: Vec<Vec<usize>>,
}

impl<'a> Arena<'a> {
    fn new(buffers: &'a [Buffer], turns: Vec<Turn>, bytes: usize, align: usize) -> Self {
        let mut touched = vec![false; buffers.len()];
        turns.iter().flat_map(|turn| turn.touches.iter().flatten()).for_each(|touch| touched[touch.buffer] = true);
        let shared = (0..buffers.len()).filter(|&b| touched[b] && buffers[b].bytes >= SMALL).collect();
        let meet = |a: usize, b: usize| a != b && buffers[b].bytes > 0 && buffers[a].meets(&buffers[b]);
        let meeting = (0..buffers.len()).map(|a| (0..buffers.len()).filter(|&b| meet(a, b)).collect()).collect();
        Self { buffers, turns, bytes, align, shared, meeting }
    }

    fn size(&self, buffer: usize) -> usize {
        self.buffers[buffer].bytes.next_multiple_of(self.align)
    }

    fn end(&self, buffer: usize, offsets: &[usize]) -> usize {
        offsets[buffer] + self.size(buffer)
    }

    fn settle(&self, offsets: &mut Vec<usize>) {
        let cost = |offsets: &[usize]| waited_for(&self.turns, offsets, self.bytes).unwrap_or(usize::MAX);
        let first = cost(offsets);
        let heat = if first == usize::MAX { 0 } else { first / HEAT };
        let (mut draw, mut now, mut least) = (Draw(1), (first, offsets.clone()), first);
        for left in (0..TRIALS).rev() {
            if least == 0 || self.shared.is_empty() {
                return;
            }
            let Some(trial) = self.moved(&now.1, &mut draw) else { continue };
            let cost = cost(&trial);
            let more = draw.below(heat * left / TRIALS + 1);
            if cost <= now.0.saturating_add(more) {
                now = (cost, trial);
                if cost < least {
                    least = cost;
                    offsets.clone_from(&now.1);
                }
            }
        }
    }

    /// With one buffer elsewhere, and whatever is in its way; `None` where that has no room.
    fn moved(&self, offsets: &[usize], draw: &mut Draw) -> Option<Vec<usize>> {
        let (&buffer, &other) = (draw.of(&self.shared)?, draw.of(&self.shared)?);
        let middle = offsets[other] + self.size(other) / 2;
        let at = match draw.below(4) {
            0 => middle.saturating_sub(self.size(buffer) / 2) / self.align * self.align,
            1 => offsets[other],
            2 => self.end(other, offsets),
            _ => self.end(other, offsets).saturating_sub(self.size(buffer)),
        };
        let mut moved = offsets.to_vec();
        moved[buffer] = at.min(self.bytes.checked_sub(self.size(buffer))?);
        let in_the_way = |&&k: &&usize| offsets[k] < self.end(buffer, &moved) && moved[buffer] < self.end(k, offsets);
        let mut homeless: Vec<usize> = self.meeting[buffer].iter().filter(in_the_way).copied().collect();
        homeless.sort_by_key(|&k| self.size(k));
        while let Some(&next) = homeless.last() {
            let gaps = self.gaps(next, &moved, &homeless);
            let &(first, last) = draw.of(&gaps)?;
            moved[next] = match draw.below(4) {
                0 => first,
                1 => last,
                _ => (middle.saturating_sub(self.size(next) / 2) / self.align * self.align).clamp(first, last),
            };
            homeless.pop();
        }
        Some(moved)
    }

    /// From where to where a buffer may begin, in every gap that is large enough; `homeless` ones lie nowhere.
    fn gaps(&self, buffer: usize, offsets: &[usize], homeless: &[usize]) -> Vec<(usize, usize)> {
        let size = self.size(buffer);
        let placed = self.meeting[buffer].iter().filter(|k| !homeless.contains(k));
        let mut taken: Vec<(usize, usize)> = placed.map(|&k| (offsets[k], self.end(k, offsets))).collect();
        taken.push((self.bytes, self.bytes));
        taken.sort_unstable();
        let (mut gaps, mut free) = (Vec::new(), 0);
        for (start, end) in taken {
            if start >= free + size {
                gaps.push((free, start - size));
            }
            free = free.max(end);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::turns::Touch;
    use super::*;
    use crate::arena::{overlaps, place};

    /// A turn in which each thread writes a half of a buffer, after it has read its half of another one.
    fn halves(read: Option<usize>, write: usize, buffers: &[Buffer]) -> Turn {
        let touches = [0, 1].map(|half| {
            let touch = |buffer: usize, writes: bool| {
                let bytes = buffers[buffer].bytes / 2;
                Touch { buffer, bytes: half * bytes..(half + 1) * bytes, writes }
            };
            read.map(|buffer| touch(buffer, false)).into_iter().chain([touch(write, true)]).collect()
        });
        Turn { touches, regions: None }
    }

    /// Settles a chain of buffers, each made from the one before; gives where they lay and where they lie, and what is waited for.
    fn settled(buffers: &[Buffer]) -> [(Vec<usize>, usize); 2] {
        let Placement { offsets: before, bytes, .. } = place(buffers, 64);
        let turns: Vec<Turn> = (0..buffers.len()).map(|k| halves(k.checked_sub(1), k, buffers)).collect();
        let arena = Arena::new(buffers, turns, bytes, 64);
        let mut after = before.clone();
        arena.settle(&mut after);
        assert_eq!(overlaps(buffers, &after), None);
        assert!(buffers.iter().zip(&after).all(|(b, at)| at + b.bytes <= bytes && at % 64 == 0));
        [before, after].map(|offsets| {
            let waits = waited_for(&arena.turns, &offsets, bytes).unwrap();
            (offsets, waits)
        })
    }

    #[test]
    fn halves_end_at_the_same_place() {
        let buffer = |bytes: usize, first, last| Buffer::new(bytes << 10, first, last);
        let buffers = [buffer(64, 0, 1), buffer(48, 1, 2), buffer(16, 2, 3)];
        let [_, (after, waits)] = settled(&buffers);
        let middle = |k: usize| after[k] + buffers[k].bytes / 2;
        assert!(waits == 0 && middle(0).abs_diff(middle(2)) < 1024, "{after:?}");
    }

    #[test]
    fn less_is_waited_for_and_no_byte_is_shared() {
        let mut draw = Draw(1);
        let (mut before, mut after) = (0, 0);
        for _ in 0..10 {
            let mut buffer = |first| Buffer::new((draw.below(60) + 4) << 10, first, first + 1 + draw.below(3));
            let buffers: Vec<Buffer> = (0..30).map(&mut buffer).collect();
            let [(_, from), (_, to)] = settled(&buffers);
            assert!(to <= from);
            (before, after) = (before + from, after + to);
        }
        assert!(after < before * 2 / 3, "{before} {after}");
    }
}
