//! What each of two threads touches from one meeting to the next.

use std::ops::Range;

use ocellus_ops::lower::{DeviceStep, Program, TensorId};
use ocellus_plan::args::{Branches, Lanes};
use ocellus_plan::{Arguments, Reader};

use crate::liveness::Memory;

/// A part of a buffer that a thread reads or writes.
#[derive(Clone, Debug)]
pub(super) struct Touch {
    pub buffer: usize,
    pub bytes: Range<usize>,
    pub writes: bool,
}

/// What both threads do until they meet again.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// What each touches, in order.
    pub touches: [Vec<Touch>; 2],
    /// The most parts of the arena that each may write, if there is a limit.
    pub regions: Option<usize>,
}

/// The turns of a program that two threads share.
pub(super) fn turns(program: &Program, memory: &Memory) -> Vec<Turn> {
    let walk = Walk { program, memory };
    let mut turns = Vec::new();
    let mut rest = &program.steps[..];
    while let [step, behind @ ..] = rest {
        let lanes = lanes(step);
        let (turn, done) = if let Some(args) = lanes.filter(|args| args.memories > 1) {
            (walk.bands(step, &args, behind), (args.bands * args.steps + args.whole) as usize)
        } else if let Some(args) = lanes {
            // Their steps follow as any others; one thread's whole steps instead of them do too.
            (Turn::default(), if args.whole > 0 { (args.bands * args.steps) as usize } else { 0 })
        } else if let Some(args) = branches(step) {
            (walk.groups(&args, behind), (args.first + args.second) as usize)
        } else {
            (walk.halves(step), 0)
        };
        turns.push(turn);
        rest = behind.get(done..).unwrap_or_default();
    }
    turns
}

fn lanes(step: &DeviceStep) -> Option<Lanes> {
    Reader::new(&step.args).get().filter(|_| step.code == Lanes::CODE)
}

fn branches(step: &DeviceStep) -> Option<Branches> {
    Reader::new(&step.args).get().filter(|_| step.code == Branches::CODE)
}

struct Walk<'a> {
    program: &'a Program,
    memory: &'a Memory,
}

impl Walk<'_> {
    fn touch(&self, tensor: TensorId, writes: bool) -> Option<Touch> {
        let (from, root) = (&self.program.tensors[tensor], self.program.root(tensor));
        let buffer = self.memory.buffer_of[tensor].filter(|_| self.program.tensors[root].constant.is_none())?;
        Some(Touch { buffer, bytes: from.start..from.start + from.bytes(), writes })
    }

    /// All that a step touches: it reads first.
    fn touches(&self, step: &DeviceStep) -> impl Iterator<Item = Touch> {
        let reads = step.reads.iter().flatten().map(|&t| (t, false));
        reads.chain(step.writes.iter().map(|&t| (t, true))).filter_map(|(t, writes)| self.touch(t, writes))
    }

    /// A step that is shared by itself: the first half of all rows is one thread's.
    fn halves(&self, step: &DeviceStep) -> Turn {
        let mut turn = Turn::default();
        for Touch { buffer, bytes, writes } in self.touches(step) {
            let middle = bytes.start + bytes.len() / 2;
            for (touches, bytes) in turn.touches.iter_mut().zip([bytes.start..middle, middle..bytes.end]) {
                touches.push(Touch { buffer, bytes, writes });
            }
        }
        turn
    }

    /// Bands, of which each thread has half and a memory of its own. `behind` are the steps behind `step`.
    fn bands(&self, step: &DeviceStep, args: &Lanes, behind: &[DeviceStep]) -> Turn {
        let memories = step.writes.get(1).and_then(|&t| self.memory.buffer_of[t]);
        let mut turn = Turn::default();
        for (band, steps) in behind.chunks(args.steps.max(1) as usize).take(args.bands as usize).enumerate() {
            let thread = usize::from(band >= args.bands as usize / 2);
            for mut touch in steps.iter().flat_map(|step| self.touches(step)) {
                if Some(touch.buffer) == memories {
                    let own = thread * args.memory as usize;
                    touch.bytes = touch.bytes.start + own..touch.bytes.end + own;
                }
                turn.touches[thread].push(touch);
            }
        }
        turn
    }

    /// Two groups of steps, one for each thread.
    fn groups(&self, args: &Branches, behind: &[DeviceStep]) -> Turn {
        let (first, rest) = behind.split_at((args.first as usize).min(behind.len()));
        let second = rest.get(..args.second as usize).unwrap_or(rest);
        let touches = [first, second].map(|steps| steps.iter().flat_map(|step| self.touches(step)).collect());
        Turn { touches, regions: Some(Branches::REGIONS) }
    }
}

/// Which thread has a part of the arena in its caches, alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Thread(usize),
    Both,
}

/// How much of the arena is looked at as one: a part in so many, and no less than so many bytes.
const PARTS: usize = 1024;
const CELL: usize = 256;

