//! `GRU`: gated recurrent units over a sequence (ONNX GRU-14; 22 only adds types).

use ocellus_graph::{Node, Tensor, ValueId};

use super::recurrent::{self, Family, Recurrent, RecurrentInputs, Settings, Weights, node_inputs, product};
use super::recurrent_unroll::{Cell, Plan, unroll, unrolled_gradient};
use crate::{Builder, EvalContext, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(|ctx: &mut GradContext| unrolled_gradient(ctx, &plan(is_linear(&ctx.node)))),
    upgrade: Some(recurrent::upgrade),
    lower: Some(super::recurrent_lower::gru),
    ..OpDef::new("GRU", |ctx| recurrent::infer(ctx, &FAMILY))
};

/// Gates in the order update, reset, hidden.
const FAMILY: Family = Family { gates: 3, states: 1, activations: &["Sigmoid", "Tanh"] };

/// Whether the reset gate multiplies the product with the recurrent weights instead of the state.
fn is_linear(node: &Node) -> bool {
    node.attributes.int("linear_before_reset").unwrap_or(0) != 0
}

fn plan(linear: bool) -> Plan<'static> {
    Plan { family: &FAMILY, separate_bias: linear, step: if linear { &emit_linear } else { &emit } }
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let linear = is_linear(ctx.node);
    recurrent::eval(ctx, &FAMILY, |settings, p, x, states| cell(linear, settings, p, x, states))
}

fn cell(linear: bool, settings: &Settings, p: &Weights, x: &[f64], states: &mut [Vec<f64>]) {
    let old = std::mem::take(&mut states[0]);
    let n = old.len();
    let from_x = product(p.w, 0..3 * n, x);
    let from_h = product(p.r, 0..2 * n, &old);
    let [f, g] = [p.activations[0], p.activations[1]];
    let gate = |i: usize| f.apply(settings.clipped(from_x[i] + from_h[i] + p.wb[i] + p.rb[i]));
    let update: Vec<f64> = (0..n).map(gate).collect();
    let reset: Vec<f64> = (n..2 * n).map(gate).collect();
    let hidden = 2 * n..3 * n;
    let recurrent: Vec<f64> = if linear {
        let sums = product(p.r, hidden.clone(), &old);
        (0..n).map(|k| reset[k] * (sums[k] + p.rb[2 * n + k])).collect()
    } else {
        let damped: Vec<f64> = reset.iter().zip(&old).map(|(r, h)| r * h).collect();
        product(p.r, hidden.clone(), &damped).iter().zip(&p.rb[hidden]).map(|(s, b)| s + b).collect()
    };
    let candidate = |k: usize| g.apply(settings.clipped(from_x[2 * n + k] + p.wb[2 * n + k] + recurrent[k]));
    states[0] = (0..n).map(|k| (1.0 - update[k]) * candidate(k) + update[k] * old[k]).collect();
}

/// Update and reset gate, the input's part of the hidden gate, and the recurrent weights of the hidden gate.
fn gates(b: &mut Builder, cell: &Cell, x: ValueId, h: ValueId) -> Result<[ValueId; 4], OpError> {
    let n = cell.hidden;
    let xs = b.split(x, &[2 * n, n], 1)?;
    let rs = b.split(cell.r, &[2 * n, n], 0)?;
    let mut sums = cell.recur(b, h, rs[0], Some(xs[0]))?;
    if let Some(rb) = cell.rb {
        let part = b.slice(rb, &[0], &[2 * n], &[0], &[1])?;
        sums = b.add(sums, part)?;
    }
    let both = cell.gate(b, 0, sums)?;
    let both = b.split(both, &[n, n], 1)?;
    Ok([both[0], both[1], xs[1], rs[1]])
}

/// `(1 - z) new + z old`.
fn blend(b: &mut Builder, z: ValueId, new: ValueId, old: ValueId) -> Result<Vec<ValueId>, OpError> {
    let change = b.sub(old, new)?;
    let change = b.mul(z, change)?;
    Ok(vec![b.add(new, change)?])
}

fn emit(b: &mut Builder, cell: &Cell, x: ValueId, states: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
    let h = states[0];
    let [z, reset, x, r] = gates(b, cell, x, h)?;
    let damped = b.mul(reset, h)?;
    let sum = cell.recur(b, damped, r, Some(x))?;
    let new = cell.gate(b, 1, sum)?;
    blend(b, z, new, h)
}

fn emit_linear(b: &mut Builder, cell: &Cell, x: ValueId, states: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
    let (h, n) = (states[0], cell.hidden);
    let [z, reset, x, r] = gates(b, cell, x, h)?;
    let bias = match cell.rb {
        Some(rb) => Some(b.slice(rb, &[2 * n], &[3 * n], &[0], &[1])?),
        None => None,
    };
    let recurrent = cell.recur(b, h, r, bias)?;
    let damped = b.mul(reset, recurrent)?;
    let sum = b.add(x, damped)?;
    let new = cell.gate(b, 1, sum)?;
    blend(b, z, new, h)
}

