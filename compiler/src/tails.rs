//! Copies at the very end, which bring the parts of outputs together: two threads have some rows of them each.
//!
//! Every copy by itself is shared as well, but what it reads is mostly one core's: that of the group of branches that made it.
//! So each thread gets the copies whose rows no other copy touches, and those of them that it has made, as far as that is even.

use std::ops::Range;

use ocellus_ops::lower::{DeviceStep, DeviceTensor, Program, TensorId};
use ocellus_plan::args::{Branches, Copy, Lanes, element};
use ocellus_plan::{Arguments, Reader, Word};

use crate::branches::halves;
use crate::liveness::groups;
use crate::times::{MEETING, copied, fetched, lost_copied};
use crate::walk::Lowered;

/// A copy into some rows of a tensor: all that it writes lies in them.
struct Part {
    step: DeviceStep,
    args: Copy,
    /// The memory, and the rows' bytes in it.
    root: TensorId,
    rows: Range<usize>,
    /// What is read, how many bytes of it, and the group of branches that has made it.
    from: TensorId,
    bytes: usize,
    maker: Option<usize>,
}

impl Part {
    /// Of a step that copies bytes.
    fn of(program: &Program, step: &DeviceStep) -> Option<Self> {
        let args: Copy = Reader::new(&step.args).get().filter(|_| step.code == Copy::CODE)?;
        let (y, x) = (*step.writes.first()?, step.reads.first().copied().flatten()?);
        let axis = args.sizes.iter().position(|&size| size > 1)?;
        let (count, stride) = (args.sizes[axis], args.y_strides[axis]);
        let inner = args.sizes.iter().zip(&args.y_strides).skip(axis + 1);
        let reach: u32 = inner.map(|(&size, &stride)| (size - 1) * stride).sum();
        let first = args.y_offset.checked_div(stride)?;
        let column = args.y_offset - first * stride;
        let (root, from) = (program.root(y), program.root(x));
        let int8 = args.element_bytes == 1 && program.tensors[root].element == element::I8;
        if !int8 || root == from || column + reach >= stride {
            return None;
        }
        let start = program.tensors[y].start + (first * stride) as usize;
        let rows = start..start + (count * stride) as usize;
        let bytes = args.sizes.iter().map(|&size| size as usize).product();
        Some(Self { step: step.clone(), args: Copy { y_offset: column, ..args }, root, rows, from, bytes, maker: None })
    }

    fn meets(&self, other: &Self) -> bool {
        self.root == other.root && self.rows.start < other.rows.end && other.rows.start < self.rows.end
    }

    /// The step with its rows alone as what it writes.
    fn narrowed(&self, program: &mut Program) -> DeviceStep {
        let mut rows = DeviceTensor::new(element::I8, &[self.rows.len()], None);
        (rows.alias, rows.start) = (Some(self.root), self.rows.start);
        let mut step = DeviceStep { writes: vec![program.add(rows)], args: Vec::new(), ..self.step.clone() };
        self.args.put(&mut |word| step.args.push(word));
        step
    }
}

/// The program with the copies at its end in two groups, where two threads gain by that.
pub(crate) fn fork(lowered: &Lowered) -> Option<Lowered> {
    let parts = tail(&lowered.program);
    let time = |group: &[usize], thread: usize| -> u64 {
        let each = group.iter().map(|&k| {
            let other = parts[k].maker.is_some_and(|maker| maker != thread);
            copied(parts[k].bytes) + if other { fetched(parts[k].bytes) } else { 0 }
        });
        each.sum()
    };
    let longest = |groups: &[&[usize]; 2]| time(groups[0], 0).max(time(groups[1], 1));
    let [a, b] = &grouped(&parts)?;
    let groups = [[&a[..], b], [&b[..], a]].into_iter().min_by_key(longest)?;
    let alone: u64 = parts.iter().map(|part| copied(part.bytes) / 2 + lost_copied(part.bytes)).sum();
    if longest(&groups) + MEETING >= alone {
        return None;
    }
    let mut made = lowered.clone();
    let program = &mut made.program;
    program.steps.truncate(program.steps.len() - parts.len());
    let [first, second] = groups.map(|group| group.len() as u32);
    program.push("", Branches { first, second }, &[], &[]);
    for &k in groups.into_iter().flatten() {
        let step = parts[k].narrowed(program);
        program.steps.push(step);
    }
    Some(made)
}

/// The copies at the end, of which none reads what another one writes.
fn tail(program: &Program) -> Vec<Part> {
    // Steps that are announced stay where they are.
    let lanes = program.steps.iter().enumerate().filter(|(_, step)| step.code == Lanes::CODE);
    let bands = lanes.filter_map(|(at, step)| {
        let args: Lanes = Reader::new(&step.args).get()?;
        Some(at + 1 + (args.bands * args.steps + args.whole) as usize)
    });
    let free = bands.chain(groups(program).map(|[_, second]| second.end)).max().unwrap_or(0);
    let (before, steps) = program.steps.split_at(free.min(program.steps.len()));
    let mut parts: Vec<Part> = steps.iter().rev().map_while(|step| Part::of(program, step)).collect();
    parts.reverse();
    let written: Vec<TensorId> = parts.iter().map(|part| part.root).collect();
    if parts.iter().any(|part| written.contains(&part.from)) {
        return Vec::new();
    }
    for part in &mut parts {
        let makes = |step: &DeviceStep| step.writes.iter().any(|&t| program.root(t) == part.from);
        let in_group = |step: usize| groups(program).find_map(|groups| groups.iter().position(|g| g.contains(&step)));
        part.maker = before.iter().rposition(makes).and_then(in_group);
    }
    parts
}

