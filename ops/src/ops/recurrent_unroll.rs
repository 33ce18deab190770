//! Recurrent nodes as plain operators, one cell per step: what their gradients are made of.

use std::collections::{HashMap, HashSet};

use ocellus_graph::{Node, Tensor, ValueId};

use super::gemm::Gemm;
use super::normalize::converted;
use super::recurrent::{Family, Settings};
use super::recurrent_activation::Activation;
use crate::{Builder, GradContext, OpError, find};

/// What a cell sees of its direction.
pub(super) struct Cell<'a> {
    /// Recurrent weights `[gates * H, H]`.
    pub r: ValueId,
    /// Bias of the state's product `[gates * H]`, where it was not added to the input's already.
    pub rb: Option<ValueId>,
    /// Peepholes `[3 * H]`.
    pub peepholes: Option<ValueId>,
    /// Hidden units.
    pub hidden: i64,
    /// The activations.
    pub activations: &'a [Activation],
    clip: Option<f64>,
}

impl Cell<'_> {
    /// Activation `index` of `x`, bounded first where the node has a `clip`.
    pub fn gate(&self, b: &mut Builder, index: usize, x: ValueId) -> Result<ValueId, OpError> {
        let x = match self.clip {
            Some(bound) => b.clip(x, Some(-bound as f32), Some(bound as f32))?,
            None => x,
        };
        self.activations[index].emit(b, x)
    }

    /// `x + state * weightsᵀ`.
    pub fn recur(
        &self,
        b: &mut Builder,
        state: ValueId,
        weights: ValueId,
        x: Option<ValueId>,
    ) -> Result<ValueId, OpError> {
        b.gemm(state, weights, x, &Gemm { trans_b: true, ..Gemm::default() })
    }
}

/// Emits the next states from the input's product `[N, gates * H]` (biases added) and the states `[N, H]`.
pub(super) type Step<'a> = dyn Fn(&mut Builder, &Cell, ValueId, &[ValueId]) -> Result<Vec<ValueId>, OpError> + 'a;

/// How a node is unrolled.
pub(super) struct Plan<'a> {
    /// The operator.
    pub family: &'a Family,
    /// Whether the state's bias stays apart from the input's.
    pub separate_bias: bool,
    /// The cell.
    pub step: &'a Step<'a>,
}

/// Emits the node's outputs as plain operators: Y, Y_h and, for an LSTM, Y_c.
pub(super) fn unroll(b: &mut Builder, node: &Node, plan: &Plan) -> Result<Vec<ValueId>, OpError> {
    let settings = Settings::of_node(node, plan.family)?;
    let required = |i: usize| node.input(i).ok_or_else(|| OpError::at(node, format!("input {i} is missing")));
    let (x, w, r) = (required(0)?, required(1)?, required(2)?);
    let x = if settings.batch_first { b.transpose(x, &[1, 0, 2])? } else { x };
    let (shape, hidden) = (b.shape(x)?, b.shape(r)?[2]);
    let (time, batch) = (shape[0], shape[1]);
    if time == 0 {
        return Err(OpError::at(node, "a sequence without steps cannot be unrolled"));
    }
    let flat = b.reshape(x, &[(time * batch) as i64, shape[2] as i64])?;
    let masks = masks(b, node, x, time)?;
    let rows = (plan.family.gates * hidden) as i64;
    let (mut ys, mut finals) = (Vec::new(), vec![Vec::new(); plan.family.states]);
    for (d, &reverse) in settings.reversals.iter().enumerate() {
        let w = pick(b, w, 0, d)?;
        let r = pick(b, r, 0, d)?;
        let (bias, rb) = biases(b, node, d, rows, plan.separate_bias)?;
        let peepholes = node.input(7).map(|p| pick(b, p, 0, d)).transpose()?;
        let products = b.gemm(flat, w, bias, &Gemm { trans_b: true, ..Gemm::default() })?;
        let products = if time == 1 { vec![products] } else { b.split(products, &vec![batch as i64; time], 0)? };
        let activations = &settings.activations[d];
        let cell = Cell { r, rb, peepholes, hidden: hidden as i64, activations, clip: settings.clip };
        let mut states = Vec::new();
        for i in 0..plan.family.states {
            states.push(first_state(b, node.input(5 + i), settings.batch_first, d, x, [batch, hidden])?);
        }
        let mut steps = vec![None; time];
        for step in 0..time {
            let t = if reverse { time - 1 - step } else { step };
            let next = (plan.step)(b, &cell, products[t], &states)?;
            steps[t] = Some(advance(b, &mut states, next, masks.as_ref().map(|m| m[t]))?);
        }
        let steps: Vec<ValueId> = steps.into_iter().flatten().collect();
        let y = if time == 1 { steps[0] } else { b.concat(&steps, 0)? };
        ys.push(b.reshape(y, &[time as i64, 1, batch as i64, hidden as i64])?);
        for (all, state) in finals.iter_mut().zip(states) {
            all.push(b.reshape(state, &[1, batch as i64, hidden as i64])?);
        }
    }
    let mut outputs = vec![side_by_side(b, &ys, 1)?];
    for all in &finals {
        outputs.push(side_by_side(b, all, 0)?);
    }
    if settings.batch_first {
        outputs[0] = b.transpose(outputs[0], &[2, 0, 1, 3])?;
        for state in &mut outputs[1..] {
            *state = b.transpose(*state, &[1, 0, 2])?;
        }
    }
    Ok(outputs)
}

