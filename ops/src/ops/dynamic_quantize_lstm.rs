//! `DynamicQuantizeLSTM`: an LSTM with 8-bit weights whose inputs are quantized on the way (com.microsoft, version 1).
//!
//! x is quantized with the scale of its own range, the state of a sequence likewise at every step. Weights are
//! `[D, I, 4 * H]` and `[D, H, 4 * H]`, turned against those of LSTM, with one scale and zero point for every direction or
//! for every column.

use ocellus_graph::{DataType, Dim, Shape, Tensor};
use ocellus_plan::args::{LstmDynamic, element};

use super::dynamic_quantize_linear::parameters;
use super::lstm::{FAMILY, cell, is_coupled};
use super::recurrent::{self, Settings};
use super::recurrent_lower::Layer;
use crate::lower::{Constant, DeviceTensor, LowerContext, ProductWeights, TensorId};
use crate::{EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { domain: "com.microsoft", eval: Some(eval), lower: Some(lower), ..OpDef::new("DynamicQuantizeLSTM", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let settings = Settings::of_node(ctx.node, &FAMILY)?;
    if settings.batch_first {
        return Err(ctx.error("has layout 1, which this operator does not have"));
    }
    let x = ctx.input(0)?;
    let [steps, batch, _] = &x.shape[..] else {
        return Err(ctx.error(format!("input 0 has shape {}; [steps, batch, inputs] is expected", x.shape)));
    };
    for i in [1, 2] {
        let w = ctx.input(i)?;
        if w.shape.rank() != 3 || !matches!(w.dtype, DataType::I8 | DataType::U8) {
            return Err(ctx.error(format!("input {i} is {} {}; 8 bits of rank 3 are expected", w.dtype, w.shape)));
        }
    }
    let (hidden, directions) = (ctx.input(2)?.shape[1].clone(), Dim::Known(settings.reversals.len()));
    let state = ValueType::new(x.dtype, Shape(vec![directions.clone(), batch.clone(), hidden.clone()]));
    let y = ValueType::new(x.dtype, Shape(vec![steps.clone(), directions, batch.clone(), hidden]));
    Ok(vec![y, state.clone(), state])
}

/// The integers of input `index` as rows `[D][4 * H][K]` with a scale and a zero point for every row; uint8 has
/// everything 128 lower.
fn weights(tensor: &Tensor, scale: &Tensor, zero: Option<&Tensor>) -> Result<ProductWeights, String> {
    let &[directions, inputs, outputs] = tensor.shape() else { return Err("the weights have no three axes".into()) };
    let count = directions * outputs;
    let spread = |values: Vec<f64>| -> Result<Vec<f64>, String> {
        match values.len() {
            n if n == count => Ok(values),
            n if n == directions => Ok((0..count).map(|k| values[k / outputs]).collect()),
            n => Err(format!("{n} scales or zero points for {directions} directions of {outputs} columns")),
        }
    };
    let shift = if tensor.dtype() == DataType::U8 { 128 } else { 0 };
    let zeros = zero.map_or_else(|| vec![0.0; directions], Tensor::to_f64);
    let values = tensor.to_i64();
    let place = |row: usize, k: usize| (row / outputs * inputs + k) * outputs + row % outputs;
    let rows = (0..count).flat_map(|row| (0..inputs).map(move |k| place(row, k)));
    Ok(ProductWeights {
        inputs,
        outputs,
        rows: rows.map(|p| (values[p] - shift) as i8).collect(),
        scales: spread(scale.to_f64())?.into_iter().map(|s| s as f32).collect(),
        zero_points: spread(zeros)?.into_iter().map(|z| z as i32 - shift as i32).collect(),
    })
}

/// The weights as LSTM has them.
fn real(w: &ProductWeights, directions: usize) -> Tensor {
    let value = |(k, &v): (usize, &i8)| {
        f64::from(i32::from(v) - w.zero_points[k / w.inputs]) * f64::from(w.scales[k / w.inputs])
    };
    let values: Vec<f64> = w.rows.iter().enumerate().map(value).collect();
    Tensor::of(&[directions, w.outputs, w.inputs], values)
}

/// A vector as its levels have it.
fn levelled(values: &[f64]) -> Vec<f64> {
    let floats: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    let (scale, zero) = parameters(&floats);
    let level = |v: f32| (f64::from(v / scale).round_ties_even() + f64::from(zero)).clamp(0.0, 255.0);
    floats.into_iter().map(|v| (level(v) - f64::from(zero)) * f64::from(scale)).collect()
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let settings = Settings::of_node(ctx.node, &FAMILY)?;
    let directions = settings.reversals.len();
    let weights = |i: usize| -> Result<Tensor, OpError> {
        let w = weights(ctx.input(i)?, ctx.input(6 + 2 * i)?, ctx.optional(7 + 2 * i)).map_err(|e| ctx.error(e))?;
        Ok(real(&w, directions))
    };
    let x = ctx.input(0)?;
    let levels = Tensor::from_f64(x.dtype(), x.shape(), &levelled(&x.to_f64()));
    let (w, r) = (weights(1)?, weights(2)?);
    let inputs: Vec<Option<&Tensor>> =
        [Some(&levels), Some(&w), Some(&r)].into_iter().chain((3..8).map(|i| ctx.optional(i))).collect();
    let coupled = is_coupled(ctx.node);
    recurrent::eval(&EvalContext { node: ctx.node, inputs: &inputs }, &FAMILY, |settings, p, x, states| {
        if let Some(hidden) = states.first_mut() {
            *hidden = levelled(hidden);
        }
        cell(coupled, settings, p, x, states);
    })
}

/// Packed weights of input `index`.
fn packed(ctx: &mut LowerContext, index: usize) -> Result<TensorId, OpError> {
    let tensor = ctx.required_constant(index)?;
    let scale = ctx.required_constant(6 + 2 * index)?;
    let zero = if ctx.has(7 + 2 * index) { Some(ctx.required_constant(7 + 2 * index)?) } else { None };
    let weights = weights(&tensor, &scale, zero.as_ref()).map_err(|e| ctx.error(e))?;
    let mut w = DeviceTensor::new(element::I8, &[weights.rows.len()], None);
    w.constant = Some(Constant::Product(weights));
    Ok(ctx.program.add(w))
}

fn lower(ctx: &mut LowerContext) -> Result<(), OpError> {
    let &[_, hidden, _] = ctx.shape(2) else { return Err(ctx.error("input 2 has to have three axes")) };
    let mut layer = Layer::of(ctx, 4, hidden, FAMILY.activations)?;
    layer.reads[1] = Some(packed(ctx, 1)?);
    layer.reads[2] = Some(packed(ctx, 2)?);
    layer.reads.push(if ctx.has(6) { Some(ctx.float(6)?) } else { None });
    layer.reads.push(if ctx.has(7) { Some(ctx.float(7)?) } else { None });
    let [steps, batch, inputs, hidden] = layer.sizes;
    let input_forget = u32::from(is_coupled(ctx.node));
    let (direction, clip, activations) = (layer.direction, layer.clip, layer.activations());
    let args = LstmDynamic { steps, batch, inputs, hidden, direction, clip, input_forget, activations };
    let scratch = 16 * hidden + steps * batch * inputs.div_ceil(4) + hidden.div_ceil(4);
    let writes = layer.writes(ctx, 2, scratch as usize);
    let step = ctx.emit(args, &writes, &[]);
    step.reads.clone_from(&layer.reads);
    step.macs = layer.macs(4);
    layer.bind(ctx, &writes[..3])
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Node;

    use super::*;

    #[test]
    fn levels_stand_in_for_the_inputs() {
        // Levels of 1/255 from 0 to 1: all values are met.
        assert_eq!(levelled(&[0.0, 1.0]), [0.0, f64::from(1f32 / 255.0) * 255.0]);
        let off = levelled(&[-1.0, 0.001, 1.0])[1];
        assert!(off.abs() < 0.008, "{off}");
    }

    #[test]
    fn one_unit_by_hand() {
        let node = Node::new("DynamicQuantizeLSTM", [], []);
        let x = Tensor::of(&[1, 1, 1], vec![1f32]);
        let (w, r) = (Tensor::of(&[1, 1, 4], vec![10i8, -10, 20, 40]), Tensor::of(&[1, 1, 4], vec![0i8; 4]));
        let (scale, zero) = (Tensor::vector(&[0.05f32]), Tensor::vector(&[0i8]));
        let mut inputs = vec![None; 12];
        for (i, t) in [(0, &x), (1, &w), (2, &r), (8, &scale), (9, &zero), (10, &scale), (11, &zero)] {
            inputs[i] = Some(t);
        }
        let y = eval(&EvalContext { node: &node, inputs: &inputs }).unwrap();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let c = sigmoid(0.5) * 2f64.tanh();
        assert!((y[0].to_f64()[0] - sigmoid(-0.5) * c.tanh()).abs() < 1e-6);
        assert!((y[2].to_f64()[0] - c).abs() < 1e-6);
    }

    #[test]
    fn unsigned_weights_are_shifted() {
        let w = Tensor::of(&[1, 2, 1], vec![0u8, 255]);
        let found = weights(&w, &Tensor::vector(&[0.5f32]), Some(&Tensor::vector(&[128u8]))).unwrap();
        assert_eq!((found.rows, found.zero_points), (vec![-128, 127], vec![0]));
        assert!(weights(&w, &Tensor::vector(&[0.5f32, 1.0]), None).is_err());
    }
}
