//! Branches: steps near the end of a network of which none depends on the others, as a detector's heads, in two groups that two
//! threads run at the same time. They meet once for all of them, and each reads only the weights that it needs.
//!
//! Whatever a branch waits for comes before, and whatever waits for one behind, so that steps change places.

use std::collections::HashMap;
use std::ops::Range;

use ocellus_kernels::Level;
use ocellus_ops::lower::{DeviceStep, Program, TensorId};
use ocellus_plan::Arguments;
use ocellus_plan::args::{Branches, Lanes, element};

use crate::times::{MEETING, lost_alone, nanoseconds};
use crate::walk::Lowered;

/// Steps behind the last one of a branch, at most, that wait for it.
const BEHIND: usize = 3;
/// The most steps of a branch one behind the other.
const LENGTH: usize = 64;
/// The most branches that are divided in the best way: of more, the longest first.
const FEW: usize = 14;
/// Multiply-accumulates of an output that are little.
const LIGHT: u64 = 32;
/// Nanoseconds for 64 bytes that the other thread has written.
const LINE: u64 = 6;

/// A way to run some steps at the same time.
pub(crate) struct Fork {
    /// The program's steps in their new order.
    order: Vec<usize>,
    /// Where the step comes that announces the groups.
    pub announced: usize,
    /// Steps of both groups.
    groups: [usize; 2],
    /// Nanoseconds that it gains, more or less, where every step is shared by itself otherwise.
    pub gain: u64,
}

impl Fork {
    /// Where the steps behind the groups begin.
    pub(crate) fn end(&self) -> usize {
        self.announced + 1 + self.groups[0] + self.groups[1]
    }

    /// The program that runs so.
    pub(crate) fn made(&self, lowered: &Lowered) -> Lowered {
        let mut made = lowered.clone();
        let program = &mut made.program;
        program.steps = self.order.iter().map(|&s| lowered.program.steps[s].clone()).collect();
        let middle = self.announced + self.groups[0];
        let groups = [self.announced..middle, middle..middle + self.groups[1]];
        for (own, other) in [(0, 1), (1, 0)] {
            let roots = |step: &DeviceStep| -> Vec<TensorId> {
                step.reads.iter().flatten().chain(&step.writes).map(|&t| lowered.program.root(t)).collect()
            };
            let touched: Vec<TensorId> = program.steps[groups[other].clone()].iter().flat_map(roots).collect();
            for step in &mut program.steps[groups[own].clone()] {
                // The other group may still read it.
                let alone = |r: &usize| step.reads[*r].is_none_or(|t| !touched.contains(&lowered.program.root(t)));
                step.in_place.retain(alone);
            }
        }
        let [first, second] = self.groups.map(|count| count as u32);
        program.push("", Branches { first, second }, &[], &[]);
        program.steps[self.announced..].rotate_right(1);
        made
    }
}

/// What a step touches of a memory.
struct Touch {
    step: usize,
    bytes: Range<usize>,
    writes: bool,
    partial: bool,
}

/// Which steps have to come before which.
struct Order {
    /// Pairs of steps; whether the second one waits for the first, or both write parts of one tensor, perhaps the same.
    pairs: Vec<(usize, usize, bool)>,
    /// How many steps, at most, follow each that wait for each other.
    levels: Vec<usize>,
}

impl Order {
    fn new(program: &Program) -> Self {
        let mut touched: HashMap<TensorId, Vec<Touch>> = HashMap::new();
        for (index, step) in program.steps.iter().enumerate() {
            let operands =
                step.reads.iter().flatten().map(|&t| (t, false)).chain(step.writes.iter().map(|&t| (t, true)));
            for (t, writes) in operands {
                let (root, tensor) = (program.root(t), &program.tensors[t]);
                if program.tensors[root].constant.is_none() {
                    let bytes = tensor.start..tensor.start + tensor.bytes();
                    touched.entry(root).or_default().push(Touch { step: index, bytes, writes, partial: step.partial });
                }
            }
        }
        let mut pairs = Vec::new();
        for all in touched.values() {
            for (k, b) in all.iter().enumerate() {
                for a in all[..k].iter().filter(|a| a.step != b.step && (a.writes || b.writes)) {
                    if a.bytes.start < b.bytes.end && b.bytes.start < a.bytes.end {
                        let parts = a.writes && b.writes && a.partial && b.partial;
                        pairs.push((a.step, b.step, !parts));
                    }
                }
            }
        }
        pairs.sort_unstable();
        let mut levels = vec![0; program.steps.len()];
        for &(a, b, waits) in pairs.iter().rev() {
            if waits {
                levels[a] = levels[a].max(levels[b] + 1);
            }
        }
        Self { pairs, levels }
    }