fn side_by_side(b: &mut Builder, parts: &[ValueId], axis: i64) -> Result<ValueId, OpError> {
    if let [only] = parts { Ok(*only) } else { b.concat(parts, axis) }
}

/// Entry `index` of an axis, without the axis.
fn pick(b: &mut Builder, x: ValueId, axis: usize, index: usize) -> Result<ValueId, OpError> {
    let mut shape = b.shape(x)?;
    let entries = shape.remove(axis);
    let at = index as i64;
    let x = if entries == 1 { x } else { b.slice(x, &[at], &[at + 1], &[axis as i64], &[1])? };
    b.reshape(x, &shape.iter().map(|&n| n as i64).collect::<Vec<_>>())
}

/// The bias added to the input's product, and that of the state's product where the two stay apart.
fn biases(
    b: &mut Builder,
    node: &Node,
    d: usize,
    rows: i64,
    separate: bool,
) -> Result<(Option<ValueId>, Option<ValueId>), OpError> {
    let Some(all) = node.input(3) else { return Ok((None, None)) };
    let both = pick(b, all, 0, d)?;
    let parts = b.split(both, &[rows, rows], 0)?;
    if separate { Ok((Some(parts[0]), Some(parts[1]))) } else { Ok((Some(b.add(parts[0], parts[1])?), None)) }
}

fn first_state(
    b: &mut Builder,
    given: Option<ValueId>,
    batch_first: bool,
    d: usize,
    x: ValueId,
    shape: [usize; 2],
) -> Result<ValueId, OpError> {
    match given {
        Some(state) => pick(b, state, usize::from(batch_first), d),
        None => {
            let dtype = b.dtype(x)?;
            Ok(b.constant("state", Tensor::full(dtype, &shape, 0.0)))
        }
    }
}

/// For every step a column `[N, 1]` of ones where the sequence still runs.
fn masks(b: &mut Builder, node: &Node, x: ValueId, time: usize) -> Result<Option<Vec<ValueId>>, OpError> {
    let Some(lens) = node.input(4) else { return Ok(None) };
    let dtype = b.dtype(x)?;
    let lens = converted(b, lens, dtype)?;
    let lens = b.reshape(lens, &[-1, 1])?;
    let mut masks = Vec::with_capacity(time);
    for t in 0..time {
        let step = b.scalar_like(lens, t as f64)?;
        let runs = b.greater(lens, step)?;
        masks.push(b.cast(runs, dtype)?);
    }
    Ok(Some(masks))
}

