//! `LSTM`: long short-term memory over a sequence (ONNX LSTM-14; 22 only adds types).

use ocellus_graph::{Node, Tensor, ValueId};

use super::recurrent::{self, Family, Recurrent, RecurrentInputs, Settings, Weights, node_inputs, product};
use super::recurrent_unroll::{Cell, Plan, unroll, unrolled_gradient};
use crate::{Builder, EvalContext, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(|ctx: &mut GradContext| {
        let coupled = is_coupled(&ctx.node);
        unrolled_gradient(ctx, &Plan { family: &FAMILY, separate_bias: false, step: &step(coupled) })
    }),
    upgrade: Some(recurrent::upgrade),
    lower: Some(super::recurrent_lower::lstm),
    ..OpDef::new("LSTM", |ctx| recurrent::infer(ctx, &FAMILY))
};

/// Gates in the order input, output, forget, cell.
pub(super) const FAMILY: Family = Family { gates: 4, states: 2, activations: &["Sigmoid", "Tanh", "Tanh"] };

/// Whether the forget gate is one minus the input gate.
pub(super) fn is_coupled(node: &Node) -> bool {
    node.attributes.int("input_forget").unwrap_or(0) != 0
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let coupled = is_coupled(ctx.node);
    recurrent::eval(ctx, &FAMILY, |settings, p, x, states| cell(coupled, settings, p, x, states))
}

pub(super) fn cell(coupled: bool, settings: &Settings, p: &Weights, x: &[f64], states: &mut [Vec<f64>]) {
    let [hidden_state, cell_state] = states else { return };
    let hidden = hidden_state.len();
    let (from_x, from_h) = (product(p.w, 0..4 * hidden, x), product(p.r, 0..4 * hidden, hidden_state));
    let [f, g, h] = [p.activations[0], p.activations[1], p.activations[2]];
    for (k, (shown, state)) in hidden_state.iter_mut().zip(cell_state).enumerate() {
        let sum = |gate: usize| {
            let i = gate * hidden + k;
            from_x[i] + from_h[i] + p.wb[i] + p.rb[i]
        };
        let old = *state;
        let input = f.apply(settings.clipped(sum(0) + p.p[k] * old));
        let forget = f.apply(settings.clipped(sum(2) + p.p[2 * hidden + k] * old));
        let forget = if coupled { 1.0 - input } else { forget };
        let new = forget * old + input * g.apply(settings.clipped(sum(3)));
        let output = f.apply(settings.clipped(sum(1) + p.p[hidden + k] * new));
        *state = new;
        *shown = output * h.apply(new);
    }
}

fn step(coupled: bool) -> impl Fn(&mut Builder, &Cell, ValueId, &[ValueId]) -> Result<Vec<ValueId>, OpError> {
    move |b, cell, x, states| {
        let (h, old) = (states[0], states[1]);
        let sums = cell.recur(b, h, cell.r, Some(x))?;
        let gates = b.split(sums, &[cell.hidden; 4], 1)?;
        let peepholes = cell.peepholes.map(|p| b.split(p, &[cell.hidden; 3], 0)).transpose()?;
        let peep = |b: &mut Builder, sum: ValueId, index: usize, state: ValueId| match &peepholes {
            Some(p) => {
                let seen = b.mul(state, p[index])?;
                b.add(sum, seen)
            }
            None => Ok(sum),
        };
        let input = peep(b, gates[0], 0, old)?;
        let input = cell.gate(b, 0, input)?;
        let forget = if coupled {
            let one = b.scalar_like(input, 1.0)?;
            b.sub(one, input)?
        } else {
            let forget = peep(b, gates[2], 2, old)?;
            cell.gate(b, 0, forget)?
        };
        let candidate = cell.gate(b, 1, gates[3])?;
        let kept = b.mul(forget, old)?;
        let added = b.mul(input, candidate)?;
        let new = b.add(kept, added)?;
        let output = peep(b, gates[1], 1, new)?;
        let output = cell.gate(b, 0, output)?;
        let shown = cell.activations[2].emit(b, new)?;
        Ok(vec![b.mul(output, shown)?, new])
    }
}

impl Builder {
    /// Runs an LSTM over `x` `[T, N, I]` with weights `w` `[D, 4 * H, I]` and `r` `[D, 4 * H, H]` (gates in the order
    /// input, output, forget, cell). Returns all hidden states `[T, D, N, H]`, the last hidden state and the last cell
    /// state `[D, N, H]`; with the batch first `[N, T, D, H]` and `[N, D, H]`.
    pub fn lstm(
        &mut self,
        x: ValueId,
        w: ValueId,
        r: ValueId,
        more: &RecurrentInputs,
        settings: &Recurrent,
    ) -> Result<[ValueId; 3], OpError> {
        let attributes = settings.attributes(self.shape(r)?.last().copied().unwrap_or(0));
        let outputs = self.apply_many(&OP, &node_inputs(x, w, r, more), attributes, 3)?;
        Ok([outputs[0], outputs[1], outputs[2]])
    }

