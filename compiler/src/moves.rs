//! Steps that move bytes or look them up join each other, so that every byte is touched as seldom as possible.
//!
//! - A step whose result only such steps read becomes part of each of them, where together they look nothing up twice.
//! - A step that takes all of a tensor that such steps wrote in parts becomes part of each of them.
//! - A table behind a copy that repeats or turns elements goes before it, where it looks fewer up or as many.
//!
//! All of that changes how long tensors live: it is done where the most bytes alive at one time do not become more.

use std::collections::HashMap;
use std::ops::Range;

use ocellus_ops::lower::{DeviceStep, DeviceTensor, Move, Program, TensorId};
use ocellus_plan::args::element;

use crate::liveness::memory;

/// A program with the tensors that are given to it and taken from it.
pub(crate) struct Joiner<'a> {
    pub program: &'a mut Program,
    pub ports: [&'a [TensorId]; 2],
    pub align: usize,
}

/// The steps that use a tensor's memory.
#[derive(Default)]
pub(crate) struct Uses {
    pub writers: Vec<usize>,
    pub readers: Vec<usize>,
}

/// Steps instead of others: with their places in the program, in order.
type Steps = Vec<(usize, DeviceStep)>;

/// Joins steps as long as there are any to join; says whether there were.
pub(crate) fn join(program: &mut Program, inputs: &[TensorId], outputs: &[TensorId], align: usize) -> bool {
    let mut joiner = Joiner { program, ports: [inputs, outputs], align };
    let mut any = false;
    // What was joined may let others be joined, before it and behind it.
    while joiner.all() {
        any = true;
    }
    any
}

