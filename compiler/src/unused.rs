//! Removes steps whose results nobody uses: what a rule has computed another way.

use ocellus_ops::lower::{Program, TensorId};

/// Keeps the steps that write a tensor which an output or a later kept step reads.
pub(crate) fn remove_unused(program: &mut Program, outputs: &[TensorId]) {
    let mut used = vec![false; program.tensors.len()];
    outputs.iter().for_each(|&t| used[program.root(t)] = true);
    let mut keep = vec![false; program.steps.len()];
    for (keep, step) in keep.iter_mut().zip(&program.steps).rev() {
        *keep = step.writes.iter().any(|&t| used[program.root(t)]);
        if *keep {
            step.reads.iter().flatten().for_each(|&t| used[program.root(t)] = true);
        }
    }
    let mut keep = keep.into_iter();
    program.steps.retain(|_| keep.next().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use ocellus_ops::lower::DeviceTensor;
    use ocellus_plan::args::{Unary, element};

    use super::*;

    #[test]
    fn steps_that_nobody_reads_are_removed_with_what_only_they_read() {
        let mut program = Program::default();
        let ids: Vec<TensorId> = (0..5).map(|_| program.add(DeviceTensor::new(element::F32, &[4], None))).collect();
        for (from, to) in [(0, 1), (1, 2), (0, 3), (3, 4)] {
            program.push("node", Unary { len: 4, ..Default::default() }, &[ids[to]], &[ids[from]]);
        }
        remove_unused(&mut program, &[ids[4]]);
        let kept: Vec<TensorId> = program.steps.iter().map(|s| s.writes[0]).collect();
        assert_eq!(kept, [ids[3], ids[4]]);
    }
}
