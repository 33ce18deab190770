//! Lowering of pools.

use ocellus_plan::args::{AveragePoolF32, AveragePoolI8, LpPool, MaxPoolF32, MaxPoolI8, PoolGeometry, element};

use super::pool::pool_axes;
use super::window::Axis;
use crate::OpError;
use crate::lower::moves::reshaped;
use crate::lower::{DeviceTensor, LowerContext, TensorId};

fn unit() -> Axis {
    Axis { kernel: 1, stride: 1, dilation: 1, begin: 0, end: 0, input: 1, output: 1 }
}

fn two(ctx: &LowerContext, axes: &[Axis]) -> Result<[Axis; 2], OpError> {
    match *axes {
        [columns] => Ok([unit(), columns]),
        [rows, columns] => Ok([rows, columns]),
        _ => Err(ctx.error("has three spatial axes; the device has two at most")),
    }
}

/// A window over the whole plane.
fn global(ctx: &LowerContext) -> [Axis; 2] {
    let spatial = &ctx.shape(0)[2..];
    let over = |n: usize| Axis { kernel: n, input: n, ..unit() };
    let rows = spatial[..spatial.len() - 1].iter().product();
    [over(rows), over(spatial[spatial.len() - 1])]
}

fn geometry(ctx: &LowerContext, [rows, columns]: [Axis; 2]) -> PoolGeometry {
    PoolGeometry {
        batch: ctx.shape(0)[0] as u32,
        in_height: rows.input as u32,
        in_width: columns.input as u32,
        out_height: rows.output as u32,
        out_width: columns.output as u32,
        channels: ctx.shape(0)[1] as u32,
        kernel_height: rows.kernel as u32,
        kernel_width: columns.kernel as u32,
        stride_height: rows.stride as u32,
        stride_width: columns.stride as u32,
        dilation_height: rows.dilation as u32,
        dilation_width: columns.dilation as u32,
        pad_top: rows.begin as u32,
        pad_left: columns.begin as u32,
        pad_bottom: rows.end as u32,
        pad_right: columns.end as u32,
    }
}

/// Emits a pool between tensors seen as rank 4: `emit` gets the input and makes the output.
fn pool(
    ctx: &mut LowerContext,
    g: PoolGeometry,
    x: TensorId,
    emit: impl FnOnce(&mut LowerContext, TensorId, &[usize; 4]) -> Result<TensorId, OpError>,
) -> Result<(), OpError> {
    let n = |v: u32| v as usize;
    let x = reshaped(ctx, x, &[n(g.batch), n(g.channels), n(g.in_height), n(g.in_width)])?;
    let y = emit(ctx, x, &[n(g.batch), n(g.channels), n(g.out_height), n(g.out_width)])?;
    let y = reshaped(ctx, y, &ctx.output_shape())?;
    ctx.bind(0, y);
    Ok(())
}

fn emit_max(ctx: &mut LowerContext, axes: [Axis; 2]) -> Result<(), OpError> {
    if ctx.node.output(1).is_some() {
        return Err(ctx.error("has an Indices output, which the device does not make"));
    }
    let g = geometry(ctx, axes);
    let x = ctx.any(0)?;
    pool(ctx, g, x, |ctx, x, shape| {
        let (from, quant) = (ctx.program.tensors[x].element, ctx.program.tensors[x].quant);
        let y = ctx.program.add(DeviceTensor::new(from, shape, quant));
        match from {
            element::I8 => ctx.emit(MaxPoolI8 { geometry: g }, &[y], &[x]),
            element::F32 => ctx.emit(MaxPoolF32 { geometry: g }, &[y], &[x]),
            _ => return Err(ctx.error("pools f32 or quantized values on the device")),
        };
        Ok(y)
    })
}

/// `MaxPool`.
pub(super) fn max_pool(ctx: &mut LowerContext) -> Result<(), OpError> {
    let axes = two(ctx, &pool_axes(ctx.node, ctx.shape(0))?)?;
    emit_max(ctx, axes)
}

/// `GlobalMaxPool`.
pub(super) fn global_max_pool(ctx: &mut LowerContext) -> Result<(), OpError> {
    emit_max(ctx, global(ctx))
}

fn emit_average(ctx: &mut LowerContext, axes: [Axis; 2], count_include_pad: bool) -> Result<(), OpError> {
    let g = geometry(ctx, axes);
    let count_include_pad = u32::from(count_include_pad);
    if let Some(((x, from), to)) = ctx.quantized(0).zip(ctx.fusion.quant) {
        // No clamp is taken: the pool's own range is that of int8.
        if ctx.fusion.clamp.is_none() {
            ctx.taken.1 = true;
            let taps = g.kernel_height * g.kernel_width;
            let multipliers: Vec<f32> = (1..=taps).map(|n| from.scale / (to.scale * n as f32)).collect();
            let multipliers = ctx.f32s(&multipliers);
            let (input_zero_point, output_zero_point) = (from.zero_point, to.zero_point);
            let args = AveragePoolI8 { geometry: g, count_include_pad, input_zero_point, output_zero_point };
            return pool(ctx, g, x, |ctx, x, shape| {
                let y = ctx.program.add(DeviceTensor::new(element::I8, shape, Some(to)));
                ctx.emit(args, &[y], &[x, multipliers]);
                Ok(y)
            });
        }
    }
    let x = ctx.float(0)?;
    pool(ctx, g, x, |ctx, x, shape| {
        let y = ctx.program.add(DeviceTensor::new(element::F32, shape, None));
        ctx.emit(AveragePoolF32 { geometry: g, count_include_pad }, &[y], &[x]);
        Ok(y)
    })
}

/// `AveragePool`.
pub(super) fn average_pool(ctx: &mut LowerContext) -> Result<(), OpError> {
    let axes = two(ctx, &pool_axes(ctx.node, ctx.shape(0))?)?;
    emit_average(ctx, axes, ctx.int("count_include_pad", 0) != 0)
}

/// `GlobalAveragePool`.
pub(super) fn global_average_pool(ctx: &mut LowerContext) -> Result<(), OpError> {
    emit_average(ctx, global(ctx), false)
}

/// `LpPool`.
pub(super) fn lp_pool(ctx: &mut LowerContext) -> Result<(), OpError> {
    let axes = two(ctx, &pool_axes(ctx.node, ctx.shape(0))?)?;
    emit_lp(ctx, axes)
}

/// `GlobalLpPool`.
pub(super) fn global_lp_pool(ctx: &mut LowerContext) -> Result<(), OpError> {
    emit_lp(ctx, global(ctx))
}

fn emit_lp(ctx: &mut LowerContext, axes: [Axis; 2]) -> Result<(), OpError> {
    let g = geometry(ctx, axes);
    let p = u32::try_from(ctx.int("p", 2)).map_err(|_| ctx.error("p is negative"))?;
    let x = ctx.float(0)?;
    pool(ctx, g, x, |ctx, x, shape| {
        let y = ctx.program.add(DeviceTensor::new(element::F32, shape, None));
        ctx.emit(LpPool { geometry: g, p }, &[y], &[x]);
        Ok(y)
    })
}