impl Builder {
    /// Runs gated recurrent units over `x` `[T, N, I]` with weights `w` `[D, 3 * H, I]` and `r` `[D, 3 * H, H]` (gates
    /// in the order update, reset, hidden). Returns all hidden states `[T, D, N, H]` and the last `[D, N, H]`; with the
    /// batch first `[N, T, D, H]` and `[N, D, H]`.
    pub fn gru(
        &mut self,
        x: ValueId,
        w: ValueId,
        r: ValueId,
        more: &RecurrentInputs,
        settings: &Recurrent,
    ) -> Result<[ValueId; 2], OpError> {
        let attributes = settings.attributes(self.shape(r)?.last().copied().unwrap_or(0));
        let outputs = self.apply_many(&OP, &node_inputs(x, w, r, more), attributes, 2)?;
        Ok([outputs[0], outputs[1]])
    }

    /// [`Builder::gru`] as plain operators, one cell per step.
    pub fn gru_unrolled(
        &mut self,
        x: ValueId,
        w: ValueId,
        r: ValueId,
        more: &RecurrentInputs,
        settings: &Recurrent,
    ) -> Result<[ValueId; 2], OpError> {
        let attributes = settings.attributes(self.shape(r)?.last().copied().unwrap_or(0));
        let node = Node::new(OP.name, node_inputs(x, w, r, more), []).with_attributes(attributes);
        let outputs = unroll(self, &node, &plan(settings.linear_before_reset))?;
        Ok([outputs[0], outputs[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::ops::recurrent::Direction;

    const SHAPES: [&[usize]; 5] = [&[3, 2, 2], &[2, 9, 2], &[2, 9, 3], &[2, 18], &[2, 2, 3]];

    fn settings(linear_before_reset: bool) -> Recurrent {
        Recurrent { direction: Direction::Bidirectional, linear_before_reset, ..Recurrent::default() }
    }

    fn more(v: &[ValueId]) -> RecurrentInputs {
        RecurrentInputs { bias: Some(v[3]), initial_h: Some(v[4]), ..RecurrentInputs::default() }
    }

    /// One unit by hand, where both forms differ in what the reset gate multiplies.
    #[test]
    fn one_cell_by_hand() {
        let inputs = [
            Tensor::of(&[1, 1, 1], vec![1f64]),
            Tensor::of(&[1, 3, 1], vec![0.5, -0.5, 1.0]),
            Tensor::of(&[1, 3, 1], vec![0.25, 0.75, -1.0]),
            Tensor::of(&[1, 6], vec![0.0, 0.0, 0.125, 0.0, 0.0, 0.5]),
            Tensor::of(&[1, 1, 1], vec![2f64]),
        ];
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let (z, r) = (sigmoid(0.5 + 0.5), sigmoid(-0.5 + 1.5));
        for (linear_before_reset, sum) in [(false, 1.125 - r * 2.0 + 0.5), (true, 1.125 + r * (-2.0 + 0.5))] {
            let settings = Recurrent { linear_before_reset, ..Recurrent::default() };
            let y = check::eval(|b, v| Ok(b.gru(v[0], v[1], v[2], &more(v), &settings)?[0]), &inputs).to_f64()[0];
            let expected = (1.0 - z) * sum.tanh() + z * 2.0;
            assert!((y - expected).abs() < 1e-12, "linear {linear_before_reset}: {y}, {expected}");
        }
    }

    #[test]
    fn unrolled_it_is_the_same() {
        let tensor = |(i, s): (usize, &&[usize])| Tensor::of(s, check::numbers(s.iter().product(), i as u64));
        let inputs: Vec<_> = SHAPES.iter().enumerate().map(tensor).collect();
        for linear in [false, true] {
            for k in 0..2 {
                let y = check::eval(|b, v| Ok(b.gru(v[0], v[1], v[2], &more(v), &settings(linear))?[k]), &inputs);
                let plain =
                    check::eval(|b, v| Ok(b.gru_unrolled(v[0], v[1], v[2], &more(v), &settings(linear))?[k]), &inputs);
                assert_eq!(y.shape(), plain.shape());
                assert!(y.to_f64().iter().zip(plain.to_f64()).all(|(a, b)| (a - b).abs() < 1e-12));
            }
        }
    }

    #[test]
    fn gradient() {
        for linear in [false, true] {
            check::gradient(|b, v| Ok(b.gru(v[0], v[1], v[2], &more(v), &settings(linear))?[0]), &SHAPES);
        }
    }
}
