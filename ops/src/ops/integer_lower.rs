//! Lowering of operators on plain bytes: dynamic quantization and integer products.

use ocellus_graph::{DataType, Tensor};
use ocellus_plan::args::{ConvInteger, MatMulInteger, QuantizeDynamic, element};

use super::conv_lower::{geometry, two_axes};
use crate::OpError;
use crate::lower::moves::reshaped;
use crate::lower::{Constant, DeviceTensor, LowerContext, ProductWeights, TensorId};

/// `DynamicQuantizeLinear`.
pub(super) fn quantize_dynamic(ctx: &mut LowerContext) -> Result<(), OpError> {
    let x = ctx.float(0)?;
    let len = ctx.program.tensors[x].len() as u32;
    let mut y = DeviceTensor::new(element::U8, &ctx.output_shape(), None);
    y.plain = ctx.program.tensors[x].plain;
    let y = ctx.program.add(y);
    let (scale, zero) = (ctx.temporary(element::F32, &[]), ctx.temporary(element::U8, &[]));
    ctx.emit(QuantizeDynamic { len }, &[y, scale, zero], &[x]);
    for (k, tensor) in [y, scale, zero].into_iter().enumerate().take(ctx.outputs.len()) {
        ctx.bind(k, tensor);
    }
    Ok(())
}

/// Input 0 as plain bytes, and whether they are signed.
fn plain_bytes(ctx: &mut LowerContext) -> Result<(TensorId, u32), OpError> {
    let x = ctx.any(0)?;
    match (ctx.program.tensors[x].element, ctx.program.tensors[x].quant) {
        (element::U8, None) => Ok((x, 0)),
        (element::I8, None) => Ok((x, 1)),
        _ => Err(ctx.error("input 0 has to be plain 8-bit integers on the device")),
    }
}

/// The zero point of input 0, which is one number.
fn zero_point(ctx: &mut LowerContext) -> Result<Option<TensorId>, OpError> {
    if !ctx.has(2) {
        return Ok(None);
    }
    let zero = ctx.any(2)?;
    match ctx.program.tensors[zero].len() {
        1 => Ok(Some(zero)),
        _ => Err(ctx.error("has a zero point per row, where the device has one")),
    }
}

/// The integers of constant input 1 as int8 (uint8 has everything 128 lower) with the zero points of input 3, one for
/// every output.
fn weights(ctx: &LowerContext, outputs: usize) -> Result<(Tensor, Vec<i8>, Vec<i32>), OpError> {
    let w = ctx.required_constant(1)?;
    let shift = if w.dtype() == DataType::U8 { 128 } else { 0 };
    let zeros = if ctx.has(3) { ctx.required_constant(3)?.to_i64() } else { vec![0] };
    if zeros.len() != 1 && zeros.len() != outputs {
        return Err(ctx.error(format!("has {} zero points for {outputs} outputs", zeros.len())));
    }
    let zeros = (0..outputs).map(|o| (zeros[o % zeros.len()] - shift) as i32).collect();
    let values = w.to_i64().into_iter().map(|v| (v - shift) as i8).collect();
    Ok((w, values, zeros))
}

/// `MatMulInteger` by a constant matrix.
pub(super) fn matmul(ctx: &mut LowerContext) -> Result<(), OpError> {
    let (a, signed) = plain_bytes(ctx)?;
    let &[inputs, outputs] = ctx.shape(1) else { return Err(ctx.error("input 1 has to be a matrix on the device")) };
    let (_, values, zero_points) = weights(ctx, outputs)?;
    let rows = ctx.program.tensors[a].len() / inputs.max(1);
    let turned = (0..outputs).flat_map(|o| (0..inputs).map(move |i| i * outputs + o)).map(|p| values[p]).collect();
    let packed = ProductWeights { inputs, outputs, rows: turned, scales: vec![1.0; outputs], zero_points };
    let mut b = DeviceTensor::new(element::I8, &[inputs * outputs], None);
    b.constant = Some(Constant::Product(packed));
    let b = ctx.program.add(b);
    let a = reshaped(ctx, a, &[rows, inputs])?;
    let zero = zero_point(ctx)?;
    let (y, scratch) =
        (ctx.temporary(element::I32, &[rows, outputs]), ctx.temporary(element::U8, &[4 * inputs.next_multiple_of(4)]));
    let args = MatMulInteger { rows: rows as u32, inputs: inputs as u32, outputs: outputs as u32, signed };
    let step = ctx.emit(args, &[y, scratch], &[a, b]);
    step.reads.push(zero);
    step.macs = (rows * inputs * outputs) as u64;
    let y = reshaped(ctx, y, &ctx.output_shape())?;
    ctx.bind(0, y);
    Ok(())
}

/// `ConvInteger` with constant weights.
pub(super) fn conv(ctx: &mut LowerContext) -> Result<(), OpError> {
    let (x, signed) = plain_bytes(ctx)?;
    let (x_shape, y_shape) = (ctx.shape(0).to_vec(), ctx.output_shape());
    let outputs = ctx.shape(1).first().copied().unwrap_or(0);
    let (w, values, zeros) = weights(ctx, outputs)?;
    let (_, axes, groups) = super::conv::known_axes(ctx.node, &x_shape, w.shape())?;
    let axes = two_axes(&axes).ok_or_else(|| ctx.error("has three spatial axes; the device has two at most"))?;
    let (i, taps) = (w.shape()[1], w.shape()[2..].iter().product::<usize>());
    let places = (0..outputs).flat_map(|o| (0..taps).flat_map(move |t| (0..i).map(move |c| (o * i + c) * taps + t)));
    let rows: Vec<i8> = places.map(|p| values[p]).collect();
    let g = geometry(x_shape[0], [x_shape[1], outputs], axes, groups, false);
    let n = |v: u32| v as usize;
    let x = reshaped(ctx, x, &[n(g.batch), n(g.in_channels), n(g.in_height), n(g.in_width)])?;
    let y = ctx.temporary(element::I32, &[n(g.batch), n(g.out_channels), n(g.out_height), n(g.out_width)]);
    let macs = (ctx.program.tensors[y].len() * i * taps) as u64;
    let (w, zeros, zero) = (ctx.i8s(&rows), ctx.i32s(&zeros), zero_point(ctx)?);
    let step = ctx.emit(ConvInteger { geometry: g, signed }, &[y], &[x, w, zeros]);
    step.reads.push(zero);
    step.macs = macs;
    let y = reshaped(ctx, y, &y_shape)?;
    ctx.bind(0, y);
    Ok(())
}
