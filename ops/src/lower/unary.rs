//! Elementwise functions of one operand: a table in int8, a unary step in float.

use ocellus_graph::Tensor;
use ocellus_plan::args::{Unary, UnaryFunction, element};

use super::{DeviceTensor, LowerContext, TensorId};
use crate::{OpError, evaluate_node};

/// Lowers an elementwise function. In int8 the table is filled by the operator's own evaluation.
pub(crate) fn lower(ctx: &mut LowerContext, function: UnaryFunction, alpha: f32, beta: f32) -> Result<(), OpError> {
    if table(ctx)? {
        return Ok(());
    }
    let x = ctx.float_stored(0)?;
    let y = apply(ctx, function, x, alpha, beta);
    ctx.bind(0, y);
    Ok(())
}

/// A function of every element of an f32 tensor.
pub(crate) fn apply(ctx: &mut LowerContext, function: UnaryFunction, x: TensorId, alpha: f32, beta: f32) -> TensorId {
    let mut y = DeviceTensor::new(element::F32, &ctx.program.tensors[x].shape.clone(), None);
    y.plain = ctx.program.tensors[x].plain;
    let len = y.len() as u32;
    let y = ctx.program.add(y);
    ctx.emit(Unary { function: function as u32, len, alpha, beta }, &[y], &[x]).in_place = vec![0];
    y
}

/// Lowers to a table where input and output are int8; says whether it did.
pub(crate) fn table(ctx: &mut LowerContext) -> Result<bool, OpError> {
    let Some(((x, from), to)) = ctx.quantized_stored(0).zip(ctx.fusion.quant) else { return Ok(false) };
    let reals: Vec<f32> = (i8::MIN..=i8::MAX).map(|q| from.dequantize(q)).collect();
    let input = Tensor::of(&[256], reals);
    let constants: Vec<Option<Tensor>> = (1..ctx.inputs.len()).map(|i| ctx.constant(i)).collect();
    let inputs: Vec<_> = std::iter::once(Some(&input)).chain(constants.iter().map(Option::as_ref)).collect();
    let values = evaluate_node(ctx.node, &inputs)?.remove(0).to_f32();
    let (low, high) = ctx.fusion.clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
    let (y, ..) = ctx.output_i8(to);
    ctx.program.tensors[y].plain = ctx.program.tensors[x].plain;
    ctx.table(x, y, |v| {
        let place = i32::from(from.quantize(v)) + 128;
        values[place as usize].max(low).min(high)
    })?;
    Ok(true)
}
