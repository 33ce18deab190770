//! Lowering of softmax and its logarithm.

use ocellus_plan::args::{SoftmaxF32, SoftmaxI8};

use crate::OpError;
use crate::lower::{LowerContext, Quant};

/// `[outer, axis, inner]` of a tensor whose axes are stored in this order.
fn three(ctx: &LowerContext, order: &[usize]) -> Result<[u32; 3], OpError> {
    let shape = ctx.output_shape();
    let axis =
        crate::shapes::axis(ctx.int("axis", -1), shape.len()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let place = order.iter().position(|&a| a == axis).unwrap_or(0);
    let product = |axes: &[usize]| axes.iter().map(|&a| shape[a]).product::<usize>() as u32;
    Ok([product(&order[..place]), shape[axis] as u32, product(&order[place + 1..])])
}

/// `Softmax`; in int8 where the output has scale 1/256 and zero point -128.
pub(super) fn softmax(ctx: &mut LowerContext) -> Result<(), OpError> {
    let natural = Quant { scale: 1.0 / 256.0, zero_point: -128 };
    if let (Some((x, from)), Some(to), None) = (ctx.quantized(0), ctx.fusion.quant, ctx.fusion.clamp) {
        // `e` of the distance to the maximum, in 2^-22: 1024 of them still fit an int32 sum, and u64 is used.
        let exponentials: Vec<u32> = (0..256)
            .map(|k| (libm::exp(f64::from(k - 255) * f64::from(from.scale)) * f64::from(1 << 22)).round() as u32)
            .collect();
        if to == natural {
            let [outer, axis, inner] = three(ctx, &ctx.program.tensors[x].order())?;
            let (y, ..) = ctx.output_i8(to);
            let table = ctx.u32s(&exponentials);
            ctx.emit(SoftmaxI8 { outer, axis, inner }, &[y], &[x, table]);
            return Ok(());
        }
    }
    emit_float(ctx, 0)
}

/// `LogSoftmax`.
pub(super) fn log_softmax(ctx: &mut LowerContext) -> Result<(), OpError> {
    emit_float(ctx, 1)
}

/// In the order in which the input is stored.
fn emit_float(ctx: &mut LowerContext, logarithm: u32) -> Result<(), OpError> {
    let x = ctx.float_stored(0)?;
    let [outer, axis, inner] = three(ctx, &ctx.program.tensors[x].order())?;
    let y = ctx.output_plain_f32();
    ctx.program.tensors[y].plain = ctx.program.tensors[x].plain;
    ctx.emit(SoftmaxF32 { outer, axis, inner, logarithm }, &[y], &[x]).in_place = vec![0];
    Ok(())
}
