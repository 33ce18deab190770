//! Lowering of RNN, LSTM and GRU, in f32.

use ocellus_graph::{DataType, Tensor};
use ocellus_plan::args::{Activation as DeviceActivation, Gru, Lstm, Rnn, element};

use super::movement_lower::permuted;
use super::recurrent_activation::Activation;
use crate::OpError;
use crate::lower::{DeviceTensor, LowerContext, TensorId};

/// Steps whose gates the scratch of a float layer holds.
const STEPS_AHEAD: usize = 8;

/// What the three layers share: sizes, and the operands in the order of the device.
pub(super) struct Layer {
    pub sizes: [u32; 4],
    pub directions: usize,
    pub direction: u32,
    pub clip: f32,
    /// Those of every direction, one direction after the other.
    pub activations: Vec<DeviceActivation>,
    /// Whether the batch comes before time in the model.
    pub batch_first: bool,
    pub reads: Vec<Option<TensorId>>,
}

/// The axes of y `[T, D, B, H]` where the batch comes first.
const Y_BATCH_FIRST: [usize; 4] = [2, 0, 1, 3];
/// The axes of a state or of x where the batch comes first, both ways.
const SWAPPED: [usize; 3] = [1, 0, 2];

impl Layer {
    /// Reads the node but for its weights; `defaults` are the activations of a direction.
    pub fn of(ctx: &mut LowerContext, gates: usize, hidden: usize, defaults: &[&str]) -> Result<Self, OpError> {
        let batch_first = ctx.int("layout", 0) != 0;
        let &[first, second, inputs] = ctx.shape(0) else {
            return Err(ctx.error("input 0 has to have three axes"));
        };
        let (steps, batch) = if batch_first { (second, first) } else { (first, second) };
        let (direction, directions) = match ctx.node.attributes.string("direction").unwrap_or("forward") {
            "forward" => (0, 1),
            "reverse" => (1, 1),
            "bidirectional" => (2, 2),
            other => return Err(ctx.error(format!("direction {other:?} is not known"))),
        };
        let activations = Activation::of_node(ctx.node, defaults, directions)?;
        let activations = activations.iter().flatten().map(Activation::device).collect();
        let rows = gates * hidden;
        let bias = if ctx.has(3) { ctx.float(3)? } else { ctx.f32s(&vec![0.0; directions * 2 * rows]) };
        let mut layer = Self {
            sizes: [steps as u32, batch as u32, inputs as u32, hidden as u32],
            directions,
            direction,
            clip: ctx.node.attributes.float("clip").unwrap_or(f32::INFINITY),
            activations,
            batch_first,
            reads: Vec::new(),
        };
        let x = layer.turned(ctx, 0)?;
        let lengths = if ctx.has(4) { Some(lengths(ctx)?) } else { None };
        let h0 = if ctx.has(5) { Some(layer.turned(ctx, 5)?) } else { None };
        layer.reads = vec![Some(x), None, None, Some(bias), lengths, h0];
        Ok(layer)
    }

    /// A layer with float weights in inputs 1 and 2.
    fn float(ctx: &mut LowerContext, gates: usize, defaults: &[&str]) -> Result<Self, OpError> {
        let &[_, rows, hidden] = ctx.shape(2) else {
            return Err(ctx.error("input 2 has to be [directions, gates * hidden, hidden]"));
        };
        if rows != gates * hidden {
            return Err(ctx.error(format!("input 2 has {rows} rows; {} are expected", gates * hidden)));
        }
        let mut layer = Self::of(ctx, gates, hidden, defaults)?;
        (layer.reads[1], layer.reads[2]) = (Some(ctx.float(1)?), Some(ctx.float(2)?));
        Ok(layer)
    }

    /// An f32 input of three axes in the order of the device, where time or direction comes first.
    pub fn turned(&self, ctx: &mut LowerContext, index: usize) -> Result<TensorId, OpError> {
        let x = ctx.float(index)?;
        if self.batch_first { permuted(ctx, x, &SWAPPED) } else { Ok(x) }
    }

    /// The activations of every direction, `N` in all; those that no direction uses repeat the first ones.
    pub fn activations<const N: usize>(&self) -> [DeviceActivation; N] {
        std::array::from_fn(|k| self.activations[k % self.activations.len()])
    }

