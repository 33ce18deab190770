//! Lowering of reductions.

use ocellus_plan::args::{
    ArgMax, AveragePoolI8, BinaryFunction, PoolGeometry, Reduce, ReduceFunction, UnaryFunction, element,
};

use super::binary_lower::pair;
use crate::OpError;
use crate::lower::moves::{reshaped, six};
use crate::lower::unary::apply;
use crate::lower::{DeviceTensor, LowerContext, TensorId};

/// The reduced axes, from input 1 or the attribute.
pub(super) fn axes(ctx: &LowerContext) -> Result<Vec<usize>, OpError> {
    let rank = ctx.shape(0).len();
    let given = match ctx.has(1) {
        true => Some(ctx.required_constant(1)?.to_i64()),
        false => ctx.node.attributes.ints("axes").map(<[i64]>::to_vec),
    };
    let given = given.unwrap_or_default();
    if given.is_empty() {
        return Ok(if ctx.int("noop_with_empty_axes", 0) != 0 { Vec::new() } else { (0..rank).collect() });
    }
    let one = |&a: &i64| crate::shapes::axis(a, rank).ok_or_else(|| ctx.error(format!("axis {a} is out of range")));
    given.iter().map(one).collect()
}

/// Lowers a reduction; a mean over the pixels of an int8 is a pool.
pub(super) fn lower(ctx: &mut LowerContext, function: ReduceFunction) -> Result<(), OpError> {
    let axes = axes(ctx)?;
    if function == ReduceFunction::Mean && mean_of_pixels(ctx, &axes)? {
        return Ok(());
    }
    let x = ctx.float_stored(0)?;
    let y = reduced(ctx, function, x, &axes)?;
    let y = reshaped(ctx, y, &ctx.output_shape())?;
    ctx.bind(0, y);
    Ok(())
}

/// An f32 tensor reduced over some axes, which stay with size 1.
pub(super) fn reduced(
    ctx: &mut LowerContext,
    function: ReduceFunction,
    x: TensorId,
    axes: &[usize],
) -> Result<TensorId, OpError> {
    let tensor = ctx.program.tensors[x].clone();
    if tensor.is_empty() {
        return Err(ctx.error("reduces a tensor without elements, which the device does not hold"));
    }
    let strides = tensor.strides();
    // The output with every reduced axis kept as 1: its storage order is that of the input's rank.
    let kept_shape: Vec<usize> =
        tensor.shape.iter().enumerate().map(|(i, &n)| if axes.contains(&i) { 1 } else { n }).collect();
    let y = DeviceTensor { plain: tensor.plain, ..DeviceTensor::new(element::F32, &kept_shape, None) };
    let y = ctx.program.add(y);
    let pick = |keep: bool, values: &[usize]| -> Vec<u32> {
        let order = tensor.order();
        order.iter().filter(|a| axes.contains(a) != keep).map(|&a| values[a] as u32).collect()
    };
    let deep = || OpError::at(ctx.node, "reduces more than 6 axes");
    let args = Reduce {
        function: function as u32,
        kept: six(&pick(true, &tensor.shape), 1).ok_or_else(deep)?,
        kept_strides: six(&pick(true, &strides), 0).ok_or_else(deep)?,
        reduced: six(&pick(false, &tensor.shape), 1).ok_or_else(deep)?,
        reduced_strides: six(&pick(false, &strides), 0).ok_or_else(deep)?,
    };
    ctx.emit(args, &[y], &[x]);
    Ok(y)
}

