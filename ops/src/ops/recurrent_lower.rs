//! Lowering of RNN, LSTM and GRU, in f32.

use ocellus_graph::{DataType, Tensor};
use ocellus_plan::args::{Gru, Lstm, Rnn, element};

use crate::OpError;
use crate::lower::moves::reorder;
use crate::lower::{DeviceTensor, LowerContext, TensorId};

/// What the three layers share: sizes, and the operands in the order of the device.
struct Layer {
    sizes: [u32; 4],
    directions: usize,
    direction: u32,
    clip: f32,
    activations: Vec<String>,
    reads: Vec<Option<TensorId>>,
}

impl Layer {
    /// Reads the node; `gates` per step.
    fn of(ctx: &mut LowerContext, gates: usize) -> Result<Self, OpError> {
        if ctx.int("layout", 0) != 0 {
            return Err(ctx.error("has layout 1; the device has layout 0 ([steps, batch, inputs])"));
        }
        for list in ["activation_alpha", "activation_beta"] {
            if ctx.node.attributes.floats(list).is_some_and(|v| !v.is_empty()) {
                return Err(ctx.error(format!("has {list}; the device has the default activations")));
            }
        }
        let &[steps, batch, inputs] = ctx.shape(0) else {
            return Err(ctx.error("input 0 has to be [steps, batch, inputs]"));
        };
        let &[directions, rows, hidden] = ctx.shape(2) else {
            return Err(ctx.error("input 2 has to be [directions, gates * hidden, hidden]"));
        };
        if rows != gates * hidden {
            return Err(ctx.error(format!("input 2 has {rows} rows; {} are expected", gates * hidden)));
        }
        let direction = match ctx.node.attributes.string("direction").unwrap_or("forward") {
            "forward" => 0,
            "reverse" => 1,
            "bidirectional" => 2,
            other => return Err(ctx.error(format!("direction {other:?} is not known"))),
        };
        let activations = ctx.node.attributes.strings("activations").unwrap_or(&[]).to_vec();
        let x = ctx.float(0)?;
        let (w, r) = (ctx.float(1)?, ctx.float(2)?);
        let bias = if ctx.has(3) { ctx.float(3)? } else { ctx.f32s(&vec![0.0; directions * 2 * rows]) };
        let mut reads = vec![Some(x), Some(w), Some(r), Some(bias)];
        reads.push(if ctx.has(4) { Some(lengths(ctx)?) } else { None });
        reads.push(if ctx.has(5) { Some(ctx.float(5)?) } else { None });
        let clip = ctx.node.attributes.float("clip").unwrap_or(f32::INFINITY);
        let sizes = [steps as u32, batch as u32, inputs as u32, hidden as u32];
        Ok(Self { sizes, directions, direction, clip, activations, reads })
    }

    fn require(&self, ctx: &LowerContext, default: &[&str]) -> Result<(), OpError> {
        let same = self.activations.iter().zip(default.iter().cycle()).all(|(a, b)| a.eq_ignore_ascii_case(b));
        if same {
            Ok(())
        } else {
            Err(ctx.error(format!("has activations {:?}; the device has {default:?}", self.activations)))
        }
    }

    /// Tensors for all outputs, those that nobody wants too, then scratch.
    fn writes(&self, ctx: &mut LowerContext, states: usize, gates: usize) -> Vec<TensorId> {
        let [steps, batch, _, hidden] = self.sizes.map(|n| n as usize);
        let mut y = DeviceTensor::new(element::F32, &[steps, self.directions, batch, hidden], None);
        y.plain = true;
        let mut writes = vec![ctx.program.add(y)];
        for _ in 0..states {
            writes.push(ctx.temporary(element::F32, &[self.directions, batch, hidden]));
        }
        writes.push(ctx.temporary(element::F32, &[batch * gates * hidden]));
        writes
    }

    fn macs(&self, gates: usize) -> u64 {
        let [steps, batch, inputs, hidden] = self.sizes.map(u64::from);
        steps * batch * self.directions as u64 * gates as u64 * hidden * (inputs + hidden)
    }
}

fn lengths(ctx: &mut LowerContext) -> Result<TensorId, OpError> {
    match ctx.constant(4) {
        Some(t) => Ok(ctx.add_constant(&Tensor::from_i64(DataType::I32, t.shape(), &t.to_i64()))),
        None => ctx.any(4),
    }
}

/// Binds the outputs to what was written.
fn bind(ctx: &mut LowerContext, writes: &[TensorId]) -> Result<(), OpError> {
    for (k, &tensor) in writes.iter().enumerate().take(ctx.outputs.len()) {
        let tensor = reorder(ctx, tensor, false)?;
        ctx.bind(k, tensor);
    }
    Ok(())
}

fn emit<A: ocellus_plan::Arguments>(
    ctx: &mut LowerContext,
    layer: &Layer,
    args: A,
    states: usize,
    gates: usize,
) -> Result<(), OpError> {
    let writes = layer.writes(ctx, states, gates);
    let macs = layer.macs(gates);
    let step = ctx.emit(args, &writes, &[]);
    step.reads.clone_from(&layer.reads);
    step.macs = macs;
    bind(ctx, &writes[..=states])
}

/// `LSTM`.
pub(super) fn lstm(ctx: &mut LowerContext) -> Result<(), OpError> {
    let mut layer = Layer::of(ctx, 4)?;
    layer.require(ctx, &["Sigmoid", "Tanh", "Tanh"])?;
    for i in [6, 7] {
        layer.reads.push(if ctx.has(i) { Some(ctx.float(i)?) } else { None });
    }
    let [steps, batch, inputs, hidden] = layer.sizes;
    let input_forget = u32::from(ctx.int("input_forget", 0) != 0);
    let args = Lstm { steps, batch, inputs, hidden, direction: layer.direction, clip: layer.clip, input_forget };
    emit(ctx, &layer, args, 2, 4)
}

/// `GRU`.
pub(super) fn gru(ctx: &mut LowerContext) -> Result<(), OpError> {
    let layer = Layer::of(ctx, 3)?;
    layer.require(ctx, &["Sigmoid", "Tanh"])?;
    let [steps, batch, inputs, hidden] = layer.sizes;
    let linear_before_reset = u32::from(ctx.int("linear_before_reset", 0) != 0);
    let args = Gru { steps, batch, inputs, hidden, direction: layer.direction, clip: layer.clip, linear_before_reset };
    emit(ctx, &layer, args, 1, 3)
}

/// `RNN`.
pub(super) fn rnn(ctx: &mut LowerContext) -> Result<(), OpError> {
    let layer = Layer::of(ctx, 1)?;
    let relu = layer.activations.first().is_some_and(|a| a.eq_ignore_ascii_case("relu"));
    layer.require(ctx, if relu { &["Relu"] } else { &["Tanh"] })?;
    let [steps, batch, inputs, hidden] = layer.sizes;
    let args =
        Rnn { steps, batch, inputs, hidden, direction: layer.direction, clip: layer.clip, relu: u32::from(relu) };
    emit(ctx, &layer, args, 1, 1)
}
