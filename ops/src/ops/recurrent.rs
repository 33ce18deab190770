//! What RNN, LSTM and GRU share: directions, layouts, lengths of sequences, and the walk over time.

use ocellus_graph::{Attributes, DataType, Dim, Node, Shape, Tensor, ValueId};

use super::elementwise::{require_float, require_same_type};
use super::recurrent_activation::Activation;
use crate::{EvalContext, InferContext, OpError, UpgradeContext, ValueType};

/// The order in which a recurrent node reads its sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    /// From the first step to the last.
    #[default]
    Forward,
    /// From the last step to the first.
    Reverse,
    /// Both, with weights of their own; the results stand side by side.
    Bidirectional,
}

impl Direction {
    const NAMES: [(&'static str, Self); 3] =
        [("forward", Self::Forward), ("reverse", Self::Reverse), ("bidirectional", Self::Bidirectional)];

    /// For every direction, whether it reads backwards.
    pub(super) fn reversals(self) -> Vec<bool> {
        match self {
            Self::Forward => vec![false],
            Self::Reverse => vec![true],
            Self::Bidirectional => vec![false, true],
        }
    }
}

/// The attributes of [`Builder::rnn`](crate::Builder::rnn), [`lstm`](crate::Builder::lstm) and
/// [`gru`](crate::Builder::gru). Empty lists stand for ONNX's defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recurrent {
    /// The order of reading.
    pub direction: Direction,
    /// Whether the batch comes before time (`layout = 1`).
    pub batch_first: bool,
    /// Names of the activations, for one direction after the other.
    pub activations: Vec<String>,
    /// Alpha of every activation that takes one.
    pub activation_alpha: Vec<f32>,
    /// Beta of every activation that takes one.
    pub activation_beta: Vec<f32>,
    /// Bound of what goes into the activations of gates.
    pub clip: Option<f32>,
    /// LSTM: whether the forget gate is one minus the input gate.
    pub input_forget: bool,
    /// GRU: whether the reset gate multiplies the product with the recurrent weights instead of the state.
    pub linear_before_reset: bool,
}

/// The optional inputs of recurrent nodes; D directions, N sequences, H hidden units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecurrentInputs {
    /// Biases of the input's and the state's products, `[D, 2 * gates * H]`.
    pub bias: Option<ValueId>,
    /// Steps of every sequence, i32 `[N]`.
    pub sequence_lens: Option<ValueId>,
    /// First hidden state, `[D, N, H]`, or `[N, D, H]` with the batch first.
    pub initial_h: Option<ValueId>,
    /// First cell state (LSTM), shaped as the hidden state.
    pub initial_c: Option<ValueId>,
    /// Peephole weights (LSTM), `[D, 3 * H]`.
    pub peepholes: Option<ValueId>,
}

impl Recurrent {
    /// The attributes of a node with `hidden` units.
    pub(super) fn attributes(&self, hidden: usize) -> Attributes {
        let mut attributes = Attributes::new().with("hidden_size", hidden as i64);
        if let Some((name, _)) = Direction::NAMES.iter().find(|(_, d)| *d == self.direction) {
            attributes.set("direction", *name);
        }
        if !self.activations.is_empty() {
            attributes.set("activations", self.activations.clone());
        }
        for (name, list) in [("activation_alpha", &self.activation_alpha), ("activation_beta", &self.activation_beta)] {
            if !list.is_empty() {
                attributes.set(name, list.clone());
            }
        }
        let flags = [
            ("layout", self.batch_first),
            ("input_forget", self.input_forget),
            ("linear_before_reset", self.linear_before_reset),
        ];
        for (name, _) in flags.iter().filter(|(_, set)| *set) {
            attributes.set(name, 1i64);
        }
        if let Some(clip) = self.clip {
            attributes.set("clip", clip);
        }
        attributes
    }
}

/// What tells the three operators apart.
pub(super) struct Family {
    /// Blocks of rows in the weights.
    pub gates: usize,
    /// Tensors of state.
    pub states: usize,
    /// Names of the activations of one direction.
    pub activations: &'static [&'static str],
}

/// The attributes of a node, read.
pub(super) struct Settings {
    /// For every direction, whether it reads backwards.
    pub reversals: Vec<bool>,
    /// Whether the batch comes before time.
    pub batch_first: bool,
    /// The bound of gates.
    pub clip: Option<f64>,
    /// The activations of every direction.
    pub activations: Vec<Vec<Activation>>,
}

impl Settings {
    pub fn of_node(node: &Node, family: &Family) -> Result<Self, OpError> {
        let name = node.attributes.string("direction").unwrap_or("forward");
        let direction = Direction::NAMES.iter().find(|(n, _)| *n == name).map(|(_, d)| *d).ok_or_else(|| {
            OpError::at(node, format!("direction is {name:?}; forward, reverse and bidirectional are known"))
        })?;
        let reversals = direction.reversals();
        let layout = node.attributes.int("layout").unwrap_or(0);
        if !(0..=1).contains(&layout) {
            return Err(OpError::at(node, format!("layout is {layout}; 0 and 1 are known")));
        }
        let activations = Activation::of_node(node, family.activations, reversals.len())?;
        let clip = node.attributes.float("clip").map(f64::from);
        Ok(Self { reversals, batch_first: layout == 1, clip, activations })
    }