    /// The steps of these levels, as branches; `None` where others would have to change places with them.
    fn branches(&self, levels: &Range<usize>) -> Option<Vec<Vec<usize>>> {
        let place = |step: usize| match self.levels[step] {
            level if level >= levels.end => 0,
            level if level >= levels.start => 1,
            _ => 2,
        };
        if self.pairs.iter().any(|&(a, b, _)| place(a) > place(b)) {
            return None;
        }
        let mut branch_of: Vec<usize> = (0..self.levels.len()).collect();
        // The smallest number of a step that is connected with it.
        let mut more = true;
        while more {
            more = false;
            for &(a, b, _) in self.pairs.iter().filter(|&&(a, b, _)| place(a) == 1 && place(b) == 1) {
                let least = branch_of[a].min(branch_of[b]);
                more |= branch_of[a] != branch_of[b];
                (branch_of[a], branch_of[b]) = (least, least);
            }
        }
        let mut branches: HashMap<usize, Vec<usize>> = HashMap::new();
        for step in (0..self.levels.len()).filter(|&step| place(step) == 1) {
            branches.entry(branch_of[step]).or_default().push(step);
        }
        let mut branches: Vec<_> = branches.into_values().collect();
        branches.sort_unstable();
        Some(branches)
    }
}

/// The ways to run steps at the same time that gain something, the best first.
pub(crate) fn find(lowered: &Lowered, level: Level) -> Vec<Fork> {
    let program = &lowered.program;
    let order = Order::new(program);
    let can: Vec<bool> = program.steps.iter().map(|step| can_run_beside(program, step)).collect();
    let mut forks = Vec::new();
    for first in 0..BEHIND {
        for end in first + 1..=first + LENGTH {
            let within = |step: &usize| (first..end).contains(&order.levels[*step]);
            let steps: Vec<usize> = (0..program.steps.len()).filter(within).collect();
            if steps.iter().any(|&step| !can[step]) {
                break;
            }
            let fork = order.branches(&(first..end)).and_then(|branches| {
                let before = |step: &usize| order.levels[*step] >= end;
                let before: Vec<usize> = (0..program.steps.len()).filter(before).collect();
                fork(program, level, before, &branches)
            });
            forks.extend(fork);
        }
    }
    forks.sort_by_key(|fork| std::cmp::Reverse(fork.gain));
    forks
}

/// Whether a step may be one of a branch: int8, with one write, and no band.
fn can_run_beside(program: &Program, step: &DeviceStep) -> bool {
    let operands = || step.reads.iter().flatten().chain(&step.writes).map(|&t| &program.tensors[t]);
    let int8 = operands().filter(|t| t.constant.is_none()).all(|t| t.element == element::I8 && !t.is_empty());
    int8 && step.writes.len() == 1 && step.code != Lanes::CODE
}

/// These branches in two groups behind the steps `before`, where that gains something.
fn fork(program: &Program, level: Level, before: Vec<usize>, branches: &[Vec<usize>]) -> Option<Fork> {
    if branches.len() < 2 {
        return None;
    }
    let time = |&step: &usize| nanoseconds(program, &program.steps[step], level);
    let times: Vec<u64> = branches.iter().map(|branch| branch.iter().map(time).sum()).collect();
    let second = halves(&times);
    // One branch after the other, which takes the least memory.
    let mut groups = [Vec::new(), Vec::new()];
    for (branch, &second) in branches.iter().zip(&second) {
        groups[usize::from(second)].extend(branch);
    }
    let longest = groups.iter().map(|group| group.iter().map(time).sum::<u64>() + fetched(program, group)).max()?;
    let total: u64 = times.iter().sum();
    // Shared by itself each step would lose this.
    let lost = |&step: &usize| lost_alone(program, &program.steps[step], level);
    let alone: u64 = branches.iter().flatten().map(lost).sum();
    let gain = (alone + total / 2).checked_sub(longest + MEETING).filter(|&gain| gain > 0)?;
    let placed = |step: &usize| before.contains(step) || groups.iter().any(|group| group.contains(step));
    let behind: Vec<usize> = (0..program.steps.len()).filter(|step| !placed(step)).collect();
    let (announced, counts) = (before.len(), [groups[0].len(), groups[1].len()]);
    let order = before.into_iter().chain(groups.into_iter().flatten()).chain(behind).collect();
    Some(Fork { order, announced, groups: counts, gain })
}

