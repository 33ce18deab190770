//! Runs two steps band by band, so that the picture between them never exists whole.
//!
//! - A pair is a step whose output one other step reads and nobody else; both work row by row.
//! - The first is cut so that each part makes the rows that a part of the second reads. Rows that two parts of the second
//!   read are made twice.
//! - Pairs are tried one after the other, and kept where the arena shrinks and little is made twice.

use ocellus_ops::lower::{DeviceStep, DeviceTensor, Program, TensorId, band, heights};

use crate::arena::{Placement, place};
use crate::liveness::{Memory, memory};
use crate::walk::Lowered;

/// The most parts of a pair.
const PARTS: u32 = 6;
/// Work that may be done twice: one part in this many of the whole network's.
const TWICE: u64 = 16;

/// Cuts pairs of steps into bands as long as that needs less memory.
pub(crate) fn cut(lowered: &mut Lowered, align: usize) -> (Memory, Placement) {
    let mut best = placed(lowered, align);
    let total: u64 = lowered.program.steps.iter().map(|s| s.macs).sum();
    loop {
        let mut better = None;
        for first in 0..lowered.program.steps.len() {
            for parts in 2..=PARTS {
                let Some(program) = banded(lowered, first, parts) else { break };
                let work: u64 = program.steps.iter().map(|s| s.macs).sum();
                let trial = Lowered { program, inputs: lowered.inputs.clone(), outputs: lowered.outputs.clone() };
                let (memory, placement) = placed(&trial, align);
                let least = better.as_ref().map_or(best.1.bytes, |b: &(Lowered, Memory, Placement)| b.2.bytes);
                if placement.bytes < least && work.saturating_sub(total) <= total / TWICE {
                    better = Some((trial, memory, placement));
                }
            }
        }
        let Some((trial, memory, placement)) = better else { return best };
        *lowered = trial;
        best = (memory, placement);
    }
}

fn placed(lowered: &Lowered, align: usize) -> (Memory, Placement) {
    let memory = memory(&lowered.program, &lowered.inputs, &lowered.outputs);
    let placement = place(&memory.buffers, align);
    (memory, placement)
}

/// The program with step `first` and the one that reads its output in as many parts.
fn banded(lowered: &Lowered, first: usize, parts: u32) -> Option<Program> {
    let program = &lowered.program;
    let (middle, second) = pair(lowered, first)?;
    let (a, b) = (&program.steps[first], &program.steps[second]);
    let (source_height, middle_height) = heights(a.code, &a.args)?;
    let (read_height, height) = heights(b.code, &b.args)?;
    if read_height != middle_height || height < parts {
        return None;
    }
    let mut made = program.clone();
    let mut steps = Vec::new();
    let row = program.tensors[middle].len() / middle_height as usize;
    let rows = height.div_ceil(parts);
    for start in (0..height).step_by(rows as usize) {
        let out = start..height.min(start + rows);
        let lower = band(b.code, &b.args, out.clone())?;
        let upper = band(a.code, &a.args, lower.input.clone())?;
        let element = program.tensors[middle].element;
        let between = DeviceTensor::new(element, &[row * lower.input.len()], None);
        let between = made.add(between);
        let source = rows_of(&mut made, a.reads.first().copied().flatten()?, source_height, &upper.input);
        let target = rows_of(&mut made, *b.writes.first()?, height, &out);
        steps.push(part_of(a, upper.args, between, source, (lower.input.len(), middle_height)));
        steps.push(part_of(b, lower.args, target, between, (out.len(), height)));
    }
    made.steps.remove(first);
    made.steps.splice(second - 1..second, steps);
    Some(made)
}

/// The tensor between step `first` and the only step that reads it, and that step.
fn pair(lowered: &Lowered, first: usize) -> Option<(TensorId, usize)> {
    let program = &lowered.program;
    let a = program.steps.get(first)?;
    let middle = program.root(*a.writes.first()?);
    let uses =
        |s: &DeviceStep| s.reads.iter().flatten().chain(&s.writes).filter(|&&t| program.root(t) == middle).count();
    let touched: Vec<usize> = (0..program.steps.len()).filter(|&k| uses(&program.steps[k]) > 0).collect();
    let ports = lowered.inputs.iter().chain(&lowered.outputs);
    let [one, second] = touched[..] else { return None };
    let b = program.steps.get(second)?;
    let own = one == first
        && uses(a) == 1
        && uses(b) == 1
        && b.reads.first().copied().flatten().map(|t| program.root(t)) == Some(middle);
    // What the first reads must still be there where the second stands.
    let source = program.root(a.reads.first().copied().flatten()?);
    let kept = !program.steps[first + 1..second]
        .iter()
        .any(|s| s.writes.iter().any(|&t| program.root(t) == source) || !s.in_place.is_empty());
    let whole = [a, b].iter().all(|s| s.writes.len() == 1 && !s.partial && s.in_place.is_empty());
    let alone = ports.into_iter().all(|&t| program.root(t) != middle);
    (own && kept && whole && alone && program.tensors[source].constant.is_none()).then_some((middle, second))
}

/// Some rows of a picture of this height.
fn rows_of(program: &mut Program, tensor: TensorId, height: u32, rows: &std::ops::Range<u32>) -> TensorId {
    let whole = &program.tensors[tensor];
    let row = whole.len() / height as usize;
    let mut view = DeviceTensor::new(whole.element, &[row * rows.len()], None);
    view.start = whole.start + whole.bytes() / height as usize * rows.start as usize;
    view.alias = Some(tensor);
    program.add(view)
}

fn part_of(step: &DeviceStep, args: Vec<u32>, y: TensorId, x: TensorId, (rows, height): (usize, u32)) -> DeviceStep {
    let mut reads = step.reads.clone();
    if let Some(first) = reads.first_mut() {
        *first = Some(x);
    }
    let macs = step.macs * rows as u64 / u64::from(height);
    DeviceStep { args, writes: vec![y], reads, partial: true, macs, ..step.clone() }
}
