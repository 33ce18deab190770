//! Lowering of normalizations.

use ocellus_graph::Tensor;
use ocellus_plan::args::{Binary, BinaryFunction, Lrn, ReduceFunction, UnaryFunction, element};

use super::binary_lower::{broadcast, pair};
use super::reduce_lower::reduced;
use crate::lower::moves::reshaped;
use crate::lower::unary::apply;
use crate::lower::{DeviceTensor, LowerContext, TensorId};
use crate::{Fold, FoldContext, OpError};

/// `LRN`.
pub(super) fn lrn(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.float(0)?;
    let &[_, c, ..] = ctx.shape(0) else { return Err(ctx.error("input 0 has to be [N, C, ...]")) };
    if ctx.shape(0).len() != 4 {
        return Err(ctx.error("normalizes tensors of rank 4 on the device"));
    }
    let pixels = ctx.shape(0).iter().product::<usize>() / c.max(1);
    let args = Lrn {
        pixels: pixels as u32,
        channels: c as u32,
        size: ctx.int("size", 1) as u32,
        alpha: ctx.float_attribute("alpha", 0.0001),
        beta: ctx.float_attribute("beta", 0.75),
        bias: ctx.float_attribute("bias", 1.0),
    };
    let y = ctx.output_plain_f32();
    ctx.emit(args, &[y], &[x]);
    Ok(())
}

/// `BatchNormalization` that no linear operator before it could absorb: a product and a sum.
pub(super) fn batch_normalization(ctx: &mut LowerContext) -> Result<(), OpError> {
    let constants: Vec<Option<Tensor>> = (0..ctx.inputs.len()).map(|i| ctx.constant(i)).collect();
    let types = vec![None; constants.len()];
    let Fold::Affine(rule) = super::batch_normalization::OP.fold else { return Err(ctx.error("has no affine form")) };
    let affine = rule(&FoldContext { node: ctx.node, constants: &constants, types: &types });
    let affine = affine.ok_or_else(|| ctx.error("needs constant scale, bias, mean and variance on the device"))?;
    let shape = ctx.output_shape();
    let mut current = ctx.float(0)?;
    let spatial = vec![1usize; shape.len().saturating_sub(2)];
    for (function, values) in [(BinaryFunction::Mul, &affine.scale), (BinaryFunction::Add, &affine.shift)] {
        let sizes: Vec<usize> = std::iter::once(values.len()).chain(spatial.iter().copied()).collect();
        let vector = ctx.add_constant(&Tensor::of(&sizes, values.iter().map(|&v| v as f32).collect::<Vec<f32>>()));
        let y = ctx.program.add(DeviceTensor::new(element::F32, &shape, None));
        let broadcast = broadcast(ctx, current, vector, y)?;
        let last = function == BinaryFunction::Add;
        ctx.taken.0 = last && ctx.fusion.clamp.is_some();
        let (low, high) = match ctx.fusion.clamp {
            Some(limits) if last => limits,
            _ => (f32::NEG_INFINITY, f32::INFINITY),
        };
        let args = Binary { function: function as u32, element: element::F32, broadcast, low, high };
        ctx.emit(args, &[y], &[current, vector]).in_place = vec![0];
        current = y;
    }
    ctx.bind(0, current);
    Ok(())
}

/// An f32 tensor normalized over some axes, which its statistics keep with size 1.
struct Normalized {
    mean: TensorId,
    inverse: TensorId,
    value: TensorId,
}

/// `(x - mean) / sqrt(variance + epsilon)` over `axes`.
fn normalized(ctx: &mut LowerContext, x: TensorId, axes: &[usize], epsilon: f32) -> Result<Normalized, OpError> {
    let mean = reduced(ctx, ReduceFunction::Mean, x, axes)?;
    let centered = pair(ctx, BinaryFunction::Sub, x, mean)?;
    let square = pair(ctx, BinaryFunction::Mul, centered, centered)?;
    let variance = reduced(ctx, ReduceFunction::Mean, square, axes)?;
    let shifted = apply(ctx, UnaryFunction::Affine, variance, 1.0, epsilon);
    let deviation = apply(ctx, UnaryFunction::Sqrt, shifted, 0.0, 0.0);
    let inverse = apply(ctx, UnaryFunction::Reciprocal, deviation, 0.0, 0.0);
    let value = pair(ctx, BinaryFunction::Mul, centered, inverse)?;
    Ok(Normalized { mean, inverse, value })
}