/// Two groups of copies, whose rows do not meet, that move as many bytes as each other; `None` where all rows meet.
fn grouped(parts: &[Part]) -> Option<[Vec<usize>; 2]> {
    // The smallest number of a part that is connected with it.
    let mut of: Vec<usize> = (0..parts.len()).collect();
    for (k, part) in parts.iter().enumerate() {
        for other in (0..k).filter(|&other| part.meets(&parts[other])) {
            let (least, most) = (of[k].min(of[other]), of[k].max(of[other]));
            of.iter_mut().filter(|of| **of == most).for_each(|of| *of = least);
        }
    }
    let mut all = of.clone();
    all.sort_unstable();
    all.dedup();
    let of_name = |&name: &usize| (0..parts.len()).filter(|&k| of[k] == name).collect();
    let members: Vec<Vec<usize>> = all.iter().map(of_name).collect();
    let times: Vec<u64> = members.iter().map(|all| all.iter().map(|&k| parts[k].bytes as u64).sum()).collect();
    if times.len() < 2 {
        return None;
    }
    let mut groups = [Vec::new(), Vec::new()];
    for (all, second) in members.into_iter().zip(halves(&times)) {
        groups[usize::from(second)].extend(all);
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies of pictures of so many pixels and channels into rows of a tensor, one for every channel: `(from, first channel,
    /// channels, first pixel, pixels)`, of `[channels, pixels]` in all.
    fn program([channels, pixels]: [u32; 2], copies: &[[u32; 4]]) -> Lowered {
        let mut program = Program::default();
        let y = program.add(DeviceTensor::new(element::I8, &[(channels * pixels) as usize], None));
        for &[channel, channels, pixel, count] in copies {
            let x = program.add(DeviceTensor::new(element::I8, &[(channels * count) as usize], None));
            let args = Copy {
                element_bytes: 1,
                sizes: [1, 1, 1, 1, channels, count],
                x_strides: [0, 0, 0, 0, 1, channels as i32],
                y_strides: [0, 0, 0, 0, pixels, 1],
                x_offset: 0,
                y_offset: channel * pixels + pixel,
            };
            program.push("", args, &[y], &[x]).partial = true;
        }
        Lowered { program, inputs: Vec::new(), outputs: vec![y] }
    }

    fn announced(lowered: &Lowered) -> Option<Branches> {
        let step = lowered.program.steps.iter().find(|step| step.code == Branches::CODE)?;
        Reader::new(&step.args).get()
    }

    #[test]
    fn copies_into_the_same_rows_stay_together() {
        let lowered =
            program([144, 2100], &[[0, 64, 0, 1600], [64, 80, 0, 1600], [0, 64, 1600, 500], [64, 80, 1600, 500]]);
        let made = fork(&lowered).unwrap();
        assert_eq!(announced(&made), Some(Branches { first: 2, second: 2 }));
        let [program, steps] = [&made.program, &lowered.program];
        let rows = |step: &DeviceStep| {
            let y = &program.tensors[step.writes[0]];
            (y.start, y.bytes(), Reader::new(&step.args).get::<Copy>().unwrap().y_offset)
        };
        let places: Vec<_> = program.steps[1..].iter().map(rows).collect();
        let [boxes, classes] = [(0, 64 * 2100), (64 * 2100, 80 * 2100)];
        let group = |(start, bytes): (usize, usize)| [(start, bytes, 0), (start, bytes, 1600)];
        assert!(places == [group(boxes), group(classes)].concat() || places == [group(classes), group(boxes)].concat());
        assert!(steps.steps.iter().all(|step| step.writes == [0]), "others stay as they are");
    }

    #[test]
    fn few_bytes_and_rows_that_meet_stay() {
        assert!(fork(&program([8, 20], &[[0, 4, 0, 20], [4, 4, 0, 20]])).is_none());
        assert!(fork(&program([100, 2000], &[[0, 50, 0, 2000], [40, 60, 0, 2000]])).is_none());
        assert!(fork(&program([100, 2000], &[[0, 100, 0, 2000]])).is_none());
        // What one reads another one writes.
        let mut chain = program([100, 2000], &[[0, 50, 0, 2000], [50, 50, 0, 2000]]);
        chain.program.steps[1].reads = vec![Some(0)];
        assert!(fork(&chain).is_none());
    }

    #[test]
    fn who_made_it_copies_it() {
        let mut lowered = program([100, 2000], &[[0, 50, 0, 2000], [50, 50, 0, 2000]]);
        let copies = std::mem::take(&mut lowered.program.steps);
        let [a, b] = [0, 1].map(|k| copies[k].reads[0].unwrap());
        for made in [[a, b], [b, a]] {
            let mut lowered = lowered.clone();
            lowered.program.push("", Branches { first: 1, second: 1 }, &[], &[]);
            let args = |t: TensorId| ocellus_plan::args::TableI8 { len: lowered.program.tensors[t].len() as u32 };
            let args = made.map(args);
            made.iter().zip(args).for_each(|(&t, args)| _ = lowered.program.push("", args, &[t], &[]));
            lowered.program.steps.extend(copies.iter().cloned());
            let forked = fork(&lowered).unwrap();
            let read = |k: usize| forked.program.steps[k].reads[0];
            assert_eq!([read(4), read(5)], made.map(Some));
        }
    }
}
