//! Lowering of elementwise operators with two operands.

use ocellus_plan::args::{AddI8, Binary, BinaryFunction, Broadcast, MulI8};

use super::gated_lower::gated;
use crate::OpError;
use crate::lower::moves::{reorder, six};
use crate::lower::{DeviceTensor, Elementwise, LowerContext, LowerInput, TensorId};

/// Whether an output of this shape is stored in the model's order, as the first operand of its shape is; another operand of that
/// shape is brought to that order.
fn in_one_order(ctx: &mut LowerContext, operands: &mut [TensorId; 2], shape: &[usize]) -> Result<bool, OpError> {
    let whole = |ctx: &LowerContext, id: TensorId| ctx.program.tensors[id].shape == shape;
    let first = operands.iter().copied().find(|&id| whole(ctx, id));
    let plain = first.is_some_and(|id| ctx.program.tensors[id].plain);
    for id in operands {
        if whole(ctx, *id) && ctx.program.tensors[*id].plain != plain {
            *id = reorder(ctx, *id, plain)?;
        }
    }
    Ok(plain)
}

/// How `a` and `b` meet in an output `y`.
pub(super) fn broadcast(ctx: &LowerContext, a: TensorId, b: TensorId, y: TensorId) -> Result<Broadcast, OpError> {
    let y = &ctx.program.tensors[y];
    let shape = &y.shape;
    let strides = |id: TensorId| -> Vec<usize> {
        let t = &ctx.program.tensors[id];
        let (own, skip) = (t.strides(), shape.len() - t.shape.len());
        (0..shape.len()).map(|i| if i < skip || t.shape[i - skip] == 1 { 0 } else { own[i - skip] }).collect()
    };
    let (a, b) = (strides(a), strides(b));
    // Axes of the output in storage order, contiguous ones merged.
    let mut axes: Vec<[usize; 3]> = Vec::new();
    for axis in y.order() {
        let next = [shape[axis], a[axis], b[axis]];
        if next[0] == 1 {
            continue;
        }
        match axes.last_mut() {
            Some(outer) if outer[1] == next[1] * next[0] && outer[2] == next[2] * next[0] => {
                *outer = [outer[0] * next[0], next[1], next[2]];
            }
            _ => axes.push(next),
        }
    }
    let column = |k: usize, fill: u32| -> Result<[u32; 6], OpError> {
        let values: Vec<u32> = axes.iter().map(|a| a[k] as u32).collect();
        six(&values, fill).ok_or_else(|| ctx.error("broadcasts along more than 6 axes"))
    };
    Ok(Broadcast { sizes: column(0, 1)?, a_strides: column(1, 0)?, b_strides: column(2, 0)? })
}

/// The operands whose memory the output may take: they have its storage.
fn candidates(ctx: &LowerContext, y: TensorId, operands: &[TensorId]) -> Vec<usize> {
    let t = &ctx.program.tensors;
    let alike = |x: TensorId| t[x].shape == t[y].shape && t[x].plain == t[y].plain;
    let same = |&(_, &x): &(usize, &TensorId)| alike(x) && t[x].bytes() == t[y].bytes();
    operands.iter().enumerate().filter(same).map(|(i, _)| i).collect()
}

/// Lowers a binary operator; operators of more than two operands pairwise.
pub(super) fn lower(ctx: &mut LowerContext, function: BinaryFunction) -> Result<(), OpError> {
    if quantized(ctx, function)? {
        return Ok(());
    }
    let integers = matches!(ctx.outputs[0].1, ocellus_graph::DataType::I32 | ocellus_graph::DataType::I64);
    let operand = |ctx: &mut LowerContext, i: usize| if integers { ctx.stored(i) } else { ctx.float_stored(i) };
    let count = ctx.inputs.iter().filter(|i| !matches!(i, LowerInput::Absent)).count();
    let mut a = operand(ctx, 0)?;
    if function == BinaryFunction::Mul && !integers && gated(ctx, a)? {
        return Ok(());
    }
    if count == 1 {
        ctx.bind(0, a);
        return Ok(());
    }
    for i in 1..count {
        let b = operand(ctx, i)?;
        if ctx.program.tensors[a].element != ctx.program.tensors[b].element {
            return Err(ctx.error("has operands of different types, which the device does not combine"));
        }
        let last = i + 1 == count;
        let shape = if last { ctx.output_shape() } else { pair_shape(ctx, a, b)? };
        let (low, high) = match (last, integers) {
            (true, false) => {
                ctx.taken.0 = ctx.fusion.clamp.is_some();
                ctx.fusion.clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY))
            }
            _ => (f32::NEG_INFINITY, f32::INFINITY),
        };
        a = combine(ctx, function, [a, b], &shape, (low, high))?;
    }
    ctx.bind(0, a);
    Ok(())
}

