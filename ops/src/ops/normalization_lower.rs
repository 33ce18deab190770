//! Lowering of normalizations with fixed statistics.

use ocellus_graph::Tensor;
use ocellus_plan::args::{Binary, BinaryFunction, Lrn, element};

use super::binary_lower::broadcast;
use crate::lower::{DeviceTensor, LowerContext};
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
        let last = function == BinaryFunction::Add;
        ctx.taken.0 = last && ctx.fusion.clamp.is_some();
        let (low, high) = match ctx.fusion.clamp {
            Some(limits) if last => limits,
            _ => (f32::NEG_INFINITY, f32::INFINITY),
        };
        let broadcast = broadcast(ctx, current, vector, &shape)?;
        let args = Binary { function: function as u32, element: element::F32, broadcast, low, high };
        ctx.emit(args, &[y], &[current, vector]).in_place = vec![0];
        current = y;
    }
    ctx.bind(0, current);
    Ok(())
}
