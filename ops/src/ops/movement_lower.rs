//! Lowering of operators that move elements.

use ocellus_graph::DataType;
use ocellus_plan::args::{Cast, Fill, Gather, element};

use crate::OpError;
use crate::lower::moves::{Box6, copy, reorder};
use crate::lower::{DeviceTensor, LowerContext, TensorId, element_bytes};

/// A tensor like `x` with another shape.
fn like(ctx: &mut LowerContext, x: TensorId, shape: &[usize]) -> TensorId {
    let (element, quant) = (ctx.program.tensors[x].element, ctx.program.tensors[x].quant);
    ctx.program.add(DeviceTensor::new(element, shape, quant))
}

/// Copies the box that starts in `x` at element `from` and steps by `x_strides` (per axis of `y`) into the part of `y` of
/// these sizes at these places.
fn place(
    ctx: &mut LowerContext,
    (x, from, x_strides): (TensorId, usize, Vec<i64>),
    (y, at): (TensorId, &[usize]),
    sizes: &[usize],
) -> Result<(), OpError> {
    let target = ctx.program.tensors[y].clone();
    let (order, strides) = (target.order(), target.strides());
    let area = Box6 {
        sizes: order.iter().map(|&a| sizes[a]).collect(),
        x_strides: order.iter().map(|&a| x_strides[a]).collect(),
        y_strides: order.iter().map(|&a| strides[a]).collect(),
        x_offset: from,
        y_offset: at.iter().zip(&strides).map(|(i, s)| i * s).sum(),
    };
    copy(ctx, x, y, area)
}

fn signed(strides: Vec<usize>) -> Vec<i64> {
    strides.into_iter().map(|s| s as i64).collect()
}

/// `Transpose`.
pub(super) fn transpose(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.stored(0)?;
    let rank = ctx.shape(0).len();
    let perm: Vec<usize> = match ctx.node.attributes.ints("perm") {
        Some(perm) => perm.iter().map(|&p| p as usize).collect(),
        None => (0..rank).rev().collect(),
    };
    let y = permuted(ctx, x, &perm)?;
    ctx.bind(0, y);
    Ok(())
}

/// A tensor with its axes in another order, in a storage order of its new shape; the same memory where nothing moves in one of
/// them.
pub(super) fn permuted(ctx: &mut LowerContext, x: TensorId, perm: &[usize]) -> Result<TensorId, OpError> {
    let from = ctx.program.tensors[x].clone();
    let strides = from.strides();
    let shape: Vec<usize> = perm.iter().map(|&p| from.shape[p]).collect();
    let to = DeviceTensor::new(from.element, &shape, from.quant);
    for plain in [false, true] {
        let view = DeviceTensor { plain, alias: Some(x), ..to.clone() };
        let own = view.strides();
        if (0..shape.len()).all(|i| shape[i] == 1 || strides[perm[i]] == own[i]) {
            return Ok(ctx.program.add(view));
        }
    }
    let y = ctx.program.add(to);
    let turned = perm.iter().map(|&p| strides[p] as i64).collect();
    place(ctx, (x, 0, turned), (y, &vec![0; shape.len()]), &shape)?;
    Ok(y)
}

