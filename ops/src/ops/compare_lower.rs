//! Lowering of comparisons, logic and choices: truth values are bytes on the device.

use ocellus_graph::Tensor;
use ocellus_plan::args::{Compare, CompareFunction, Select, TableI8, UnaryFunction, element};

use super::binary_lower::broadcast;
use crate::OpError;
use crate::lower::moves::six;
use crate::lower::unary::apply;
use crate::lower::{DeviceTensor, LowerContext, TensorId, element_bytes};

/// An input as it is, an int8 that stands for floats as floats.
fn operand(ctx: &mut LowerContext, index: usize) -> Result<TensorId, OpError> {
    if ctx.quantized(index).is_some() { ctx.float(index) } else { ctx.any(index) }
}

/// Lowers a comparison or a logical operator; `order` says which inputs are a and b.
pub(super) fn lower(ctx: &mut LowerContext, function: CompareFunction, order: [usize; 2]) -> Result<(), OpError> {
    let (a, b) = (operand(ctx, order[0])?, operand(ctx, order[1])?);
    emit(ctx, function, a, b)
}

fn emit(ctx: &mut LowerContext, function: CompareFunction, a: TensorId, b: TensorId) -> Result<(), OpError> {
    let element = ctx.program.tensors[a].element;
    if element != ctx.program.tensors[b].element {
        return Err(ctx.error("has operands of different types, which the device does not compare"));
    }
    let y = ctx.bind_new(0, element::BOOL, None);
    let args = Compare { function: function as u32, element, broadcast: broadcast(ctx, a, b, y)? };
    ctx.emit(args, &[y], &[a, b]);
    Ok(())
}

/// `Not`: a table that has 1 at 0 alone.
pub(super) fn not(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.any(0)?;
    let y = ctx.bind_new(0, element::BOOL, None);
    ctx.program.tensors[y].plain = ctx.program.tensors[x].plain;
    let table = ctx.i8s(&(i8::MIN..=i8::MAX).map(|q| i8::from(q == 0)).collect::<Vec<_>>());
    let len = ctx.program.tensors[x].len() as u32;
    ctx.emit(TableI8 { len }, &[y], &[x, table]).in_place = vec![0];
    Ok(())
}

/// `IsNaN`: what does not equal itself.
pub(super) fn is_nan(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.float(0)?;
    emit(ctx, CompareFunction::NotEqual, x, x)
}

/// `IsInf`: what equals an infinity, or nothing where neither sign is wanted.
pub(super) fn is_inf(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.float(0)?;
    let (x, value) = match (ctx.int("detect_negative", 1) != 0, ctx.int("detect_positive", 1) != 0) {
        (true, true) => (apply(ctx, UnaryFunction::Abs, x, 0.0, 0.0), f32::INFINITY),
        (true, false) => (x, f32::NEG_INFINITY),
        (false, true) => (x, f32::INFINITY),
        (false, false) => (x, f32::NAN),
    };
    let value = ctx.add_constant(&Tensor::scalar(value));
    emit(ctx, CompareFunction::Equal, x, value)
}

/// `Where`. Two int8 of one scale stay int8.
pub(super) fn select(ctx: &mut LowerContext) -> Result<(), OpError> {
    let condition = ctx.any(0)?;
    let quants = (ctx.quantized(1), ctx.quantized(2));
    let (a, b) = match quants {
        (Some((a, p)), Some((b, q))) if p == q => (a, b),
        _ => (operand(ctx, 1)?, operand(ctx, 2)?),
    };
    let (element, quant) = (ctx.program.tensors[a].element, ctx.program.tensors[a].quant);
    if ctx.program.tensors[condition].element != element::BOOL || element != ctx.program.tensors[b].element {
        return Err(ctx.error("chooses between two tensors of one type by a bool"));
    }
    let y = DeviceTensor::new(element, &ctx.output_shape(), quant);
    let column = |ctx: &LowerContext, id: TensorId| -> Result<[u32; 6], OpError> {
        let t = &ctx.program.tensors[id];
        let (own, skip) = (t.strides(), y.shape.len() - t.shape.len());
        let stride = |axis: usize| if axis < skip || t.shape[axis - skip] == 1 { 0 } else { own[axis - skip] as u32 };
        let strides: Vec<u32> = y.order().into_iter().map(stride).collect();
        six(&strides, 0).ok_or_else(|| ctx.error("has more than 6 axes"))
    };
    let sizes: Vec<u32> = y.order().into_iter().map(|axis| y.shape[axis] as u32).collect();
    let args = Select {
        element_bytes: element_bytes(element) as u32,
        sizes: six(&sizes, 1).ok_or_else(|| ctx.error("has more than 6 axes"))?,
        condition_strides: column(ctx, condition)?,
        a_strides: column(ctx, a)?,
        b_strides: column(ctx, b)?,
    };
    let y = ctx.program.add(y);
    ctx.emit(args, &[y], &[condition, a, b]);
    ctx.bind(0, y);
    Ok(())
}