/// A function of two tensors of one element, broadcast to `shape` and clamped.
fn combine(
    ctx: &mut LowerContext,
    function: BinaryFunction,
    mut operands: [TensorId; 2],
    shape: &[usize],
    (low, high): (f32, f32),
) -> Result<TensorId, OpError> {
    let plain = in_one_order(ctx, &mut operands, shape)?;
    let [a, b] = operands;
    let element = ctx.program.tensors[a].element;
    let y = ctx.program.add(DeviceTensor { plain, ..DeviceTensor::new(element, shape, None) });
    let args = Binary { function: function as u32, element, broadcast: broadcast(ctx, a, b, y)?, low, high };
    let places = candidates(ctx, y, &[a, b]);
    ctx.emit(args, &[y], &[a, b]).in_place = places;
    Ok(y)
}

/// A function of two f32 tensors, broadcast.
pub(super) fn pair(
    ctx: &mut LowerContext,
    function: BinaryFunction,
    a: TensorId,
    b: TensorId,
) -> Result<TensorId, OpError> {
    let shape = pair_shape(ctx, a, b)?;
    combine(ctx, function, [a, b], &shape, (f32::NEG_INFINITY, f32::INFINITY))
}

fn pair_shape(ctx: &LowerContext, a: TensorId, b: TensorId) -> Result<Vec<usize>, OpError> {
    let t = &ctx.program.tensors;
    crate::shapes::broadcast_sizes(&t[a].shape, &t[b].shape).ok_or_else(|| ctx.error("operands do not broadcast"))
}

/// The int8 forms of Add, Sub and Mul; says whether it was one.
fn quantized(ctx: &mut LowerContext, function: BinaryFunction) -> Result<bool, OpError> {
    let known = matches!(function, BinaryFunction::Add | BinaryFunction::Sub | BinaryFunction::Mul) && !ctx.has(2);
    let Some(to) = ctx.fusion.quant.filter(|_| known) else { return Ok(false) };
    let Some(((a, qa), (b, qb))) = ctx.quantized_stored(0).zip(ctx.quantized_stored(1)) else { return Ok(false) };
    let mut operands = [a, b];
    let plain = in_one_order(ctx, &mut operands, &ctx.output_shape())?;
    let [a, b] = operands;
    let (y, low, high) = ctx.output_i8(to);
    ctx.program.tensors[y].plain = plain;
    let broadcast = broadcast(ctx, a, b, y)?;
    let (a_zero_point, b_zero_point, zero_point) = (qa.zero_point, qb.zero_point, to.zero_point);
    let places = candidates(ctx, y, &[a, b]);
    let output = move |v: f32| {
        let v = v.max((low - zero_point) as f32).min((high - zero_point) as f32);
        (v.round_ties_even() as i32 + zero_point) as i8
    };
    let scale = (qa.scale * qb.scale) / to.scale;
    let sign = if function == BinaryFunction::Sub { -1.0 } else { 1.0 };
    let (a_scale, b_scale) = (qa.scale / to.scale, sign * (qb.scale / to.scale));
    let elementwise = if function == BinaryFunction::Mul {
        Elementwise::new(2, move |x| {
            let product = (i32::from(x[0]) - a_zero_point) * (i32::from(x[1]) - b_zero_point);
            output(product as f32 * scale)
        })
    } else {
        Elementwise::new(2, move |x| {
            let a = (i32::from(x[0]) - a_zero_point) as f32 * a_scale;
            output(a + (i32::from(x[1]) - b_zero_point) as f32 * b_scale)
        })
    };
    let step = if function == BinaryFunction::Mul {
        ctx.emit(MulI8 { broadcast, scale, a_zero_point, b_zero_point, zero_point, low, high }, &[y], &[a, b])
    } else {
        ctx.emit(
            AddI8 { broadcast, a_scale, b_scale, a_zero_point, b_zero_point, zero_point, low, high },
            &[y],
            &[a, b],
        )
    };
    if places.len() == 2 {
        step.elementwise = Some(elementwise);
    }
    step.in_place = places;
    Ok(true)
}