impl Joiner<'_> {
    /// Every step once.
    fn all(&mut self) -> bool {
        let (mut any, mut index) = (false, 0);
        while index < self.program.steps.len() {
            any |= self.once(index);
            index += 1;
        }
        any
    }

    /// Joins step `index` with those that read what it writes.
    fn once(&mut self, index: usize) -> bool {
        let step = &self.program.steps[index];
        let Some(first) = Move::of(self.program, step) else { return false };
        if self.ports.iter().copied().flatten().any(|&t| self.program.root(t) == first.y) {
            return false;
        }
        let uses = self.uses();
        let Some(between) = uses.get(&first.y) else { return false };
        let tensors = self.program.tensors.len();
        let done = match (&between.writers[..], &between.readers[..]) {
            ([one], readers) if *one == index && !step.partial && !readers.is_empty() => {
                self.readers(&uses, index, &first, readers) || self.behind(&uses, index, &first, readers)
            }
            (writers, &[reader]) if writers[0] == index => self.writers(&uses, writers, reader),
            _ => false,
        };
        if !done {
            self.program.tensors.truncate(tensors);
        }
        done
    }

    pub fn uses(&self) -> HashMap<TensorId, Uses> {
        let mut uses: HashMap<TensorId, Uses> = HashMap::new();
        for (index, step) in self.program.steps.iter().enumerate() {
            step.writes.iter().for_each(|&t| uses.entry(self.program.root(t)).or_default().writers.push(index));
            let reads = step.reads.iter().flatten();
            reads.for_each(|&t| uses.entry(self.program.root(t)).or_default().readers.push(index));
        }
        uses
    }

    /// The node that a step belongs to.
    fn node(&self, index: usize) -> String {
        self.program.steps[index].name.split_once(' ').map_or(String::new(), |(_, node)| node.to_owned())
    }

    /// Makes a step part of all that read its result.
    fn readers(&mut self, uses: &HashMap<TensorId, Uses>, index: usize, first: &Move, readers: &[usize]) -> bool {
        let mut made: Vec<(usize, Move, DeviceStep)> = Vec::new();
        let mut elements = 0;
        for &reader in readers {
            let Some(next) = Move::of(self.program, &self.program.steps[reader]) else { return false };
            elements += next.elements();
            let Some(joined) = first.then(&next, self.program) else { return false };
            let node = self.node(reader);
            let Some(step) = joined.step(self.program, &node) else { return false };
            made.push((reader, joined, step));
        }
        let length = self.program.tensors[first.y].bytes() as u64;
        if first.has_table() && elements > length {
            return false;
        }
        let end = readers[readers.len() - 1];
        let kept = |t: TensorId, between: Range<usize>, also: bool| {
            uses.get(&t).is_none_or(|u| {
                let touched = |all: &[usize]| all.iter().any(|k| between.contains(k) && !readers.contains(k));
                !(touched(&u.writers) || also && touched(&u.readers))
            })
        };
        let dropped: Vec<usize> = readers.iter().copied().chain([index]).collect();
        let mut choices: Vec<Steps> = Vec::new();
        if kept(first.x, index + 1..end, false) {
            choices.push(made.iter().map(|(reader, _, step)| (*reader, step.clone())).collect());
        }
        if made.iter().all(|(reader, joined, _)| kept(joined.y, index + 1..*reader, true)) {
            choices.push(made.iter().map(|(.., step)| (index, step.clone())).collect());
        }
        self.take(&dropped, choices)
    }

    /// Makes the only reader of a tensor part of all that write it in parts.
    fn writers(&mut self, uses: &HashMap<TensorId, Uses>, writers: &[usize], reader: usize) -> bool {
        let Some(next) = Move::of(self.program, &self.program.steps[reader]) else { return false };
        let mut steps: Steps = Vec::new();
        let mut elements = 0;
        for &writer in writers {
            let Some(first) = Move::of(self.program, &self.program.steps[writer]) else { return false };
            elements += first.elements();
            let Some(joined) = first.before(&next, self.program) else { return false };
            let node = self.node(writer);
            if let Some(step) = joined.step(self.program, &node) {
                steps.push((writer, step));
            } else {
                let between = self.between(&joined);
                let Some(both) = joined.apart(between, self.program) else { return false };
                for part in both {
                    let Some(step) = part.step(self.program, &node) else { return false };
                    steps.push((writer, step));
                }
            }
        }
        // Parts that do not overlap, and no byte besides.
        let between = writers[0] + 1..reader;
        let touched = |u: &Uses| u.writers.iter().chain(&u.readers).any(|k| between.contains(k));
        if elements != next.elements() || uses.get(&next.y).is_some_and(touched) {
            return false;
        }
        let dropped: Vec<usize> = writers.iter().copied().chain([reader]).collect();
        self.take(&dropped, vec![steps])
    }

    /// A tensor as large as what a step reads.
    fn between(&mut self, step: &Move) -> TensorId {
        let bytes = self.program.tensors[step.x].bytes();
        self.program.add(DeviceTensor::new(element::I8, &[bytes], None))
    }

    /// Looks elements up before a copy instead of behind it.
    fn behind(&mut self, uses: &HashMap<TensorId, Uses>, index: usize, first: &Move, readers: &[usize]) -> bool {
        let &[reader] = readers else { return false };
        let Some(next) = Move::of(self.program, &self.program.steps[reader]) else { return false };
        let between = self.between(first);
        let Some([table, copy]) = first.behind(&next, between, self.program) else { return false };
        let touched = |u: &Uses| u.writers.iter().chain(&u.readers).any(|k| (index + 1..reader).contains(k));
        if uses.get(&next.y).is_some_and(touched) {
            return false;
        }
        let (node, copied) = (self.node(reader), self.node(index));
        let (Some(table), Some(copy)) = (table.step(self.program, &node), copy.step(self.program, &copied)) else {
            return false;
        };
        self.take(&[index, reader], vec![vec![(index, table), (index, copy)]])
    }

    /// Takes the choice that keeps fewest bytes alive, where they are not more than now.
    pub fn take(&mut self, dropped: &[usize], choices: Vec<Steps>) -> bool {
        let (most, _) = self.alive();
        let mut best: Option<((usize, usize), Vec<DeviceStep>)> = None;
        for choice in choices {
            let mut steps = Vec::with_capacity(self.program.steps.len());
            for (k, step) in self.program.steps.iter().enumerate() {
                steps.extend(choice.iter().filter(|(place, _)| *place == k).map(|(_, step)| step.clone()));
                if !dropped.contains(&k) {
                    steps.push(step.clone());
                }
            }
            std::mem::swap(&mut self.program.steps, &mut steps);
            let alive = self.alive();
            std::mem::swap(&mut self.program.steps, &mut steps);
            if alive.0 <= most && best.as_ref().is_none_or(|b| alive < b.0) {
                best = Some((alive, steps));
            }
        }
        let Some((_, steps)) = best else { return false };
        self.program.steps = steps;
        true
    }

    /// The most bytes alive at one time, and all bytes times the steps that they live.
    fn alive(&self) -> (usize, usize) {
        let [inputs, outputs] = self.ports;
        let memory = memory(self.program, inputs, outputs);
        let mut change = vec![0isize; self.program.steps.len() + 3];
        for b in &memory.buffers {
            let bytes = b.bytes.next_multiple_of(self.align) as isize;
            change[b.life().0] += bytes;
            change[b.life().1 + 1] -= bytes;
        }
        let mut now = 0isize;
        let alive = change.iter().map(|&c| {
            now += c;
            now as usize
        });
        alive.fold((0, 0), |(most, sum), now| (most.max(now), sum + now))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::{Cast, Copy, TableI8, TableRowsI8};
    use ocellus_plan::{Arguments, Reader};

    use super::*;

    fn tensor(p: &mut Program, len: usize) -> TensorId {
        p.add(DeviceTensor::new(element::I8, &[len], None))
    }

    /// Copies a box of three axes (size, step in x, step in y).
    fn copy(p: &mut Program, [x, y]: [TensorId; 2], axes: [(u32, i32, u32); 3], [x_offset, y_offset]: [u32; 2]) {
        let of = |k: usize| axes[k];
        let sizes = [1, 1, 1, of(0).0, of(1).0, of(2).0];
        let whole = axes.iter().map(|a| a.0 as usize).product::<usize>() == p.tensors[y].len();
        let args = Copy {
            element_bytes: 1,
            sizes,
            x_strides: [0, 0, 0, of(0).1, of(1).1, of(2).1],
            y_strides: [0, 0, 0, of(0).2, of(1).2, of(2).2],
            x_offset,
            y_offset,
        };
        p.push(&format!("to {y}"), args, &[y], &[x]).partial = !whole;
    }

    /// Channels `first..first + count` of 6 pixels, between tensors of `from` and `to` channels.
    fn channels(p: &mut Program, xy: [TensorId; 2], [from, to]: [u32; 2], count: u32, offsets: [u32; 2]) {
        copy(p, xy, [(1, 0, 0), (6, from as i32, to), (count, 1, 1)], offsets);
    }

    fn table(p: &mut Program, x: TensorId, y: TensorId, factor: i32) {
        p.push_table(&format!("table {y}"), std::array::from_fn(|k| (k as i32 * factor + 3) as i8), x, y);
    }

    /// All of the memory after a run, computed step by step by the definitions; the memory of `inputs` is drawn.
    fn execute(p: &Program, inputs: &[TensorId], outputs: &[TensorId]) -> Vec<Vec<u8>> {
        let mut memory: Vec<Vec<u8>> = p.tensors.iter().map(|t| vec![0xEE; t.bytes()]).collect();
        for &t in inputs {
            memory[t] = (0..memory[t].len()).map(|k| (k * 37 % 251 + t) as u8).collect();
        }
        for step in &p.steps {
            let (x, y) = (step.reads[0].unwrap(), step.writes[0]);
            let (source, starts) = (memory[p.root(x)].clone(), [p.tensors[x].start, p.tensors[y].start]);
            let values = step.reads.get(1).map(|t| match &p.tensors[t.unwrap()].constant {
                Some(ocellus_ops::lower::Constant::Bytes(bytes)) => bytes.clone(),
                other => panic!("{other:?}"),
            });
            let mut put = |from: usize, to: usize| {
                let v = source[from + starts[0]];
                let v = values.as_ref().map_or(v, |table| table[usize::from(v ^ 0x80)]);
                memory[p.root(y)][to + starts[1]] = v;
            };
            let mut reader = Reader::new(&step.args);
            match step.code {
                TableI8::CODE => (0..reader.get::<TableI8>().unwrap().len as usize).for_each(|k| put(k, k)),
                TableRowsI8::CODE => {
                    let a: TableRowsI8 = reader.get().unwrap();
                    for (i, k) in (0..a.count).flat_map(|i| (0..a.row).map(move |k| (i, k))) {
                        let (from, to) = (a.x_offset + i * a.x_stride + k, a.y_offset + i * a.y_stride + k);
                        put(from as usize, to as usize);
                    }
                }
                _ => {
                    let a: Copy = reader.get().unwrap();
                    for flat in 0..a.sizes.iter().product::<u32>() {
                        let (mut rest, mut from, mut to) = (flat, a.x_offset as i32, a.y_offset);
                        for k in (0..6).rev() {
                            let i = rest % a.sizes[k];
                            rest /= a.sizes[k];
                            (from, to) = (from + i as i32 * a.x_strides[k], to + i * a.y_strides[k]);
                        }
                        put(from as usize, to as usize);
                    }
                }
            }
        }
        outputs.iter().map(|&t| memory[t].clone()).collect()
    }

    /// The operations of a program whose moves are joined, which computes the same.
    fn joined(p: &mut Program, inputs: &[TensorId], outputs: &[TensorId]) -> Vec<String> {
        let want = execute(p, inputs, outputs);
        join(p, inputs, outputs, 1);
        assert_eq!(execute(p, inputs, outputs), want, "{:?}", p.steps);
        p.steps.iter().map(|s| s.name.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn a_table_that_is_split_is_looked_up_where_its_parts_go() {
        let mut p = Program::default();
        let [x, t, a, b] = [48, 48, 24, 24].map(|n| tensor(&mut p, n));
        table(&mut p, x, t, 5);
        channels(&mut p, [t, a], [8, 4], 4, [0, 0]);
        channels(&mut p, [t, b], [8, 4], 4, [4, 0]);
        assert_eq!(joined(&mut p, &[x], &[a, b]), ["table_rows_i8", "table_rows_i8"]);
        assert_eq!(p.steps[1].name, format!("table_rows_i8 to {b}"));
        assert!(!p.steps[0].partial && p.steps[0].in_place.is_empty());
    }

    #[test]
    fn tables_write_their_part_of_a_concatenation() {
        let mut p = Program::default();
        let [a, b, s, t, y] = [24, 48, 24, 48, 72].map(|n| tensor(&mut p, n));
        table(&mut p, a, s, 5);
        table(&mut p, b, t, 7);
        channels(&mut p, [s, y], [4, 12], 4, [0, 0]);
        channels(&mut p, [t, y], [8, 12], 8, [0, 4]);
        assert_eq!(joined(&mut p, &[a, b], &[y]), ["table_rows_i8", "table_rows_i8"]);
        assert!(p.steps.iter().all(|s| s.partial));
    }

    #[test]
    fn one_behind_the_other_is_a_table_in_a_part_of_the_memory() {
        let mut p = Program::default();
        let [a, b, s, t, y] = [24, 48, 24, 48, 72].map(|n| tensor(&mut p, n));
        table(&mut p, a, s, 5);
        table(&mut p, b, t, 7);
        copy(&mut p, [s, y], [(1, 0, 0), (1, 0, 0), (24, 1, 1)], [0, 0]);
        copy(&mut p, [t, y], [(1, 0, 0), (1, 0, 0), (48, 1, 1)], [0, 24]);
        assert_eq!(joined(&mut p, &[a, b], &[y]), ["table_i8", "table_i8"]);
        assert!(p.steps.iter().all(|s| s.partial && s.in_place.is_empty() && s.elementwise.is_none()));
    }

    #[test]
    fn slices_of_slices_and_their_tables_are_one_step() {
        let mut p = Program::default();
        let [x, a, t, y] = [48, 24, 24, 72].map(|n| tensor(&mut p, n));
        channels(&mut p, [x, a], [8, 4], 4, [4, 0]);
        table(&mut p, a, t, 5);
        channels(&mut p, [t, y], [4, 12], 4, [0, 3]);
        channels(&mut p, [x, y], [8, 12], 3, [0, 0]);
        channels(&mut p, [x, y], [8, 12], 5, [2, 7]);
        assert_eq!(joined(&mut p, &[x], &[y]), ["table_rows_i8", "copy", "copy"]);
    }

    #[test]
    fn a_turned_concatenation_is_written_by_its_parts() {
        let mut p = Program::default();
        let [a, b, s, c, y, z] = [24, 48, 24, 72, 72, 80].map(|n| tensor(&mut p, n));
        table(&mut p, a, s, 5);
        channels(&mut p, [s, c], [4, 12], 4, [0, 0]);
        channels(&mut p, [b, c], [8, 12], 8, [0, 4]);
        copy(&mut p, [c, y], [(1, 0, 0), (12, 1, 6), (6, 12, 1)], [0, 0]);
        copy(&mut p, [y, z], [(1, 0, 0), (1, 0, 0), (72, 1, 1)], [0, 8]);
        // No operation turns what it looks up.
        assert_eq!(joined(&mut p, &[a, b], &[z]), ["table_i8", "copy", "copy"]);
    }

    #[test]
    fn a_table_goes_before_the_copy_that_repeats_elements() {
        let mut p = Program::default();
        let [x, r, t, y] = [24, 48, 48, 72].map(|n| tensor(&mut p, n));
        copy(&mut p, [x, r], [(6, 4, 8), (2, 0, 4), (4, 1, 1)], [0, 0]);
        table(&mut p, r, t, 5);
        channels(&mut p, [t, y], [8, 12], 8, [0, 4]);
        assert_eq!(joined(&mut p, &[x], &[y]), ["table_i8", "copy"]);
        assert_eq!(Reader::new(&p.steps[0].args).get::<TableI8>().unwrap().len, 24);
    }

    #[test]
    fn what_others_read_or_get_stays() {
        let split = |p: &mut Program| -> [TensorId; 4] {
            let [x, t, a, b] = [48, 48, 24, 24].map(|n| tensor(p, n));
            table(p, x, t, 5);
            channels(p, [t, a], [8, 4], 4, [0, 0]);
            channels(p, [t, b], [8, 4], 4, [4, 0]);
            [x, t, a, b]
        };
        let mut p = Program::default();
        let [x, t, a, b] = split(&mut p);
        assert_eq!(joined(&mut p, &[x], &[a, b, t]), ["table_i8", "copy", "copy"]);
        // More elements than the table has.
        let mut p = Program::default();
        let [x, t, a, b] = split(&mut p);
        let c = tensor(&mut p, 24);
        channels(&mut p, [t, c], [8, 4], 4, [2, 0]);
        assert_eq!(joined(&mut p, &[x], &[a, b, c]), ["table_i8", "copy", "copy", "copy"]);
        // A reader that does more than move.
        let mut p = Program::default();
        let [x, t, a, b] = split(&mut p);
        let c = tensor(&mut p, 48);
        p.push("cast", Cast { len: 48, from: element::I8, to: element::I8 }, &[c], &[t]);
        assert!(!join(&mut p, &[x], &[a, b, c], 1));
        // A tensor that is filled first and then written in part.
        let mut p = Program::default();
        let [x, s, y] = [24, 24, 48].map(|n| tensor(&mut p, n));
        table(&mut p, x, s, 5);
        copy(&mut p, [s, y], [(1, 0, 0), (1, 0, 0), (48, 0, 1)], [0, 0]);
        channels(&mut p, [s, y], [4, 8], 4, [0, 2]);
        assert!(!join(&mut p, &[x], &[y], 1));
    }

    #[test]
    fn what_does_not_lie_in_steps_stays() {
        for (count, stride, first) in [(10, 1, 3), (24, -1, 23)] {
            let mut p = Program::default();
            let [x, t, y] = [48, 24, count].map(|n| tensor(&mut p, n));
            channels(&mut p, [x, t], [8, 4], 4, [0, 0]);
            copy(&mut p, [t, y], [(1, 0, 0), (1, 0, 0), (count as u32, stride, 1)], [first, 0]);
            assert_eq!(joined(&mut p, &[x], &[y]), ["copy", "copy"]);
        }
    }

    #[test]
    fn memory_is_not_spent_on_it() {
        let mut p = Program::default();
        let [x, a, large, small, y] = [48, 8, 40, 8, 16].map(|n| tensor(&mut p, n));
        // The slice would keep all of x alive, or y, beside the large tensor.
        copy(&mut p, [x, a], [(1, 0, 0), (1, 0, 0), (8, 1, 1)], [0, 0]);
        p.push("cast", Cast { len: 40, from: element::I8, to: element::I8 }, &[large], &[x]);
        p.push("cast", Cast { len: 8, from: element::I8, to: element::I8 }, &[small], &[large]);
        copy(&mut p, [a, y], [(1, 0, 0), (1, 0, 0), (8, 1, 1)], [0, 8]);
        p.push("cast", Cast { len: 8, from: element::I8, to: element::I8 }, &[y], &[small]).partial = true;
        let steps = p.steps.clone();
        let before = Joiner { program: &mut p, ports: [&[x], &[y]], align: 1 }.alive().0;
        join(&mut p, &[x], &[y], 1);
        let after = Joiner { program: &mut p, ports: [&[x], &[y]], align: 1 }.alive().0;
        assert!(after <= before, "{steps:?}");
    }
}