/// `Concat`: one strided copy per operand, straight into its place. Operands in int8 that share the output's scale move
/// as they are; others are brought to it.
pub(super) fn concat(ctx: &mut LowerContext) -> Result<(), OpError> {
    let shape = ctx.output_shape();
    let axis = crate::shapes::axis(ctx.int("axis", 0), shape.len()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let count = ctx.inputs.len();
    let to = ctx.fusion.quant.filter(|_| ctx.fusion.clamp.is_none());
    let all_int8 = (0..count).all(|i| ctx.quantized(i).is_some());
    let mut parts = Vec::with_capacity(count);
    for i in 0..count {
        let part = match (to, all_int8) {
            (Some(to), true) => {
                let (x, from) = ctx.quantized(i).ok_or_else(|| ctx.error("an operand is not int8"))?;
                if from == to {
                    x
                } else {
                    let y = ctx.program.tensors[x].shape.clone();
                    let y = ctx.program.add(DeviceTensor::new(element::I8, &y, Some(to)));
                    ctx.table(x, y, |v| v)?;
                    y
                }
            }
            _ if ctx.outputs[0].1 == DataType::F32 => ctx.float(i)?,
            _ => ctx.any(i)?,
        };
        parts.push(part);
    }
    ctx.taken.1 = to.is_some() && all_int8;
    let y = like(ctx, parts[0], &shape);
    let mut at = vec![0; shape.len()];
    for part in parts {
        let tensor = ctx.program.tensors[part].clone();
        place(ctx, (part, 0, signed(tensor.strides())), (y, &at), &tensor.shape)?;
        at[axis] += tensor.shape[axis];
    }
    ctx.bind(0, y);
    Ok(())
}

/// `Split`.
pub(super) fn split(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.any(0)?;
    let strides = ctx.program.tensors[x].strides();
    let rank = strides.len();
    let axis = crate::shapes::axis(ctx.int("axis", 0), rank).ok_or_else(|| ctx.error("axis is out of range"))?;
    let mut from = 0;
    for k in 0..ctx.outputs.len() {
        let shape = ctx.outputs[k].0.clone();
        if ctx.node.output(k).is_some() {
            let y = like(ctx, x, &shape);
            place(ctx, (x, from, signed(strides.clone())), (y, &vec![0; rank]), &shape)?;
            ctx.bind(k, y);
        }
        from += shape[axis] * strides[axis];
    }
    Ok(())
}

/// `Slice`.
pub(super) fn slice(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.any(0)?;
    let (sizes, mut strides) = (ctx.shape(0).to_vec(), signed(ctx.program.tensors[x].strides()));
    let list = |i: usize| -> Result<Vec<i64>, OpError> { Ok(ctx.required_constant(i)?.to_i64()) };
    let starts = list(1)?;
    let axes = if ctx.has(3) { list(3)? } else { (0..starts.len() as i64).collect() };
    let steps = if ctx.has(4) { list(4)? } else { vec![1; starts.len()] };
    let mut from = 0i64;
    for ((&start, &axis), &step) in starts.iter().zip(&axes).zip(&steps) {
        let axis = crate::shapes::axis(axis, sizes.len()).ok_or_else(|| ctx.error("axis is out of range"))?;
        let size = sizes[axis] as i64;
        let start = if start < 0 { start.saturating_add(size) } else { start };
        let start = if step < 0 { start.clamp(-1, size - 1) } else { start.clamp(0, size) };
        from += start.max(0) * strides[axis];
        strides[axis] *= step;
    }
    let shape = ctx.output_shape();
    let y = like(ctx, x, &shape);
    place(ctx, (x, from as usize, strides), (y, &vec![0; shape.len()]), &shape)?;
    ctx.bind(0, y);
    Ok(())
}

/// `Expand`.
pub(super) fn expand(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.any(0)?;
    let (tensor, shape) = (ctx.program.tensors[x].clone(), ctx.output_shape());
    let (own, skip) = (tensor.strides(), shape.len() - tensor.shape.len());
    let strides = (0..shape.len())
        .map(|i| if i < skip || tensor.shape[i - skip] == 1 { 0 } else { own[i - skip] as i64 })
        .collect();
    let y = like(ctx, x, &shape);
    place(ctx, (x, 0, strides), (y, &vec![0; shape.len()]), &shape)?;
    ctx.bind(0, y);
    Ok(())
}

/// `Pad`: the border of a constant is filled first; the other modes copy the border axis by axis.
pub(super) fn pad(ctx: &mut LowerContext) -> Result<(), OpError> {
    let shape = ctx.output_shape();
    let rank = shape.len();
    let given = ctx.required_constant(1)?.to_i64();
    let axes: Vec<i64> = if ctx.has(3) { ctx.required_constant(3)?.to_i64() } else { (0..rank as i64).collect() };
    let mut begin = vec![0i64; rank];
    for (k, &axis) in axes.iter().enumerate() {
        begin[crate::shapes::axis(axis, rank).ok_or_else(|| ctx.error("axis is out of range"))?] = given[k];
    }
    let mode = ctx.node.attributes.string("mode").unwrap_or("constant").to_owned();
    let x = ctx.any(0)?;
    let mut current = x;
    if mode == "constant" {
        let value = if ctx.has(2) { ctx.required_constant(2)?.to_f32().first().copied().unwrap_or(0.0) } else { 0.0 };
        return pad_constant(ctx, x, &begin, value);
    }
    for axis in 0..rank {
        current = pad_axis(ctx, current, axis, begin[axis], shape[axis], &mode)?;
    }
    ctx.bind(0, current);
    Ok(())
}

fn pad_constant(ctx: &mut LowerContext, x: TensorId, begin: &[i64], value: f32) -> Result<(), OpError> {
    let (tensor, shape) = (ctx.program.tensors[x].clone(), ctx.output_shape());
    let y = like(ctx, x, &shape);
    let (bits, high) = match (tensor.element, tensor.quant) {
        (element::I8, Some(q)) => (u32::from(q.quantize(value) as u8), 0),
        (element::F32, _) => (value.to_bits(), 0),
        (element::I64, _) => ((value as i64) as u32, ((value as i64) >> 32) as u32),
        _ => ((value as i32) as u32, 0),
    };
    let len = ctx.program.tensors[y].len() as u32;
    let element_bytes = element_bytes(tensor.element) as u32;
    ctx.emit(Fill { element_bytes, len, value: bits, value_high: high }, &[y], &[]);
    let strides = tensor.strides();
    // Negative padding cuts: the box starts inside x then.
    let from = begin.iter().zip(&strides).map(|(&b, &s)| (-b).max(0) as usize * s).sum();
    let at: Vec<usize> = begin.iter().map(|&b| b.max(0) as usize).collect();
    let sizes: Vec<usize> =
        (0..shape.len()).map(|i| (tensor.shape[i] - (-begin[i]).max(0) as usize).min(shape[i] - at[i])).collect();
    place(ctx, (x, from, signed(strides)), (y, &at), &sizes)?;
    ctx.bind(0, y);
    Ok(())
}

/// Pads one axis by the index of every output position.
fn pad_axis(
    ctx: &mut LowerContext,
    x: TensorId,
    axis: usize,
    begin: i64,
    size: usize,
    mode: &str,
) -> Result<TensorId, OpError> {
    let tensor = ctx.program.tensors[x].clone();
    let n = tensor.shape[axis] as i64;
    if n as usize == size && begin == 0 {
        return Ok(x);
    }
    let index = |k: i64| -> i64 {
        let i = k - begin;
        match mode {
            "edge" => i.clamp(0, n - 1),
            "wrap" => i.rem_euclid(n),
            _ if n == 1 => 0,
            _ => {
                let period = 2 * (n - 1);
                let m = i.rem_euclid(period);
                if m < n { m } else { period - m }
            }
        }
    };
    let indices: Vec<i64> = (0..size as i64).map(index).collect();
    take(ctx, x, axis, &indices)
}

/// The slices of `x` at constant indices along an axis.
pub(super) fn take(ctx: &mut LowerContext, x: TensorId, axis: usize, indices: &[i64]) -> Result<TensorId, OpError> {
    let tensor = ctx.program.tensors[x].clone();
    let order = tensor.order();
    let place = order.iter().position(|&a| a == axis).unwrap_or(0);
    let product = |axes: &[usize]| axes.iter().map(|&a| tensor.shape[a]).product::<usize>() as u32;
    let mut shape = tensor.shape.clone();
    shape[axis] = indices.len();
    let y = like(ctx, x, &shape);
    let table = ctx.i32s(&indices.iter().map(|&i| i as i32).collect::<Vec<_>>());
    let args = Gather {
        element_bytes: element_bytes(tensor.element) as u32,
        index_element: element::I32,
        outer: product(&order[..place]),
        axis: tensor.shape[axis] as u32,
        inner: product(&order[place + 1..]),
        count: indices.len() as u32,
    };
    ctx.emit(args, &[y], &[x, table]);
    Ok(y)
}

/// `Tile`, one axis after the other, the last one first.
pub(super) fn tile(ctx: &mut LowerContext) -> Result<(), OpError> {
    let repeats = ctx.required_constant(1)?.to_i64();
    let mut current = ctx.any(0)?;
    for (axis, &times) in repeats.iter().enumerate().rev().filter(|(_, times)| **times != 1) {
        let tensor = ctx.program.tensors[current].clone();
        let times = usize::try_from(times).map_err(|_| ctx.error("repeats are negative"))?;
        let mut shape = tensor.shape.clone();
        shape[axis] *= times;
        let y = like(ctx, current, &shape);
        let target = ctx.program.tensors[y].clone();
        let (from, to) = (tensor.strides(), target.strides());
        let (mut sizes, mut x_strides, mut y_strides) = (vec![times], vec![0], vec![tensor.shape[axis] * to[axis]]);
        for a in target.order() {
            sizes.push(tensor.shape[a]);
            x_strides.push(from[a] as i64);
            y_strides.push(to[a]);
        }
        copy(ctx, current, y, Box6 { sizes, x_strides, y_strides, x_offset: 0, y_offset: 0 })?;
        current = y;
    }
    ctx.bind(0, current);
    Ok(())
}

/// `Gather`, in the model's axis order.
pub(super) fn gather(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.any(0)?;
    let x = reorder(ctx, x, true)?;
    let index = ctx.any(1)?;
    let index = reorder(ctx, index, true)?;
    let sizes = ctx.shape(0).to_vec();
    let axis = crate::shapes::axis(ctx.int("axis", 0), sizes.len()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let mut out = DeviceTensor::new(ctx.program.tensors[x].element, &ctx.output_shape(), ctx.program.tensors[x].quant);
    out.plain = true;
    let y = ctx.program.add(out);
    let args = Gather {
        element_bytes: element_bytes(ctx.program.tensors[x].element) as u32,
        index_element: ctx.program.tensors[index].element,
        outer: sizes[..axis].iter().product::<usize>() as u32,
        axis: sizes[axis] as u32,
        inner: sizes[axis + 1..].iter().product::<usize>() as u32,
        count: ctx.program.tensors[index].len() as u32,
    };
    ctx.emit(args, &[y], &[x, index]);
    let y = reorder(ctx, y, false)?;
    ctx.bind(0, y);
    Ok(())
}

/// `Cast`.
pub(super) fn cast(ctx: &mut LowerContext) -> Result<(), OpError> {
    let to = match ctx.outputs[0].1 {
        DataType::F32 => element::F32,
        DataType::I8 => element::I8,
        DataType::U8 => element::U8,
        DataType::I32 => element::I32,
        DataType::I64 => element::I64,
        DataType::Bool => element::BOOL,
        other => return Err(ctx.error(format!("casts to {other}, which the device does not hold"))),
    };
    let x = if ctx.program_is_quantized(0) { ctx.float(0)? } else { ctx.any(0)? };
    let from = ctx.program.tensors[x].element;
    if from == to {
        ctx.bind(0, x);
        return Ok(());
    }
    let len = ctx.program.tensors[x].len() as u32;
    let y = ctx.bind_new(0, to, None);
    ctx.emit(Cast { len, from, to }, &[y], &[x]);
    Ok(())
}
