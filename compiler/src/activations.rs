//! Convolutions look their outputs up themselves where a table is all that reads them: an activation's step, and its way
//! through the memory, are gone.

use ocellus_kernels::conv_i8;
use ocellus_ops::lower::{Program, TensorId, looked_up};

use crate::Options;
use crate::moves::Joiner;

/// Joins every table with the convolution before it where no more bytes are alive then; says whether there were any.
pub(crate) fn join(program: &mut Program, ports: [&[TensorId]; 2], options: &Options) -> bool {
    if !conv_i8::tables(options.level) {
        return false;
    }
    let mut joiner = Joiner { program, ports, align: options.align };
    let (mut any, mut index) = (false, 0);
    while index < joiner.program.steps.len() {
        any |= once(&mut joiner, index);
        index += 1;
    }
    any
}

/// Joins step `first` with the table of what it writes.
fn once(joiner: &mut Joiner<'_>, first: usize) -> bool {
    let program = &*joiner.program;
    let step = &program.steps[first];
    let &[x] = &step.writes[..] else { return false };
    let root = program.root(x);
    let given = joiner.ports.iter().copied().flatten().any(|&t| program.root(t) == root);
    if given || step.partial || program.tensors[x].bytes() != program.tensors[root].bytes() {
        return false;
    }
    let uses = joiner.uses();
    let Some((&[writer], &[second])) = uses.get(&root).map(|u| (&u.writers[..], &u.readers[..])) else { return false };
    let Some(joined) = (writer == first).then(|| looked_up(step, &program.steps[second])).flatten() else {
        return false;
    };
    // At the place of one of them, where what it reads is still there, or what it writes is not in use yet.
    let between = |all: &[usize]| all.iter().any(|k| (first + 1..second).contains(k));
    let mut choices = Vec::new();
    let y = program.root(joined.writes[0]);
    if uses.get(&y).is_none_or(|u| !between(&u.writers) && !between(&u.readers)) {
        choices.push(vec![(first, joined.clone())]);
    }
    let reads = joined.reads.iter().flatten().filter_map(|&t| uses.get(&program.root(t)));
    if reads.into_iter().all(|u| !between(&u.writers)) {
        choices.push(vec![(second, joined)]);
    }
    joiner.take(&[first, second], choices)
}

#[cfg(test)]
mod tests {
    use ocellus_kernels::Level;
    use ocellus_ops::lower::DeviceTensor;
    use ocellus_plan::args::{ConvI8, Copy, element};

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
        join(p, [inputs, outputs], &Options { level, align: 1, ..Options::default() });
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
}