    /// [`Builder::lstm`] as plain operators, one cell per step.
    pub fn lstm_unrolled(
        &mut self,
        x: ValueId,
        w: ValueId,
        r: ValueId,
        more: &RecurrentInputs,
        settings: &Recurrent,
    ) -> Result<[ValueId; 3], OpError> {
        let attributes = settings.attributes(self.shape(r)?.last().copied().unwrap_or(0));
        let node = Node::new(OP.name, node_inputs(x, w, r, more), []).with_attributes(attributes);
        let plan = Plan { family: &FAMILY, separate_bias: false, step: &step(settings.input_forget) };
        let outputs = unroll(self, &node, &plan)?;
        Ok([outputs[0], outputs[1], outputs[2]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::ops::recurrent::Direction;

    const SHAPES: [&[usize]; 7] = [&[3, 2, 2], &[1, 12, 2], &[1, 12, 3], &[1, 24], &[1, 2, 3], &[1, 2, 3], &[1, 9]];

    fn inputs() -> Vec<Tensor> {
        let tensor = |(i, s): (usize, &&[usize])| Tensor::of(s, check::numbers(s.iter().product(), i as u64));
        SHAPES.iter().enumerate().map(tensor).collect()
    }

    fn more(v: &[ValueId]) -> RecurrentInputs {
        let [bias, initial_h, initial_c, peepholes] = [3, 4, 5, 6].map(|i| v.get(i).copied());
        RecurrentInputs { bias, initial_h, initial_c, peepholes, sequence_lens: None }
    }

    fn run(settings: &Recurrent, k: usize, inputs: &[Tensor]) -> Vec<f64> {
        let y = check::eval(|b, v| Ok(b.lstm(v[0], v[1], v[2], &more(v), settings)?[k]), inputs);
        let plain = check::eval(|b, v| Ok(b.lstm_unrolled(v[0], v[1], v[2], &more(v), settings)?[k]), inputs);
        assert_eq!(y.shape(), plain.shape());
        assert!(y.to_f64().iter().zip(plain.to_f64()).all(|(a, b)| (a - b).abs() < 1e-6), "the cells one by one");
        y.to_f64()
    }

    /// One unit by hand: gates i, o, f, c of 0.5, -0.5, 1, 2 times x.
    #[test]
    fn one_cell_by_hand() {
        let inputs = [
            Tensor::of(&[1, 1, 1], vec![1f64]),
            Tensor::of(&[1, 4, 1], vec![0.5, -0.5, 1.0, 2.0]),
            Tensor::of(&[1, 4, 1], vec![0f64; 4]),
            Tensor::of(&[1, 8], vec![0f64; 8]),
            Tensor::of(&[1, 1, 1], vec![0f64]),
            Tensor::of(&[1, 1, 1], vec![2f64]),
            Tensor::of(&[1, 3], vec![0.25, 1.0, -0.5]),
        ];
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let c = sigmoid(1.0 - 1.0) * 2.0 + sigmoid(0.5 + 0.5) * 2f64.tanh();
        let h = sigmoid(-0.5 + c) * c.tanh();
        assert!((run(&Recurrent::default(), 2, &inputs)[0] - c).abs() < 1e-12);
        assert!((run(&Recurrent::default(), 0, &inputs)[0] - h).abs() < 1e-12);
    }

    /// From ONNX Runtime 1.32: the clip bounds the gates, but not the cell state on its way to the output.
    #[test]
    fn the_clip_does_not_touch_the_cell_state() {
        let inputs = [
            Tensor::of(&[3, 1, 1], vec![1f32; 3]),
            Tensor::of(&[1, 4, 1], vec![5f32; 4]),
            Tensor::of(&[1, 4, 1], vec![0f32; 4]),
        ];
        let y = run(&Recurrent { clip: Some(0.8), ..Recurrent::default() }, 0, &inputs);
        let expected = [0.295_716_32, 0.448_082_4, 0.523_268_64];
        assert!(y.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{y:?}");
    }

    #[test]
    fn coupled_gates_and_other_activations() {
        let settings = Recurrent {
            activations: ["HardSigmoid", "Softsign", "LeakyRelu"].map(str::to_owned).to_vec(),
            activation_alpha: vec![0.3, 0.1],
            activation_beta: vec![0.4],
            input_forget: true,
            ..Recurrent::default()
        };
        for k in 0..3 {
            let coupled = run(&settings, k, &inputs());
            let free = run(&Recurrent { input_forget: false, ..settings.clone() }, k, &inputs());
            assert!(coupled.iter().zip(&free).any(|(a, b)| (a - b).abs() > 1e-3));
        }
    }

    #[test]
    fn gradient() {
        let plain = Recurrent::default();
        for k in 0..3 {
            check::gradient(|b, v| Ok(b.lstm(v[0], v[1], v[2], &more(v), &plain)?[k]), &SHAPES);
        }
        let backwards = Recurrent { direction: Direction::Reverse, batch_first: true, input_forget: true, ..plain };
        let shapes: [&[usize]; 4] = [&[2, 3, 2], &[1, 8, 2], &[1, 8, 2], &[1, 16]];
        check::gradient(|b, v| Ok(b.lstm(v[0], v[1], v[2], &more(v), &backwards)?[0]), &shapes);
    }

    #[test]
    fn gradient_of_sequences_of_different_lengths() {
        let mut inputs = inputs()[..4].to_vec();
        inputs.push(Tensor::vector(&[3i32, 2]));
        let lstm = |b: &mut Builder, v: &[ValueId]| {
            let more = RecurrentInputs { bias: Some(v[3]), sequence_lens: Some(v[4]), ..RecurrentInputs::default() };
            let [y, _, c] = b.lstm(v[0], v[1], v[2], &more, &Recurrent::default())?;
            let c = b.reshape(c, &[1, 1, 2, 3])?;
            b.mul(y, c)
        };
        check::gradient_at(lstm, &inputs);
    }
}