/// Replaces the states and returns the output of the step; where a sequence has ended its states stay, its output is 0.
fn advance(
    b: &mut Builder,
    states: &mut [ValueId],
    next: Vec<ValueId>,
    mask: Option<ValueId>,
) -> Result<ValueId, OpError> {
    let Some(mask) = mask else {
        states.copy_from_slice(&next);
        return Ok(next[0]);
    };
    for (state, &new) in states.iter_mut().zip(&next) {
        let change = b.sub(new, *state)?;
        let change = b.mul(change, mask)?;
        *state = b.add(*state, change)?;
    }
    b.mul(next[0], mask)
}

/// The gradient of a recurrent node: unrolled once more, then cell by cell by the rules of the plain operators. The
/// node itself does not expose its gates.
pub(super) fn unrolled_gradient(ctx: &mut GradContext, plan: &Plan) -> Result<Vec<Option<ValueId>>, OpError> {
    let first = ctx.builder.graph().nodes.len();
    let outputs = unroll(ctx.builder, &ctx.node, plan)?;
    let mut grads: HashMap<ValueId, ValueId> = HashMap::new();
    for (output, grad) in outputs.into_iter().zip(&ctx.output_grads) {
        if let Some(grad) = *grad {
            accumulate(ctx.builder, &mut grads, output, grad)?;
        }
    }
    let wanted = ctx.node.inputs.iter().zip(&ctx.needs).filter(|(_, needs)| **needs);
    let wanted: HashSet<ValueId> = wanted.filter_map(|(input, _)| *input).collect();
    descend(ctx.builder, first, &wanted, &mut grads)?;
    // One value may stand for two inputs; its gradient is the sum over both already.
    let mut given = HashSet::new();
    let mut take = |input: &Option<ValueId>| {
        let input = input.filter(|v| wanted.contains(v) && given.insert(*v))?;
        grads.get(&input).copied()
    };
    Ok(ctx.node.inputs.iter().map(&mut take).collect())
}

fn accumulate(
    b: &mut Builder,
    grads: &mut HashMap<ValueId, ValueId>,
    value: ValueId,
    part: ValueId,
) -> Result<(), OpError> {
    let sum = match grads.get(&value) {
        Some(&other) => b.add(other, part)?,
        None => part,
    };
    grads.insert(value, sum);
    Ok(())
}

/// Carries gradients from the outputs of the nodes from `first` on back to the values in `wanted`.
fn descend(
    b: &mut Builder,
    first: usize,
    wanted: &HashSet<ValueId>,
    grads: &mut HashMap<ValueId, ValueId>,
) -> Result<(), OpError> {
    let nodes = b.graph().nodes[first..].to_vec();
    let mut reached = wanted.clone();
    for node in &nodes {
        if node.inputs.iter().flatten().any(|v| reached.contains(v)) {
            reached.extend(node.outputs.iter().flatten());
        }
    }
    for node in nodes.into_iter().rev() {
        let needs: Vec<bool> = node.inputs.iter().map(|v| v.is_some_and(|v| reached.contains(&v))).collect();
        let output_grads: Vec<_> = node.outputs.iter().map(|v| v.and_then(|v| grads.get(&v).copied())).collect();
        if !needs.contains(&true) || output_grads.iter().all(Option::is_none) {
            continue;
        }
        let rule = find(&node.domain, &node.op).and_then(|d| d.grad);
        let rule = rule.ok_or_else(|| OpError::at(&node, "has no gradient"))?;
        let inputs = node.inputs.clone();
        let parts = rule(&mut GradContext { builder: b, node, output_grads, needs: needs.clone() })?;
        for ((input, part), need) in inputs.into_iter().zip(parts).zip(needs) {
            if let (Some(input), Some(part), true) = (input, part, need) {
                accumulate(b, grads, input, part)?;
            }
        }
    }
    Ok(())
}
