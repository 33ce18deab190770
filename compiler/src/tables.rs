//! Elementwise int8 steps that all depend on one tensor become one table.
//!
//! Such a group (an activation and the product with its own input, say) is a function of one byte, whatever its steps are:
//! it is computed for all 256 values, so that the plan's outputs stay the same to the bit.

use std::collections::{HashMap, HashSet};

use ocellus_ops::lower::{DeviceStep, Program, TensorId};

/// A tensor as a function of another one.
struct Function {
    source: TensorId,
    table: [i8; 256],
    /// Steps on the way from the source.
    steps: usize,
}

/// Merges every group, and drops the steps that nothing reads any more.
pub(crate) fn merge(program: &mut Program, inputs: &[TensorId], outputs: &[TensorId]) {
    let mut functions: HashMap<TensorId, Function> = HashMap::new();
    let single = single_writes(program);
    for index in 0..program.steps.len() {
        let Some(function) = function(program, &single, &functions, &program.steps[index]) else { continue };
        let y = program.steps[index].writes[0];
        if function.steps > 1 {
            let name = program.steps[index].name.clone();
            let node = name.split_once(' ').map_or("", |(_, node)| node);
            program.push_table(node, function.table, function.source, y);
            program.steps.swap_remove(index);
        }
        functions.insert(program.root(y), function);
    }
    drop_unread(program, inputs, outputs);
}

/// The tensors that one step writes, and writes whole.
fn single_writes(program: &Program) -> HashSet<TensorId> {
    let mut writes: HashMap<TensorId, usize> = HashMap::new();
    for step in &program.steps {
        for &t in &step.writes {
            *writes.entry(program.root(t)).or_default() += if step.partial { 2 } else { 1 };
        }
    }
    writes.into_iter().filter(|&(_, n)| n == 1).map(|(t, _)| t).collect()
}

/// What a step's output is as a function of one tensor, where it is one.
fn function(
    program: &Program,
    single: &HashSet<TensorId>,
    known: &HashMap<TensorId, Function>,
    step: &DeviceStep,
) -> Option<Function> {
    let elementwise = step.elementwise.as_ref()?;
    let y = *step.writes.first()?;
    let reads: Vec<TensorId> = step.reads.iter().flatten().map(|&t| program.root(t)).collect();
    let reads: Vec<TensorId> = reads.into_iter().filter(|&t| program.tensors[t].constant.is_none()).collect();
    // With a constant among the elements, or written in parts, the output is no function of one byte.
    if reads.len() != elementwise.arity || !single.contains(&program.root(y)) {
        return None;
    }
    let source = |t: TensorId| known.get(&t).map_or(t, |f| f.source);
    let first = source(*reads.first()?);
    let len = program.tensors[y].len();
    if reads.iter().any(|&t| source(t) != first) || program.tensors[first].len() != len {
        return None;
    }
    let value = |k: usize, t: TensorId| known.get(&t).map_or((k as i32 - 128) as i8, |f| f.table[k]);
    let table = std::array::from_fn(|k| {
        let elements: Vec<i8> = reads.iter().map(|&t| value(k, t)).collect();
        elementwise.of(&elements)
    });
    let steps = 1 + reads.iter().filter_map(|t| known.get(t)).map(|f| f.steps).sum::<usize>();
    Some(Function { source: first, table, steps })
}

/// Drops steps whose outputs are neither read nor given out.
fn drop_unread(program: &mut Program, inputs: &[TensorId], outputs: &[TensorId]) {
    loop {
        let read = program.steps.iter().flat_map(|s| s.reads.iter().flatten()).chain(outputs).chain(inputs);
        let read: HashSet<TensorId> = read.map(|&t| program.root(t)).collect();
        let needed: Vec<bool> =
            program.steps.iter().map(|s| s.writes.iter().any(|&t| read.contains(&program.root(t)))).collect();
        if needed.iter().all(|&n| n) {
            return;
        }
        let mut needed = needed.into_iter();
        program.steps.retain(|_| needed.next().unwrap_or(true));
    }
}

#[cfg(test)]
mod tests {
    use ocellus_ops::lower::{DeviceTensor, Elementwise};
    use ocellus_plan::args::{TableI8, element};

    use super::*;

    fn tensor(program: &mut Program) -> TensorId {
        program.add(DeviceTensor::new(element::I8, &[7], None))
    }

    fn half(k: usize) -> i8 {
        (k as i32 - 128) as i8 / 2
    }

    /// `y = x + t(x)`, as a table and a step of two operands (whose arguments nobody looks at).
    fn sum_with_table() -> (Program, [TensorId; 3]) {
        let mut p = Program::default();
        let (x, t, y) = (tensor(&mut p), tensor(&mut p), tensor(&mut p));
        p.push_table("half", std::array::from_fn(half), x, t);
        let step = p.push("sum", TableI8 { len: 7 }, &[y], &[x, t]);
        step.elementwise = Some(Elementwise::new(2, |v| v[0].saturating_add(v[1])));
        (p, [x, t, y])
    }

    #[test]
    fn a_group_becomes_one_table() {
        let (mut p, [x, _, y]) = sum_with_table();
        merge(&mut p, &[x], &[y]);
        let [step] = &p.steps[..] else { panic!("{:?}", p.steps) };
        assert_eq!((step.reads[0], step.writes[0], &step.name[..]), (Some(x), y, "table_i8 sum"));
        let function = step.elementwise.as_ref().unwrap();
        for q in i8::MIN..=i8::MAX {
            assert_eq!(function.of(&[q]), q.saturating_add(q / 2));
        }
    }

    #[test]
    fn what_is_given_out_stays() {
        let (mut p, [x, t, y]) = sum_with_table();
        merge(&mut p, &[x], &[t, y]);
        assert_eq!(p.steps.len(), 2);
    }

    #[test]
    fn two_sources_and_constants_are_no_table() {
        let (mut p, [x, t, y]) = sum_with_table();
        let (other, z) = (tensor(&mut p), tensor(&mut p));
        p.push("product", TableI8 { len: 7 }, &[z], &[t, other]).elementwise = Some(Elementwise::new(2, |v| v[0]));
        let (constant, w) = (p.constant(element::I8, vec![3; 7]), tensor(&mut p));
        p.push("scale", TableI8 { len: 7 }, &[w], &[t, constant]).elementwise = Some(Elementwise::new(2, |v| v[1]));
        merge(&mut p, &[x, other], &[y, z, w]);
        let names: Vec<&str> = p.steps.iter().map(|s| &s.name[..]).collect();
        assert_eq!(names, ["table_i8 half", "table_i8 sum", "table_i8 product", "table_i8 scale"]);
        assert_eq!(p.steps[2].reads, [Some(t), Some(other)]);
    }
}