/// Nanoseconds for what the other thread has touched last: half of what a group reads that it does not write, and of what
/// steps write that do little else.
fn fetched(program: &Program, group: &[usize]) -> u64 {
    let steps = || group.iter().map(|&step| &program.steps[step]);
    let written: Vec<TensorId> = steps().flat_map(|s| &s.writes).map(|&t| program.root(t)).collect();
    let mut read: Vec<TensorId> = steps().flat_map(|s| s.reads.iter().flatten()).map(|&t| program.root(t)).collect();
    read.sort_unstable();
    read.dedup();
    read.retain(|&t| program.tensors[t].constant.is_none() && !written.contains(&t));
    let light = steps().filter(|s| s.macs / LIGHT < program.tensors[s.writes[0]].len() as u64);
    let lines = |t: TensorId| program.tensors[t].bytes() as u64 / 2 / 64;
    read.into_iter().chain(light.map(|s| s.writes[0])).map(lines).sum::<u64>() * LINE
}

/// Which of these times belong to the second of two groups whose longer one is as short as it can be.
pub(crate) fn halves(times: &[u64]) -> Vec<bool> {
    let total: u64 = times.iter().sum();
    if times.len() <= FEW {
        let second =
            |mask: u32| times.iter().enumerate().filter(move |(k, _)| mask >> k & 1 == 1).map(|(_, t)| t).sum::<u64>();
        let longer = |&mask: &u32| second(mask).max(total - second(mask));
        let best = (1..1 << (times.len() - 1)).min_by_key(longer).unwrap_or(1);
        return (0..times.len()).map(|k| best >> k & 1 == 1).collect();
    }
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&k| std::cmp::Reverse(times[k]));
    let (mut second, mut sums) = (vec![false; times.len()], [0, 0]);
    for k in order {
        second[k] = sums[1] < sums[0];
        sums[usize::from(second[k])] += times[k];
    }
    second
}

#[cfg(test)]
mod tests {
    use ocellus_ops::lower::DeviceTensor;
    use ocellus_plan::args::TableI8;

    use super::*;

    #[test]
    fn groups_take_as_long_as_each_other() {
        let longer = |times: &[u64]| {
            let sum = |is_second: bool| -> u64 {
                times.iter().zip(halves(times)).filter(|(_, second)| *second == is_second).map(|(t, _)| t).sum()
            };
            sum(false).max(sum(true))
        };
        assert_eq!(longer(&[167, 103, 56, 40, 28, 21]), 208);
        assert_eq!(longer(&[5, 5]), 5);
        assert_eq!(longer(&[9, 1, 1]), 9);
        // Of many, the longest first.
        assert_eq!(longer(&[3; 20]), 30);
    }

    /// Steps that read and write tensors of a byte.
    fn program(steps: &[(&[TensorId], TensorId)]) -> Program {
        let mut program = Program::default();
        let tensors = steps.iter().map(|(_, y)| y + 1).max().unwrap_or(0);
        (0..tensors).for_each(|_| _ = program.add(DeviceTensor::new(element::I8, &[1], None)));
        for (reads, y) in steps {
            program.push("", TableI8 { len: 1 }, &[*y], reads);
        }
        program
    }

    #[test]
    fn what_waits_for_each_other_is_one_branch() {
        // 0 makes 1, of which two heads of two steps become 3 and 5, which 5 joins in 6.
        let program = program(&[(&[0], 1), (&[1], 2), (&[2], 3), (&[1], 4), (&[4], 5), (&[3, 5], 6)]);
        let order = Order::new(&program);
        assert_eq!(order.levels, [3, 2, 1, 2, 1, 0]);
        assert_eq!(order.branches(&(1..3)), Some(vec![vec![1, 2], vec![3, 4]]));
        assert_eq!(order.branches(&(0..3)), Some(vec![vec![1, 2, 3, 4, 5]]));
        assert_eq!(order.branches(&(1..2)), Some(vec![vec![2], vec![4]]));
    }

    #[test]
    fn parts_of_a_tensor_stay_in_their_order() {
        // 0 and 1 write parts of 2, the first one for a step that comes after it; so does 3, behind a longer way.
        let mut program = program(&[(&[0], 1), (&[1], 2), (&[0], 3), (&[3], 2)]);
        program.steps[1].partial = true;
        program.steps[3].partial = true;
        let order = Order::new(&program);
        assert_eq!(order.levels, [1, 0, 1, 0]);
        assert_eq!(order.branches(&(1..2)), Some(vec![vec![0], vec![2]]));
        assert_eq!(order.branches(&(0..2)), Some(vec![vec![0, 1, 2, 3]]), "their parts may be the same");
    }
}
