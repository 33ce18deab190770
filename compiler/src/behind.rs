//! Convolutions do what stands behind them too, where that is all that reads them: its step, and one way through the memory,
//! are gone.
//!
//! - An activation's table is looked up.
//! - Pixels go to their part of a concatenation, through a table or not.
//! - Where movements take some channels each, each gets a convolution of its own.

use ocellus_kernels::conv_i8;
use ocellus_ops::lower::{DeviceStep, Program, TensorId, divided, looked_up, placed};

use crate::Options;
use crate::arena::place;
use crate::liveness::memory;
use crate::moves::{Joiner, Uses};

/// A step and all that read it, as a step for each of these.
type Join = fn(&mut Program, &DeviceStep, &[&DeviceStep]) -> Option<Vec<DeviceStep>>;

/// Joins every table with the convolution before it, and then every movement into a part of a tensor, where no more bytes are
/// alive then, and not more memory is needed than an arena of `limit` bytes.
pub(crate) fn join(program: &mut Program, ports: [&[TensorId]; 2], options: &Options, limit: usize) {
    if !conv_i8::tables(options.level) {
        return;
    }
    let mut joiner = Joiner { program, ports, align: options.align };
    for join in [tables, movements] {
        let mut index = 0;
        while index < joiner.program.steps.len() {
            let (tensors, steps) = (joiner.program.tensors.len(), joiner.program.steps.clone());
            if once(&mut joiner, index, join) {
                // The next step may have its place now.
                let memory = memory(joiner.program, ports[0], ports[1]);
                if place(&memory.buffers, options.align).bytes <= limit {
                    continue;
                }
                joiner.program.steps = steps;
            }
            joiner.program.tensors.truncate(tensors);
            index += 1;
        }
    }
}

fn tables(_: &mut Program, first: &DeviceStep, readers: &[&DeviceStep]) -> Option<Vec<DeviceStep>> {
    let &[second] = readers else { return None };
    Some(vec![looked_up(first, second)?])
}

fn movements(program: &mut Program, first: &DeviceStep, readers: &[&DeviceStep]) -> Option<Vec<DeviceStep>> {
    let &[second] = readers else { return divided(program, first, readers) };
    Some(vec![placed(program, first, second)?])
}

/// Joins step `first` with those that read what it writes.
fn once(joiner: &mut Joiner<'_>, first: usize, join: Join) -> bool {
    let program = &*joiner.program;
    let step = &program.steps[first];
    let &[x] = &step.writes[..] else { return false };
    let root = program.root(x);
    let given = joiner.ports.iter().copied().flatten().any(|&t| program.root(t) == root);
    if given || step.partial || program.tensors[x].bytes() != program.tensors[root].bytes() {
        return false;
    }
    let uses = joiner.uses();
    let Some(Uses { writers, readers }) = uses.get(&root) else { return false };
    if writers[..] != [first] || readers.is_empty() || readers[0] <= first {
        return false;
    }
    let (step, all) = (step.clone(), readers.iter().map(|&k| program.steps[k].clone()).collect::<Vec<_>>());
    let Some(joined) = join(joiner.program, &step, &all.iter().collect::<Vec<_>>()) else { return false };
    let program = &*joiner.program;
    // All at the place of the first one, where what they write is not in use yet; or at those of the others, where what they
    // read is still there.
    let free = |(joined, &reader): (&DeviceStep, &usize)| {
        let between = |k: &&usize| (first + 1..reader).contains(*k);
        // Who writes parts of a tensor writes other ones.
        let parts = |u: &Uses| u.writers.iter().filter(between).all(|&k| program.steps[k].partial);
        let unread = |u: &Uses| u.readers.iter().filter(between).count() == 0;
        uses.get(&program.root(joined.writes[0])).is_none_or(|u| parts(u) && unread(u))
    };
    let kept = |(joined, &reader): (&DeviceStep, &usize)| {
        let mut reads = joined.reads.iter().flatten().filter_map(|&t| uses.get(&program.root(t)));
        reads.all(|u| !u.writers.iter().any(|k| (first + 1..reader).contains(k)))
    };
    let mut choices = Vec::new();
    if joined.iter().zip(readers).all(free) {
        choices.push(joined.iter().map(|step| (first, step.clone())).collect());
    }
    if joined.iter().zip(readers).all(kept) {
        choices.push(readers.iter().copied().zip(joined.iter().cloned()).collect());
    }
    let dropped: Vec<usize> = readers.iter().copied().chain([first]).collect();
    joiner.take(&dropped, choices)
}

#[cfg(test)]
mod tests {
    use ocellus_kernels::Level;
    use ocellus_ops::lower::DeviceTensor;
    use ocellus_plan::args::{ConvGeometry, ConvI8, Copy, element};

    use super::*;

    /// A convolution of x and the table of its output, with the tensors x, t and y.
    fn activation() -> (Program, [TensorId; 3]) {
        let mut p = Program::default();
        let [x, t, y] = [64, 64, 64].map(|n| p.add(DeviceTensor::new(element::I8, &[n], None)));
        let [w, b, m] = [element::I8, element::I32, element::F32].map(|e| p.constant(e, vec![0; 4]));
        p.push("conv", ConvI8::default(), &[t], &[x, w, b, m]);
        p.push_table("SiLU", [3; 256], t, y);
        (p, [x, t, y])
    }

