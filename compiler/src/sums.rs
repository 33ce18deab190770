//! Lets steps compute the sums behind them too, so that what they add never exists whole, and the products and sums with constants.

use ocellus_ops::lower::{DeviceStep, Program, TensorId, absorbed, joined, scaled};

/// Joins every sum with the step that makes one of its operands, the later one where either would do.
pub(crate) fn join(program: &mut Program, inputs: &[TensorId], outputs: &[TensorId]) {
    let mut second = 0;
    while second < program.steps.len() {
        let taken = alone(program, inputs, outputs, second).or_else(|| best(program, inputs, outputs, second));
        if let Some((first, step)) = taken {
            program.steps[second] = step;
            program.steps.remove(first);
        } else {
            second += 1;
        }
    }
}

/// The step that can do alone what `second` does with its output, by its weights or on its way to floats, and both as one.
fn alone(
    program: &mut Program,
    inputs: &[TensorId],
    outputs: &[TensorId],
    second: usize,
) -> Option<(usize, DeviceStep)> {
    let function = program.steps[second].clone();
    if function.reads.len() > 2 || function.writes.len() != 1 || function.partial {
        return None;
    }
    (0..function.reads.len()).find_map(|read| {
        let first = maker(program, inputs, outputs, second, function.reads[read]?)?;
        let step = program.steps[first].clone();
        let both = absorbed(program, &step, &function, read);
        Some((first, both.or_else(|| scaled(program, &step, &function, read))?))
    })
}

/// The step that `second` can be joined with, and both as one.
fn best(program: &Program, inputs: &[TensorId], outputs: &[TensorId], second: usize) -> Option<(usize, DeviceStep)> {
    let sum = &program.steps[second];
    if sum.reads.len() != 2 || sum.writes.len() != 1 || sum.partial {
        return None;
    }
    let candidates = (0..2).filter_map(|read| {
        let first = maker(program, inputs, outputs, second, sum.reads[read]?)?;
        Some((first, joined(&program.steps[first], sum, read)?))
    });
    candidates.max_by_key(|(first, _)| *first)
}

/// The step that makes a tensor which step `second` reads once and nothing else does, where it can as well stand there.
fn maker(
    program: &Program,
    inputs: &[TensorId],
    outputs: &[TensorId],
    second: usize,
    tensor: TensorId,
) -> Option<usize> {
    let root = program.root(tensor);
    let of = |t: TensorId| program.root(t) == root;
    let uses = |s: &DeviceStep| s.reads.iter().flatten().chain(&s.writes).filter(|&&t| of(t)).count();
    let touching: Vec<usize> = (0..program.steps.len()).filter(|&k| uses(&program.steps[k]) > 0).collect();
    let [first, reader] = touching[..] else { return None };
    let step = &program.steps[first];
    let once = reader == second && uses(step) == 1 && uses(&program.steps[second]) == 1;
    let whole = step.writes.len() == 1 && of(step.writes[0]) && !step.partial;
    let same = program.tensors[tensor].bytes() == program.tensors[root].bytes();
    let given = inputs.iter().chain(outputs).any(|&t| of(t));
    // What it reads must still be there.
    let reads: Vec<TensorId> = step.reads.iter().flatten().map(|&t| program.root(t)).collect();
    let mut between = program.steps.get(first + 1..second)?.iter().flat_map(|s| &s.writes);
    let kept = between.all(|&t| !reads.contains(&program.root(t)));
    (once && whole && same && !given && kept).then_some(first)
}

#[cfg(test)]
mod tests {
    use ocellus_ops::lower::DeviceTensor;
    use ocellus_plan::Arguments;
    use ocellus_plan::args::{Binary, Broadcast, ConvAddF32, ConvF32, ConvGeometry, element};

    use super::*;

    /// Two convolutions of one tensor and their sum.
    fn block() -> (Program, Vec<TensorId>) {
        let geometry = ConvGeometry { batch: 1, out_height: 2, out_width: 2, out_channels: 3, ..Default::default() };
        let strides = [0, 0, 0, 6, 3, 1];
        let broadcast = Broadcast { sizes: [1, 1, 1, 2, 2, 3], a_strides: strides, b_strides: strides };
        let mut p = Program::default();
        let ids: Vec<TensorId> = (0..4).map(|_| p.add(DeviceTensor::new(element::F32, &[12], None))).collect();
        let conv = ConvF32 { geometry, ..Default::default() };
        p.push("a", conv, &[ids[1]], &[ids[0]]);
        p.push("b", conv, &[ids[2]], &[ids[0]]);
        p.push("sum", Binary { broadcast, ..Default::default() }, &[ids[3]], &[ids[1], ids[2]]);
        (p, ids)
    }

    #[test]
    fn the_later_convolution_takes_the_sum() {
        let (mut p, ids) = block();
        join(&mut p, &ids[..1], &ids[3..]);
        let [a, b] = &p.steps[..] else { panic!("{:?}", p.steps) };
        assert_eq!((&a.name[..], &b.name[..], b.code), ("conv_f32 a", "conv_add_f32 b + sum", ConvAddF32::CODE));
        assert_eq!((&b.writes[..], &b.reads[..]), (&ids[3..], &[Some(ids[0]), Some(ids[1])][..]));
    }

    #[test]
    fn what_is_given_out_or_read_again_stays() {
        let (mut p, ids) = block();
        join(&mut p, &ids[..1], &ids[1..]);
        assert_eq!(p.steps.len(), 3);
        let (mut p, ids) = block();
        p.steps[2].reads[1] = Some(ids[1]);
        join(&mut p, &ids[..1], &ids[3..]);
        assert_eq!(p.steps.len(), 3);
    }
}
