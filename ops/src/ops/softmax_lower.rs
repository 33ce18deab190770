//! Lowering of softmax and its logarithm.

use ocellus_plan::args::{SoftmaxF32, SoftmaxI8, element};

use crate::OpError;
use crate::lower::{DeviceTensor, LowerContext, Quant};

/// `[outer, axis, inner]` of a tensor in storage order.
fn three(ctx: &LowerContext, shape: &[usize]) -> Result<[u32; 3], OpError> {
    let axis =
        crate::shapes::axis(ctx.int("axis", -1), shape.len()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let order = DeviceTensor::new(element::F32, shape, None).order();
    let place = order.iter().position(|&a| a == axis).unwrap_or(0);
    let product = |axes: &[usize]| axes.iter().map(|&a| shape[a]).product::<usize>() as u32;
    Ok([product(&order[..place]), shape[axis] as u32, product(&order[place + 1..])])
}

/// `Softmax`; in int8 where the output has scale 1/256 and zero point -128.
pub(super) fn softmax(ctx: &mut LowerContext) -> Result<(), OpError> {
    let [outer, axis, inner] = three(ctx, &ctx.output_shape())?;
    let natural = Quant { scale: 1.0 / 256.0, zero_point: -128 };
    if let (Some((x, from)), Some(to), None) = (ctx.quantized(0), ctx.fusion.quant, ctx.fusion.clamp) {
        // `e` of the distance to the maximum, in 2^-22: 1024 of them still fit an int32 sum, and u64 is used.
        let exponentials: Vec<u32> = (0..256)
            .map(|k| (libm::exp(f64::from(k - 255) * f64::from(from.scale)) * f64::from(1 << 22)).round() as u32)
            .collect();
        if to == natural {
            let (y, ..) = ctx.output_i8(to);
            let table = ctx.u32s(&exponentials);
            ctx.emit(SoftmaxI8 { outer, axis, inner }, &[y], &[x, table]);
            return Ok(());
        }
    }
    emit_float(ctx, SoftmaxF32 { outer, axis, inner, logarithm: 0 })
}

/// `LogSoftmax`.
pub(super) fn log_softmax(ctx: &mut LowerContext) -> Result<(), OpError> {
    let [outer, axis, inner] = three(ctx, &ctx.output_shape())?;
    emit_float(ctx, SoftmaxF32 { outer, axis, inner, logarithm: 1 })
}

fn emit_float(ctx: &mut LowerContext, args: SoftmaxF32) -> Result<(), OpError> {
    let x = ctx.float(0)?;
    let y = ctx.output_plain_f32();
    ctx.emit(args, &[y], &[x]).in_place = vec![0];
    Ok(())
}