    fn joined(p: &mut Program, inputs: &[TensorId], outputs: &[TensorId], level: Level) -> Vec<String> {
        join(p, [inputs, outputs], &Options { level, align: 1, ..Options::default() }, usize::MAX);
        p.steps.iter().map(|s| s.name.clone()).collect()
    }

    #[test]
    fn a_convolution_takes_the_table_of_its_output() {
        let (mut p, [x, _, y]) = activation();
        assert_eq!(joined(&mut p, &[x], &[y], Level::Avx2), ["conv_i8 conv + SiLU"]);
        assert_eq!((&p.steps[0].writes[..], p.steps[0].reads.len()), (&[y][..], 5));
        for level in [Level::Portable, Level::Dsp, Level::Helium] {
            let (mut p, [x, _, y]) = activation();
            assert_eq!(joined(&mut p, &[x], &[y], level).len(), 2, "{level:?}");
        }
    }

    #[test]
    fn what_is_given_out_or_read_again_stays() {
        let (mut p, [x, t, y]) = activation();
        assert_eq!(joined(&mut p, &[x], &[t, y], Level::Avx2).len(), 2);
        let (mut p, [x, t, y]) = activation();
        let z = p.add(DeviceTensor::new(element::I8, &[64], None));
        p.push_table("other", [4; 256], t, z);
        assert_eq!(joined(&mut p, &[x], &[y, z], Level::Avx2).len(), 3);
    }

    #[test]
    fn a_convolution_stands_where_less_memory_lives() {
        let (mut p, [x, _, y]) = activation();
        // The table writes a part of a tensor that is larger than all that the convolution needs.
        let all = p.add(DeviceTensor::new(element::I8, &[1000], None));
        p.tensors[y].alias = Some(all);
        p.steps[1].partial = true;
        let (mut large, steps) = (p.add(DeviceTensor::new(element::I8, &[900], None)), p.steps.clone());
        p.steps.truncate(1);
        for _ in 0..2 {
            let next = p.add(DeviceTensor::new(element::I8, &[900], None));
            p.push("copy", Copy::default(), &[next], &[large]);
            large = next;
        }
        p.steps.push(steps[1].clone());
        // At the place of the convolution all of the large tensor would live beside the copies, at that of the table x does.
        let before = p.steps.len();
        let first = p.steps[1].reads[0].unwrap();
        let names = joined(&mut p, &[x, first], &[all], Level::Avx2);
        assert_eq!(names.len(), before - 1, "{names:?}");
        assert_eq!(names.last().map(String::as_str), Some("conv_i8 conv + SiLU"));
    }
    /// Two convolutions of x whose pixels are copied side by side, with the tensors x and y.
    fn concatenation() -> (Program, [TensorId; 2]) {
        let mut p = Program::default();
        let [x, a, b, y] = [16, 24, 48, 72].map(|n| p.add(DeviceTensor::new(element::I8, &[n], None)));
        for (t, channels) in [(a, 4), (b, 8)] {
            let [w, b, m] = [element::I8, element::I32, element::F32].map(|e| p.constant(e, vec![0; 4]));
            let geometry = ConvGeometry { batch: 1, out_height: 2, out_width: 3, ..Default::default() };
            let geometry = ConvGeometry { out_channels: channels, ..geometry };
            p.push("conv", ConvI8 { geometry, ..Default::default() }, &[t], &[x, w, b, m]);
        }
        for (t, channels, y_offset) in [(a, 4, 0), (b, 8, 4)] {
            let args = Copy {
                element_bytes: 1,
                sizes: [1, 1, 1, 1, 6, channels],
                x_strides: [0, 0, 0, 0, channels as i32, 1],
                y_strides: [0, 0, 0, 0, 12, 1],
                x_offset: 0,
                y_offset,
            };
            p.push("cat", args, &[y], &[t]).partial = true;
        }
        (p, [x, y])
    }

    #[test]
    fn convolutions_write_their_parts_of_a_concatenation() {
        let options = Options { level: Level::Avx2, align: 1, ..Options::default() };
        let (mut p, [x, y]) = concatenation();
        join(&mut p, [&[x], &[y]], &options, usize::MAX);
        let names: Vec<&str> = p.steps.iter().map(|s| &s.name[..]).collect();
        assert_eq!(names, ["conv_rows_i8 conv + cat"; 2]);
        assert!(p.steps.iter().all(|s| s.partial && s.writes == [y]));
        // What else reads the first one keeps it as it is, and boards have no such operation.
        let (mut p, [x, y]) = concatenation();
        let (a, z) = (p.steps[0].writes[0], p.add(DeviceTensor::new(element::I8, &[24], None)));
        p.push_table("other", [4; 256], a, z);
        join(&mut p, [&[x], &[y, z]], &options, usize::MAX);
        assert_eq!(p.steps.len(), 4);
        let (mut p, [x, y]) = concatenation();
        join(&mut p, [&[x], &[y]], &Options { level: Level::Helium, ..options }, usize::MAX);
        assert_eq!(p.steps.len(), 4);
        let (mut p, [x, y]) = concatenation();
        join(&mut p, [&[x], &[y]], &options, 60);
        assert_eq!(p.steps.len(), 4, "there is no room for the tensors as they are");
    }
}
