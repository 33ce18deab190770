//! Which memory every tensor uses, and from which step to which.

use std::ops::Range;

use ocellus_ops::lower::{Program, TensorId};
use ocellus_plan::args::{Branches, Lanes};
use ocellus_plan::{Arguments, Reader};

use crate::arena::Buffer;

/// Memory of tensors: several tensors may share a buffer.
pub(crate) struct Memory {
    /// The buffer of every tensor; `None` for constants and tensors that no step touches.
    pub buffer_of: Vec<Option<usize>>,
    /// The buffers.
    pub buffers: Vec<Buffer>,
    /// For every step, the read that works in place.
    pub in_place: Vec<Option<usize>>,
}

/// Finds the life of every buffer. Inputs live from before the first step, outputs until after the last.
pub(crate) fn memory(program: &Program, inputs: &[TensorId], outputs: &[TensorId]) -> Memory {
    let mut shared: Vec<usize> = (0..program.tensors.len()).map(|t| program.root(t)).collect();
    let constant = |root: usize| program.tensors[root].constant.is_some();
    let mut last = vec![None; program.tensors.len()];
    for (i, step) in program.steps.iter().enumerate() {
        for &t in step.reads.iter().flatten().chain(&step.writes) {
            last[shared[t]] = Some(i);
        }
    }
    let mut in_place = vec![None; program.steps.len()];
    for (i, step) in program.steps.iter().enumerate() {
        let Some(&y) = step.writes.first() else { continue };
        in_place[i] = step.in_place.iter().copied().find(|&r| {
            let Some(Some(x)) = step.reads.get(r).copied() else { return false };
            let (x_root, y_root) = (program.root(x), program.root(y));
            let place = |t: TensorId| (program.tensors[t].start, program.tensors[t].bytes());
            if x_root == y_root && place(x) == place(y) {
                return true;
            }
            let once = step.reads.iter().flatten().filter(|&&t| shared[t] == shared[x]).count() == 1;
            let first_write = !program.steps[..i].iter().any(|s| s.writes.iter().any(|&w| program.root(w) == y_root));
            once && first_write
                && !constant(x_root)
                && last[shared[x]] == Some(i)
                && !outputs.iter().any(|&t| shared[t] == shared[x])
                && program.tensors[x_root].bytes() == program.tensors[y_root].bytes()
        });
        if let Some(x) = in_place[i].and_then(|r| step.reads[r]) {
            let (from, to) = (shared[y], shared[x]);
            last[to] = last[to].max(last[from]);
            shared.iter_mut().filter(|s| **s == from).for_each(|s| *s = to);
        }
    }
    collect(program, inputs, outputs, shared, in_place)
}

fn collect(
    program: &Program,
    inputs: &[TensorId],
    outputs: &[TensorId],
    shared: Vec<usize>,
    in_place: Vec<Option<usize>>,
) -> Memory {
    let mut place: Vec<Option<usize>> = vec![None; program.tensors.len()];
    let mut buffers: Vec<Buffer> = Vec::new();
    let mut touch = |tensor: TensorId, step: usize, run_in: [bool; 2]| {
        if program.tensors[program.root(tensor)].constant.is_some() {
            return;
        }
        let bytes = program.tensors[program.root(tensor)].bytes();
        let slot = *place[shared[tensor]].get_or_insert_with(|| {
            buffers.push(Buffer::default());
            buffers.len() - 1
        });
        let buffer = &mut buffers[slot];
        buffer.bytes = buffer.bytes.max(bytes);
        for (life, _) in buffer.lives.iter_mut().zip(run_in).filter(|(_, run)| *run) {
            *life = Some(life.map_or((step, step), |(first, last)| (first.min(step), last.max(step))));
        }
    };
    // Step k is at time k + 1; inputs are written at time 0, outputs are read after the last step.
    inputs.iter().for_each(|&t| touch(t, 0, [true; 2]));
    for (i, (step, run_in)) in program.steps.iter().zip(run_in(program)).enumerate() {
        step.writes.iter().chain(step.reads.iter().flatten()).for_each(|&t| touch(t, i + 1, run_in));
    }
    outputs.iter().for_each(|&t| touch(t, program.steps.len() + 1, [true; 2]));
    let buffer_of: Vec<_> = shared.iter().map(|&s| place[s]).collect();
    for (bit, steps) in (0..).zip(groups(program)) {
        for (group, steps) in steps.into_iter().enumerate() {
            for &t in program.steps[steps].iter().flat_map(|s| s.reads.iter().flatten().chain(&s.writes)) {
                if let Some(buffer) = buffer_of[t] {
                    buffers[buffer].groups[group] |= 1 << bit;
                }
            }
        }
    }
    Memory { buffer_of, buffers, in_place }
}

/// Which steps are run where bands are, and where whole steps behind some bands are instead.
fn run_in(program: &Program) -> Vec<[bool; 2]> {
    let mut run_in = vec![[true; 2]; program.steps.len()];
    for (at, step) in program.steps.iter().enumerate().filter(|(_, s)| s.code == Lanes::CODE) {
        let Some(Lanes { bands, steps, whole, .. }) = Reader::new(&step.args).get() else { continue };
        let whole_from = at + 1 + (bands * steps) as usize;
        if whole > 0 {
            run_in[at..whole_from].fill([true, false]);
            run_in[whole_from..whole_from + whole as usize].fill([false, true]);
        }
    }
    run_in
}

/// The steps of both groups of every announcement of branches.
pub(crate) fn groups(program: &Program) -> impl Iterator<Item = [Range<usize>; 2]> {
    program.steps.iter().enumerate().filter(|(_, step)| step.code == Branches::CODE).filter_map(|(at, step)| {
        let Branches { first, second } = Reader::new(&step.args).get()?;
        let middle = at + 1 + first as usize;
        Some([at + 1..middle, middle..middle + second as usize])
    })
}