    /// Tensors for all outputs, those that nobody wants too, then scratch of `scratch` f32.
    pub fn writes(&self, ctx: &mut LowerContext, states: usize, scratch: usize) -> Vec<TensorId> {
        let [steps, batch, _, hidden] = self.sizes.map(|n| n as usize);
        let mut y = DeviceTensor::new(element::F32, &[steps, self.directions, batch, hidden], None);
        y.plain = true;
        let mut writes = vec![ctx.program.add(y)];
        for _ in 0..states {
            writes.push(ctx.temporary(element::F32, &[self.directions, batch, hidden]));
        }
        writes.push(ctx.temporary(element::F32, &[scratch]));
        writes
    }

    pub fn macs(&self, gates: usize) -> u64 {
        let [steps, batch, inputs, hidden] = self.sizes.map(u64::from);
        steps * batch * self.directions as u64 * gates as u64 * hidden * (inputs + hidden)
    }

    /// Binds the outputs to what was written.
    pub fn bind(&self, ctx: &mut LowerContext, writes: &[TensorId]) -> Result<(), OpError> {
        for (k, &tensor) in writes.iter().enumerate().take(ctx.outputs.len()) {
            let perm = match (self.batch_first, k) {
                (false, _) => &[0, 1, 2, 3][..if k == 0 { 4 } else { 3 }],
                (true, 0) => &Y_BATCH_FIRST[..],
                (true, _) => &SWAPPED[..],
            };
            let tensor = permuted(ctx, tensor, perm)?;
            ctx.bind(k, tensor);
        }
        Ok(())
    }
}

fn lengths(ctx: &mut LowerContext) -> Result<TensorId, OpError> {
    match ctx.constant(4) {
        Some(t) => Ok(ctx.add_constant(&Tensor::from_i64(DataType::I32, t.shape(), &t.to_i64()))),
        None => ctx.any(4),
    }
}

fn emit<A: ocellus_plan::Arguments>(
    ctx: &mut LowerContext,
    layer: &Layer,
    args: A,
    states: usize,
    gates: usize,
) -> Result<(), OpError> {
    let [steps, _, _, hidden] = layer.sizes.map(|n| n as usize);
    let writes = layer.writes(ctx, states, steps.min(STEPS_AHEAD) * gates * hidden);
    let step = ctx.emit(args, &writes, &[]);
    step.reads.clone_from(&layer.reads);
    step.macs = layer.macs(gates);
    layer.bind(ctx, &writes[..=states])
}

/// `LSTM`.
pub(super) fn lstm(ctx: &mut LowerContext) -> Result<(), OpError> {
    let mut layer = Layer::float(ctx, 4, &["Sigmoid", "Tanh", "Tanh"])?;
    layer.reads.push(if ctx.has(6) { Some(layer.turned(ctx, 6)?) } else { None });
    layer.reads.push(if ctx.has(7) { Some(ctx.float(7)?) } else { None });
    let [steps, batch, inputs, hidden] = layer.sizes;
    let input_forget = u32::from(ctx.int("input_forget", 0) != 0);
    let (direction, clip, activations) = (layer.direction, layer.clip, layer.activations());
    let args = Lstm { steps, batch, inputs, hidden, direction, clip, input_forget, activations };
    emit(ctx, &layer, args, 2, 4)
}

/// `GRU`.
pub(super) fn gru(ctx: &mut LowerContext) -> Result<(), OpError> {
    let layer = Layer::float(ctx, 3, &["Sigmoid", "Tanh"])?;
    let [steps, batch, inputs, hidden] = layer.sizes;
    let linear_before_reset = u32::from(ctx.int("linear_before_reset", 0) != 0);
    let (direction, clip, activations) = (layer.direction, layer.clip, layer.activations());
    let args = Gru { steps, batch, inputs, hidden, direction, clip, linear_before_reset, activations };
    emit(ctx, &layer, args, 1, 3)
}

/// `RNN`.
pub(super) fn rnn(ctx: &mut LowerContext) -> Result<(), OpError> {
    let layer = Layer::float(ctx, 1, &["Tanh"])?;
    let [steps, batch, inputs, hidden] = layer.sizes;
    let (direction, clip, activations) = (layer.direction, layer.clip, layer.activations());
    emit(ctx, &layer, Rnn { steps, batch, inputs, hidden, direction, clip, activations }, 1, 1)
}
