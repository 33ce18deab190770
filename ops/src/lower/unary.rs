//! Elementwise functions of one operand: a table in int8, a unary step in float.

use ocellus_graph::Tensor;
use ocellus_plan::args::{Unary, UnaryFunction};

use super::LowerContext;
use crate::{OpError, evaluate_node};

/// Lowers an elementwise function. In int8 the table is filled by the operator's own evaluation.
pub(crate) fn lower(ctx: &mut LowerContext, function: UnaryFunction, alpha: f32, beta: f32) -> Result<(), OpError> {
    if table(ctx)? {
        return Ok(());
    }
    let x = ctx.float(0)?;
    let y = ctx.output_plain_f32();
    let len = ctx.program.tensors[x].len() as u32;
    ctx.program.tensors[y].plain = ctx.program.tensors[x].plain;
    ctx.emit(Unary { function: function as u32, len, alpha, beta }, &[y], &[x]).in_place = vec![0];
    Ok(())
}

/// Lowers to a table where input and output are int8; says whether it did.
pub(crate) fn table(ctx: &mut LowerContext) -> Result<bool, OpError> {
    let Some(((x, from), to)) = ctx.quantized(0).zip(ctx.fusion.quant) else { return Ok(false) };
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