    /// What goes into the activation of a gate.
    pub fn clipped(&self, x: f64) -> f64 {
        self.clip.map_or(x, |bound| x.max(-bound).min(bound))
    }
}

pub(super) fn infer(ctx: &InferContext, family: &Family) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    let settings = Settings::of_node(ctx.node, family)?;
    let x = ctx.input(0)?;
    for (i, rank) in [(0, 3), (1, 3), (2, 3), (3, 2), (4, 1), (5, 3), (6, 3), (7, 2)] {
        let Some(t) = ctx.optional(i) else { continue };
        if t.shape.rank() != rank {
            return Err(ctx.error(format!("input {i} has shape {}; rank {rank} is expected", t.shape)));
        }
        if i != 4 {
            require_same_type(ctx, 0, i)?;
        } else if t.dtype != DataType::I32 {
            return Err(ctx.error(format!("sequence_lens has type {}; i32 is expected", t.dtype)));
        }
    }
    let r = &ctx.input(2)?.shape;
    let given = ctx.node.attributes.int("hidden_size").and_then(|n| usize::try_from(n).ok()).map(Dim::Known);
    let hidden = r[2].known().map(Dim::Known).or(given).unwrap_or(Dim::Unknown);
    let (time, batch) = if settings.batch_first { (1, 0) } else { (0, 1) };
    let (time, batch) = (x.shape[time].clone(), x.shape[batch].clone());
    if let (Some(h), Some(sizes)) = (hidden.known(), x.shape.known()) {
        let lens = |i: usize| ctx.optional(i).and_then(|t| t.shape.known());
        let all: Vec<_> = (0..8).map(lens).collect();
        check_shapes(ctx.node, family, &settings, h, &sizes, &all)?;
    }
    let directions = Dim::Known(settings.reversals.len());
    let (y, state) = if settings.batch_first {
        (vec![batch.clone(), time, directions.clone(), hidden.clone()], vec![batch, directions, hidden])
    } else {
        (vec![time, directions.clone(), batch.clone(), hidden.clone()], vec![directions, batch, hidden])
    };
    let state = ValueType::new(x.dtype, Shape(state));
    let mut types = vec![ValueType::new(x.dtype, Shape(y))];
    types.extend(std::iter::repeat_n(state, family.states));
    Ok(types)
}

/// Refuses inputs whose sizes are known and do not fit.
fn check_shapes(
    node: &Node,
    family: &Family,
    settings: &Settings,
    hidden: usize,
    x: &[usize],
    shapes: &[Option<Vec<usize>>],
) -> Result<(), OpError> {
    let (directions, rows) = (settings.reversals.len(), family.gates * hidden);
    let batch = x[usize::from(!settings.batch_first)];
    let state = if settings.batch_first { vec![batch, directions, hidden] } else { vec![directions, batch, hidden] };
    let expected = [
        x.to_vec(),
        vec![directions, rows, x[2]],
        vec![directions, rows, hidden],
        vec![directions, 2 * rows],
        vec![batch],
        state.clone(),
        state,
        vec![directions, 3 * hidden],
    ];
    for (i, (expected, found)) in expected.iter().zip(shapes).enumerate() {
        if found.as_ref().is_some_and(|found| found != expected) {
            let found = found.clone().unwrap_or_default();
            return Err(OpError::at(node, format!("input {i} has shape {found:?}; {expected:?} is expected")));
        }
    }
    Ok(())
}

/// The parameters of one direction, as matrices of f64.
pub(super) struct Weights<'a> {
    /// `[gates * H, I]`.
    pub w: &'a [f64],
    /// `[gates * H, H]`.
    pub r: &'a [f64],
    /// Bias of the input's product, `[gates * H]`.
    pub wb: &'a [f64],
    /// Bias of the state's product, `[gates * H]`.
    pub rb: &'a [f64],
    /// Peepholes, `[3 * H]`.
    pub p: &'a [f64],
    /// The activations.
    pub activations: &'a [Activation],
}