fn mean_of_pixels(ctx: &mut LowerContext, axes: &[usize]) -> Result<bool, OpError> {
    let &[n, c, h, w] = ctx.shape(0) else { return Ok(false) };
    let pixels = axes.len() == 2 && axes.contains(&2) && axes.contains(&3);
    if !pixels || ctx.fusion.clamp.is_some() {
        return Ok(false);
    }
    let Some(((x, from), to)) = ctx.quantized(0).zip(ctx.fusion.quant) else { return Ok(false) };
    ctx.taken.1 = true;
    let size = |v: usize| v as u32;
    let geometry = PoolGeometry {
        batch: size(n),
        in_height: size(h),
        in_width: size(w),
        out_height: 1,
        out_width: 1,
        channels: size(c),
        kernel_height: size(h),
        kernel_width: size(w),
        stride_height: 1,
        stride_width: 1,
        dilation_height: 1,
        dilation_width: 1,
        ..PoolGeometry::default()
    };
    let multipliers: Vec<f32> = (1..=h * w).map(|k| from.scale / (to.scale * k as f32)).collect();
    let multipliers = ctx.f32s(&multipliers);
    let (input_zero_point, output_zero_point) = (from.zero_point, to.zero_point);
    let y = ctx.program.add(DeviceTensor::new(element::I8, &[n, c, 1, 1], Some(to)));
    let args = AveragePoolI8 { geometry, count_include_pad: 0, input_zero_point, output_zero_point };
    ctx.emit(args, &[y], &[x, multipliers]);
    let y = reshaped(ctx, y, &ctx.output_shape())?;
    ctx.bind(0, y);
    Ok(true)
}

/// `ReduceLogSum`.
pub(super) fn log_sum(ctx: &mut LowerContext) -> Result<(), OpError> {
    let axes = axes(ctx)?;
    let x = ctx.float(0)?;
    let sum = reduced(ctx, ReduceFunction::Sum, x, &axes)?;
    let y = apply(ctx, UnaryFunction::Log, sum, 0.0, 0.0);
    let y = reshaped(ctx, y, &ctx.output_shape())?;
    ctx.bind(0, y);
    Ok(())
}

/// `ReduceLogSumExp`. The greatest element is subtracted first, so that no exponential overflows; an infinite one is
/// held at the greatest float, so that its distance to itself is no NaN.
pub(super) fn log_sum_exp(ctx: &mut LowerContext) -> Result<(), OpError> {
    let axes = axes(ctx)?;
    let x = ctx.float(0)?;
    let greatest = reduced(ctx, ReduceFunction::Max, x, &axes)?;
    let greatest = apply(ctx, UnaryFunction::Clip, greatest, f32::MIN, f32::MAX);
    let distance = pair(ctx, BinaryFunction::Sub, x, greatest)?;
    let powers = apply(ctx, UnaryFunction::Exp, distance, 0.0, 0.0);
    let sum = reduced(ctx, ReduceFunction::Sum, powers, &axes)?;
    let log = apply(ctx, UnaryFunction::Log, sum, 0.0, 0.0);
    let y = pair(ctx, BinaryFunction::Add, log, greatest)?;
    let y = reshaped(ctx, y, &ctx.output_shape())?;
    ctx.bind(0, y);
    Ok(())
}

/// `ArgMax` and `ArgMin`.
pub(super) fn arg_max(ctx: &mut LowerContext, least: bool) -> Result<(), OpError> {
    let x = ctx.any(0)?;
    let tensor = ctx.program.tensors[x].clone();
    if !matches!(tensor.element, element::F32 | element::I8) {
        return Err(ctx.error("searches f32 or quantized values on the device"));
    }
    let rank = tensor.shape.len();
    let axis = crate::shapes::axis(ctx.int("axis", 0), rank).ok_or_else(|| ctx.error("axis is out of range"))?;
    let order = tensor.order();
    let place = order.iter().position(|&a| a == axis).unwrap_or(0);
    let product = |axes: &[usize]| axes.iter().map(|&a| tensor.shape[a]).product::<usize>() as u32;
    let mut kept = tensor.shape.clone();
    kept[axis] = 1;
    let y = ctx.program.add(DeviceTensor::new(element::I64, &kept, None));
    let args = ArgMax {
        element: tensor.element,
        outer: product(&order[..place]),
        axis: tensor.shape[axis] as u32,
        inner: product(&order[place + 1..]),
        least: u32::from(least),
        select_last: u32::from(ctx.int("select_last_index", 0) != 0),
    };
    ctx.emit(args, &[y], &[x]);
    let y = reshaped(ctx, y, &ctx.output_shape())?;
    ctx.bind(0, y);
    Ok(())
}