/// How many bytes the threads write, more or less, that the other one has touched since they did, in one of many runs: of every turn
/// those of the thread that has more of them, for which the other one waits. `None` where a turn cannot be shared.
pub(super) fn waited_for(turns: &[Turn], offsets: &[usize], arena: usize) -> Option<usize> {
    let cell = arena.div_ceil(PARTS).next_power_of_two().max(CELL);
    // The middle of a cell says whose it is.
    let nearest = |byte: usize| (byte + cell / 2) / cell;
    let mut owners = vec![Owner::Both; nearest(arena) + 1];
    let mut cells = 0;
    for first in [true, false] {
        for turn in turns {
            if first && turn.regions.is_some_and(|most| !are_apart(&turn.touches, offsets, most)) {
                return None;
            }
            let mut waits = [0; 2];
            for ((thread, touches), waits) in turn.touches.iter().enumerate().zip(&mut waits) {
                for Touch { buffer, bytes, writes } in touches {
                    let at = offsets[*buffer];
                    for owner in &mut owners[nearest(at + bytes.start)..nearest(at + bytes.end)] {
                        let own = *owner == Owner::Thread(thread);
                        *waits += usize::from(*writes && !own);
                        *owner = if *writes || own { Owner::Thread(thread) } else { Owner::Both };
                    }
                }
            }
            // What the first run leaves is what the next one finds.
            cells += if first { 0 } else { waits[0].max(waits[1]) };
        }
    }
    Some(cells * cell)
}

/// Whether each thread writes at most so many parts of the arena, which the other one does not touch; and whether what it reads
/// lies in one of those, or meets none.
fn are_apart(touches: &[Vec<Touch>; 2], offsets: &[usize], most: usize) -> bool {
    let place = |touch: &Touch| offsets[touch.buffer] + touch.bytes.start..offsets[touch.buffer] + touch.bytes.end;
    let of = |touches: &[Touch], writes: bool| -> Vec<Range<usize>> {
        touches.iter().filter(|touch| touch.writes == writes && !touch.bytes.is_empty()).map(place).collect()
    };
    let own = touches.each_ref().map(|touches| joined(of(touches, true)));
    let meet = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
    let is_in = |a: &Range<usize>, b: &Range<usize>| b.start <= a.start && a.end <= b.end;
    let apart = |a: &Range<usize>, all: &[Range<usize>]| !all.iter().any(|b| meet(a, b));
    [(0, 1), (1, 0)].into_iter().all(|(thread, other)| {
        let (own, others) = (&own[thread], &own[other]);
        let held = |read: &Range<usize>| apart(read, own) || own.iter().any(|own| is_in(read, own));
        own.len() <= most
            && own.iter().all(|own| apart(own, others))
            && of(&touches[thread], false).iter().all(|read| held(read) && apart(read, others))
    })
}

/// Places in order; those that meet or touch are one.
fn joined(mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    places.sort_unstable_by_key(|place| place.start);
    places.dedup_by(|next, place| {
        let touch = next.start <= place.end;
        place.end = if touch { place.end.max(next.end) } else { place.end };
        touch
    });
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn in which each thread writes so many bytes of these buffers.
    fn turn(writes: [&[(usize, usize)]; 2]) -> Turn {
        let touch = |&(buffer, bytes): &(usize, usize)| Touch { buffer, bytes: 0..bytes, writes: true };
        Turn { touches: writes.map(|all| all.iter().map(touch).collect()), regions: None }
    }

    #[test]
    fn a_thread_waits_for_what_the_other_one_had() {
        let turns = [turn([&[(0, 1024)], &[(1, 2048)]]), turn([&[(2, 512)], &[(3, 1024)]])];
        // Everything apart.
        assert_eq!(waited_for(&turns, &[0, 1024, 3072, 4096], 8192), Some(0));
        // In the other one's place, in both turns.
        assert_eq!(waited_for(&turns, &[0, 1024, 1024, 0], 8192), Some(1024 + 1024));
        // In its own.
        assert_eq!(waited_for(&turns, &[0, 1024, 512, 2048], 8192), Some(0));
    }

    #[test]
    fn what_the_other_one_has_read_is_waited_for() {
        let mut turns = [turn([&[(0, 1024)], &[]]), turn([&[], &[(0, 1024)]])];
        assert_eq!(waited_for(&turns, &[0], 1024), Some(2048));
        turns[1].touches[1][0].writes = false;
        assert_eq!(waited_for(&turns, &[0], 1024), Some(1024));
        turns[1].touches.swap(0, 1);
        assert_eq!(waited_for(&turns, &[0], 1024), Some(0));
    }

    #[test]
    fn too_many_regions_are_no_turn() {
        let mut turns = [turn([&[(0, 64), (1, 64), (2, 64)], &[]])];
        turns[0].regions = Some(2);
        assert_eq!(waited_for(&turns, &[0, 128, 256], 1024), None);
        assert!(waited_for(&turns, &[0, 64, 256], 1024).is_some());
        assert!(waited_for(&turns, &[192, 256, 0], 1024).is_some());
    }

    #[test]
    fn what_a_thread_writes_nobody_else_touches() {
        // The first group writes nothing of what it has read, some of it, or all.
        let mut turns = [turn([&[(0, 64)], &[(1, 64)]])];
        turns[0].regions = Some(4);
        turns[0].touches[0].insert(0, Touch { buffer: 2, bytes: 0..256, writes: false });
        assert!(waited_for(&turns, &[0, 512, 256], 1024).is_some());
        assert_eq!(waited_for(&turns, &[320, 512, 256], 1024), None);
        turns[0].touches[0][0].bytes = 64..128;
        assert!(waited_for(&turns, &[320, 512, 256], 1024).is_some());
        // The other one writes it, or reads it.
        assert_eq!(waited_for(&turns, &[0, 320, 256], 1024), None);
        turns[0].touches[1].insert(0, Touch { buffer: 2, bytes: 64..128, writes: false });
        assert_eq!(waited_for(&turns, &[320, 512, 256], 1024), None);
        assert!(waited_for(&turns, &[0, 512, 256], 1024).is_some());
    }
}