/// `rows` of a matrix times a vector.
pub(super) fn product(matrix: &[f64], rows: std::ops::Range<usize>, vector: &[f64]) -> Vec<f64> {
    let n = vector.len();
    rows.map(|i| matrix[i * n..(i + 1) * n].iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
}

/// Evaluates a node; `cell` computes the next states of one sequence from an input vector and its states.
pub(super) fn eval(
    ctx: &EvalContext,
    family: &Family,
    cell: impl Fn(&Settings, &Weights, &[f64], &mut [Vec<f64>]),
) -> Result<Vec<Tensor>, OpError> {
    let settings = Settings::of_node(ctx.node, family)?;
    let (x, r) = (ctx.input(0)?, ctx.input(2)?);
    let ([.., inputs], [.., hidden]) = (x.shape(), r.shape()) else { return Err(ctx.error("inputs are scalars")) };
    let (inputs, hidden) = (*inputs, *hidden);
    if x.rank() != 3 {
        return Err(ctx.error(format!("input 0 has shape {:?}; rank 3 is expected", x.shape())));
    }
    let shapes: Vec<_> = (0..8).map(|i| ctx.optional(i).map(|t| t.shape().to_vec())).collect();
    check_shapes(ctx.node, family, &settings, hidden, x.shape(), &shapes)?;
    let walk = Walk::new(ctx, &settings)?;
    let (directions, rows) = (settings.reversals.len(), family.gates * hidden);
    let values = |i: usize, count: usize| ctx.optional(i).map_or_else(|| vec![0.0; count], Tensor::to_f64);
    let (xs, ws, rs) = (x.to_f64(), ctx.input(1)?.to_f64(), r.to_f64());
    let (bs, ps) = (values(3, directions * 2 * rows), values(7, directions * 3 * hidden));
    let count = directions * walk.batch * hidden;
    let mut y = vec![0.0; walk.time * count];
    let mut states = [values(5, count), values(6, count)];
    for (d, &reverse) in settings.reversals.iter().enumerate() {
        let (wb, rb) = bs[d * 2 * rows..(d + 1) * 2 * rows].split_at(rows);
        let weights = Weights {
            w: &ws[d * rows * inputs..(d + 1) * rows * inputs],
            r: &rs[d * rows * hidden..(d + 1) * rows * hidden],
            wb,
            rb,
            p: &ps[d * 3 * hidden..(d + 1) * 3 * hidden],
            activations: &settings.activations[d],
        };
        for n in 0..walk.batch {
            let place = walk.state(d, n) * hidden;
            let mut own: Vec<Vec<f64>> =
                states[..family.states].iter().map(|s| s[place..place + hidden].to_vec()).collect();
            for step in 0..walk.lens[n] {
                let t = if reverse { walk.lens[n] - 1 - step } else { step };
                let at = walk.input(t, n) * inputs;
                cell(&settings, &weights, &xs[at..at + inputs], &mut own);
                let at = walk.output(t, d, n) * hidden;
                y[at..at + hidden].copy_from_slice(&own[0]);
            }
            for (all, own) in states.iter_mut().zip(own) {
                all[place..place + hidden].copy_from_slice(&own);
            }
        }
    }
    let (y_shape, state_shape) = walk.shapes(hidden);
    let mut outputs = vec![Tensor::from_f64(x.dtype(), &y_shape, &y)];
    outputs.extend(states[..family.states].iter().map(|s| Tensor::from_f64(x.dtype(), &state_shape, s)));
    Ok(outputs)
}

/// Where vectors lie in the tensors.
struct Walk {
    time: usize,
    batch: usize,
    directions: usize,
    batch_first: bool,
    lens: Vec<usize>,
}

impl Walk {
    fn new(ctx: &EvalContext, settings: &Settings) -> Result<Self, OpError> {
        let shape = ctx.input(0)?.shape();
        let (time, batch) = if settings.batch_first { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
        let lens = match ctx.optional(4) {
            None => vec![time; batch],
            Some(lens) => lens.to_i64().into_iter().map(|n| usize::try_from(n).unwrap_or(usize::MAX)).collect(),
        };
        if let Some(n) = lens.iter().find(|&&n| n > time) {
            return Err(ctx.error(format!("a sequence of {n} steps does not fit {time}")));
        }
        let directions = settings.reversals.len();
        Ok(Self { time, batch, directions, batch_first: settings.batch_first, lens })
    }

    fn input(&self, t: usize, n: usize) -> usize {
        if self.batch_first { n * self.time + t } else { t * self.batch + n }
    }

    fn output(&self, t: usize, d: usize, n: usize) -> usize {
        if self.batch_first {
            (n * self.time + t) * self.directions + d
        } else {
            (t * self.directions + d) * self.batch + n
        }
    }

    fn state(&self, d: usize, n: usize) -> usize {
        if self.batch_first { n * self.directions + d } else { d * self.batch + n }
    }

    fn shapes(&self, hidden: usize) -> (Vec<usize>, Vec<usize>) {
        let &Self { time, batch, directions, batch_first, .. } = self;
        if batch_first {
            (vec![batch, time, directions, hidden], vec![batch, directions, hidden])
        } else {
            (vec![time, directions, batch, hidden], vec![directions, batch, hidden])
        }
    }
}

/// Opset 6: `output_sequence` asked for output 0, which is there where it is named.
pub(super) fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    ctx.node.attributes.remove("output_sequence");
    Ok(())
}

/// The inputs of a node, without those missing at the end.
pub(super) fn node_inputs(x: ValueId, w: ValueId, r: ValueId, more: &RecurrentInputs) -> Vec<Option<ValueId>> {
    let RecurrentInputs { bias, sequence_lens, initial_h, initial_c, peepholes } = *more;
    let mut inputs = vec![Some(x), Some(w), Some(r), bias, sequence_lens, initial_h, initial_c, peepholes];
    while inputs.last() == Some(&None) {
        inputs.pop();
    }
    inputs
}
