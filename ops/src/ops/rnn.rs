//! `RNN`: `h = f(W x + R h + b)` over a sequence (ONNX RNN-14; 22 only adds types).

use ocellus_graph::{Node, Tensor, ValueId};

use super::recurrent::{self, Family, Recurrent, RecurrentInputs, Settings, Weights, node_inputs, product};
use super::recurrent_unroll::{Cell, Plan, unroll, unrolled_gradient};
use crate::{Builder, EvalContext, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    upgrade: Some(recurrent::upgrade),
    lower: Some(super::recurrent_lower::rnn),
    ..OpDef::new("RNN", |ctx| recurrent::infer(ctx, &FAMILY))
};

const FAMILY: Family = Family { gates: 1, states: 1, activations: &["Tanh"] };

const PLAN: Plan = Plan { family: &FAMILY, separate_bias: false, step: &emit };

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    recurrent::eval(ctx, &FAMILY, cell)
}

fn cell(settings: &Settings, p: &Weights, x: &[f64], states: &mut [Vec<f64>]) {
    let rows = 0..p.wb.len();
    let (from_x, from_h) = (product(p.w, rows.clone(), x), product(p.r, rows.clone(), &states[0]));
    let gate = |i: usize| from_x[i] + from_h[i] + p.wb[i] + p.rb[i];
    states[0] = rows.map(|i| p.activations[0].apply(settings.clipped(gate(i)))).collect();
}

fn emit(b: &mut Builder, cell: &Cell, x: ValueId, states: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
    let sum = cell.recur(b, states[0], cell.r, Some(x))?;
    Ok(vec![cell.gate(b, 0, sum)?])
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unrolled_gradient(ctx, &PLAN)
}

impl Builder {
    /// Runs a recurrent network over `x` `[T, N, I]` with weights `w` `[D, H, I]` and `r` `[D, H, H]`. Returns all
    /// hidden states `[T, D, N, H]` and the last `[D, N, H]`; with the batch first `[N, T, D, H]` and `[N, D, H]`.
    pub fn rnn(
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

    /// [`Builder::rnn`] as plain operators, one cell per step.
    pub fn rnn_unrolled(
        &mut self,
        x: ValueId,
        w: ValueId,
        r: ValueId,
        more: &RecurrentInputs,
        settings: &Recurrent,
    ) -> Result<[ValueId; 2], OpError> {
        let attributes = settings.attributes(self.shape(r)?.last().copied().unwrap_or(0));
        let node = Node::new(OP.name, node_inputs(x, w, r, more), []).with_attributes(attributes);
        let outputs = unroll(self, &node, &PLAN)?;
        Ok([outputs[0], outputs[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::ops::recurrent::Direction;

    fn identity() -> Recurrent {
        Recurrent { activations: vec!["Affine".to_owned()], ..Recurrent::default() }
    }

    /// `h = x + 2 h`, in both directions, with sequences of 3 and 1 steps.
    #[test]
    fn walks_in_both_directions_to_the_end_of_every_sequence() {
        let x = Tensor::of(&[3, 2, 1], vec![1f32, 10., 2., 20., 3., 30.]);
        let (w, r) = (Tensor::of(&[1, 1, 1], vec![1f32]), Tensor::of(&[1, 1, 1], vec![2f32]));
        let lens = Tensor::vector(&[3i32, 1]);
        let run = |direction: Direction, k: usize| {
            let settings = Recurrent { direction, ..identity() };
            let inputs = [x.clone(), w.clone(), r.clone(), lens.clone()];
            let more = |v: &[ValueId]| RecurrentInputs { sequence_lens: Some(v[3]), ..RecurrentInputs::default() };
            let y = check::eval(|b, v| Ok(b.rnn(v[0], v[1], v[2], &more(v), &settings)?[k]), &inputs);
            let plain = check::eval(|b, v| Ok(b.rnn_unrolled(v[0], v[1], v[2], &more(v), &settings)?[k]), &inputs);
            assert_eq!(y, plain, "the cells one by one");
            y.to_f32()
        };
        assert_eq!(run(Direction::Forward, 0), [1., 10., 4., 0., 11., 0.]);
        assert_eq!(run(Direction::Forward, 1), [11., 10.]);
        assert_eq!(run(Direction::Reverse, 0), [17., 10., 8., 0., 3., 0.]);
        assert_eq!(run(Direction::Reverse, 1), [17., 10.]);
    }

    #[test]
    fn bidirectional_with_the_batch_first() {
        let settings = Recurrent {
            direction: Direction::Bidirectional,
            batch_first: true,
            activations: vec!["Affine".to_owned(), "Relu".to_owned()],
            ..Recurrent::default()
        };
        let inputs = [
            Tensor::of(&[1, 2, 1], vec![1f32, 2.]),
            Tensor::of(&[2, 1, 1], vec![1f32, -1.]),
            Tensor::of(&[2, 1, 1], vec![2f32, 1.]),
            Tensor::of(&[2, 2], vec![0.5f32, 0.25, 0., 0.]),
            Tensor::of(&[1, 2, 1], vec![1f32, 4.]),
        ];
        let output = |k: usize| {
            check::eval(
                |b, v| {
                    let more =
                        RecurrentInputs { bias: Some(v[3]), initial_h: Some(v[4]), ..RecurrentInputs::default() };
                    Ok(b.rnn(v[0], v[1], v[2], &more, &settings)?[k])
                },
                &inputs,
            )
        };
        assert_eq!(output(0), Tensor::of(&[1, 2, 2, 1], vec![3.75f32, 1., 10.25, 2.]));
        assert_eq!(output(1), Tensor::of(&[1, 2, 1], vec![10.25f32, 1.]));
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let mut b = Builder::new("bad");
        let x = b.input("x", ocellus_graph::DataType::F32, &[3, 2, 4]);
        let w = b.input("w", ocellus_graph::DataType::F32, &[1, 5, 3]);
        let r = b.input("r", ocellus_graph::DataType::F32, &[1, 5, 5]);
        let error = b.rnn(x, w, r, &RecurrentInputs::default(), &Recurrent::default()).unwrap_err().to_string();
        assert!(error.contains("input 1 has shape [1, 5, 3]; [1, 5, 4] is expected"), "{error}");
    }

    #[test]
    fn gradient() {
        let settings = Recurrent { direction: Direction::Bidirectional, ..Recurrent::default() };
        let shapes: [&[usize]; 5] = [&[3, 2, 4], &[2, 3, 4], &[2, 3, 3], &[2, 6], &[2, 2, 3]];
        let more =
            |v: &[ValueId]| RecurrentInputs { bias: Some(v[3]), initial_h: Some(v[4]), ..RecurrentInputs::default() };
        check::gradient(|b, v| Ok(b.rnn(v[0], v[1], v[2], &more(v), &settings)?[0]), &shapes);
        check::gradient(|b, v| Ok(b.rnn(v[0], v[1], v[2], &more(v), &settings)?[1]), &shapes);
        let reverse = Recurrent { direction: Direction::Reverse, batch_first: true, clip: Some(0.7), ..settings };
        let none = RecurrentInputs::default();
        let shapes: [&[usize]; 3] = [&[2, 3, 2], &[1, 3, 2], &[1, 3, 3]];
        check::gradient(|b, v| Ok(b.rnn(v[0], v[1], v[2], &none, &reverse)?[0]), &shapes);
    }
}