/// `x * scale + bias` with inputs 1 and 2, one number per channel.
fn per_channel(ctx: &mut LowerContext, x: TensorId) -> Result<TensorId, OpError> {
    let mut current = x;
    for (input, function) in [(1, BinaryFunction::Mul), (2, BinaryFunction::Add)] {
        let mut shape = vec![1; ctx.shape(0).len() - 1];
        shape[0] = ctx.shape(0)[1];
        let vector = ctx.float(input)?;
        let vector = reshaped(ctx, vector, &shape)?;
        current = pair(ctx, function, current, vector)?;
    }
    Ok(current)
}

/// `InstanceNormalization`.
pub(super) fn instance(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.float(0)?;
    let axes: Vec<usize> = (2..ctx.shape(0).len()).collect();
    let n = normalized(ctx, x, &axes, ctx.float_attribute("epsilon", 1e-5))?;
    let y = per_channel(ctx, n.value)?;
    ctx.bind(0, y);
    Ok(())
}

/// `GroupNormalization`, over the last axis of `[N, groups, rest]`.
pub(super) fn group(ctx: &mut LowerContext) -> Result<(), OpError> {
    let shape = ctx.shape(0).to_vec();
    let groups = usize::try_from(ctx.int("num_groups", 1)).ok().filter(|&g| g > 0);
    let groups = groups.ok_or_else(|| ctx.error("num_groups has to be positive"))?;
    let rest = shape.iter().skip(1).product::<usize>() / groups;
    let x = ctx.float(0)?;
    let x = reshaped(ctx, x, &[shape[0], groups, rest])?;
    let n = normalized(ctx, x, &[2], ctx.float_attribute("epsilon", 1e-5))?;
    let value = reshaped(ctx, n.value, &shape)?;
    let y = per_channel(ctx, value)?;
    ctx.bind(0, y);
    Ok(())
}

/// `LayerNormalization`, with its statistics.
pub(super) fn layer(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.float_stored(0)?;
    let rank = ctx.shape(0).len();
    let first = crate::shapes::axis(ctx.int("axis", -1), rank).ok_or_else(|| ctx.error("axis is out of range"))?;
    let axes: Vec<usize> = (first..rank).collect();
    let n = normalized(ctx, x, &axes, ctx.float_attribute("epsilon", 1e-5))?;
    let mut y = n.value;
    for (input, function) in [(1, BinaryFunction::Mul), (2, BinaryFunction::Add)] {
        if ctx.has(input) {
            let operand = ctx.float(input)?;
            y = pair(ctx, function, y, operand)?;
        }
    }
    for (k, tensor) in [y, n.mean, n.inverse].into_iter().enumerate().take(ctx.outputs.len()) {
        ctx.bind(k, tensor);
    }
    Ok(())
}

/// `LpNormalization`. A line without length stays 0.
pub(super) fn lp(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.float(0)?;
    let rank = ctx.shape(0).len();
    let axis = crate::shapes::axis(ctx.int("axis", -1), rank).ok_or_else(|| ctx.error("axis is out of range"))?;
    let function = if ctx.int("p", 2) == 1 { ReduceFunction::L1 } else { ReduceFunction::L2 };
    let norm = reduced(ctx, function, x, &[axis])?;
    let norm = apply(ctx, UnaryFunction::Clip, norm, f32::MIN_POSITIVE, f32::INFINITY);
    let y = pair(ctx, BinaryFunction::Div, x, norm)?;
    ctx.bind(0, y);
    Ok(())
}
