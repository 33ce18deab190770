//! Lowering of operators on plain bytes: dynamic quantization and integer products.

use ocellus_graph::{DataType, Tensor};
use ocellus_plan::args::{ConvGeometry, ConvInteger, QuantizeDynamic, element};

use super::conv_lower::{geometry, two_axes};
use super::window::Axis;
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

/// `MatMulInteger` by a constant matrix: a convolution with one tap.
pub(super) fn matmul(ctx: &mut LowerContext) -> Result<(), OpError> {
    let (a, signed) = plain_bytes(ctx)?;
    let &[inputs, outputs] = ctx.shape(1) else { return Err(ctx.error("input 1 has to be a matrix on the device")) };
    let (_, values, zero_points) = weights(ctx, outputs)?;
    let rows = ctx.program.tensors[a].len() / inputs.max(1);
    let turned = (0..outputs).flat_map(|o| (0..inputs).map(move |i| i * outputs + o)).map(|p| values[p]).collect();
    let a = reshaped(ctx, a, &[rows, inputs])?;
    let y = ctx.temporary(element::I32, &[rows, outputs]);
    let columns = Axis { input: rows, output: rows, ..Axis::UNIT };
    let g = geometry(1, [inputs, outputs], [Axis::UNIT, columns], 1, false);
    let y = convolve(ctx, (a, signed), g, (turned, zero_points), y)?;
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
    let y = convolve(ctx, (x, signed), g, (rows, zeros), y)?;
    let y = reshaped(ctx, y, &y_shape)?;
    ctx.bind(0, y);
    Ok(())
}

/// The step of a convolution with weights `[O][KH][KW][I / groups]` and a zero point for every output.
fn convolve(
    ctx: &mut LowerContext,
    (x, signed): (TensorId, u32),
    g: ConvGeometry,
    (rows, zero_points): (Vec<i8>, Vec<i32>),
    y: TensorId,
) -> Result<TensorId, OpError> {
    let taps = (g.kernel_height * g.kernel_width) as usize;
    let macs = (ctx.program.tensors[y].len() * taps * (g.in_channels / g.groups) as usize) as u64;
    let (g, w) = packed(g, rows, zero_points);
    let (w, zero) = (ctx.program.add(w), zero_point(ctx)?);
    let step = ctx.emit(ConvInteger { geometry: g, signed }, &[y], &[x, w]);
    step.reads.push(zero);
    step.macs = macs;
    Ok(y)
}

/// The weights as the step reads them, and the geometry that they are for.
fn packed(g: ConvGeometry, rows: Vec<i8>, zero_points: Vec<i32>) -> (ConvGeometry, DeviceTensor) {
    let taps = (g.kernel_height * g.kernel_width) as usize;
    if g.groups == g.in_channels && g.groups == g.out_channels {
        let places = (0..taps).flat_map(|tap| (0..zero_points.len()).map(move |o| (o, tap)));
        let differences = places.map(|(o, tap)| i32::from(rows[o * taps + tap]) - zero_points[o]);
        let mut bytes: Vec<u8> = differences.flat_map(|w| (w as i16).to_le_bytes()).collect();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let mut w = DeviceTensor::new(element::I8, &[bytes.len()], None);
        w.constant = Some(Constant::Bytes(bytes));
        return (g, w);
    }
    let (g, rows) = in_wider_groups(g, rows, &zero_points);
    let (outputs, inputs) = ((g.out_channels / g.groups) as usize, taps * (g.in_channels / g.groups) as usize);
    let scales = vec![1.0; zero_points.len()];
    let mut w = DeviceTensor::new(element::I8, &[rows.len()], None);
    w.constant = Some(Constant::Product(ProductWeights { inputs, outputs, rows, scales, zero_points }));
    (g, w)
}

/// Output channels that the packed matrix of a group is filled up to.
const FILLED: u32 = 16;

/// Several small groups as one, as many as fill a matrix: a weight for an input of another group is the zero point.
fn in_wider_groups(g: ConvGeometry, rows: Vec<i8>, zero_points: &[i32]) -> (ConvGeometry, Vec<i8>) {
    let (inputs, outputs) = ((g.in_channels / g.groups) as usize, (g.out_channels / g.groups) as usize);
    let fits = |&n: &u32| g.groups.is_multiple_of(n) && g.out_channels / g.groups * n <= FILLED;
    let together = (1..=g.groups.min(FILLED)).rev().find(fits).unwrap_or(1);
    if together == 1 {
        return (g, rows);
    }
    let (wide, row) = (together as usize * inputs, rows.len() / zero_points.len());
    let mut all = Vec::with_capacity(rows.len() * together as usize);
    for ((channel, row), &zero) in rows.chunks_exact(row).enumerate().zip(zero_points) {
        let place = channel / outputs % together as usize * inputs;
        for tap in row.chunks_exact(inputs) {
            let first = all.len();
            all.resize(first + wide, zero as i8);
            all[first + place..][..inputs].copy_from_slice(tap);
        }
    }
    (ConvGeometry { groups: g.groups / together, ..g }, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_groups_share_a_matrix() {
        let g = ConvGeometry { in_channels: 6, out_channels: 12, groups: 6, kernel_height: 2, ..Default::default() };
        let g = ConvGeometry { kernel_width: 1, ..g };
        let zeros: Vec<i32> = (0..12).map(|o| -o).collect();
        let (wide, rows) = in_wider_groups(g, (1..25).collect(), &zeros);
        assert_eq!((wide.groups, rows.len()), (1, 12 * 2 * 6));
        assert_eq!(rows[..12], [1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0]);
        assert_eq!(rows[5 * 12..][..12], [-5, -5, 11, -5, -5, -5, -5, -5, 12, -5, -5, -5]);
        // Eight groups of three outputs in fours of them; thirteen of two stay.
        let count = |groups: u32, outputs: u32| {
            let g = ConvGeometry { in_channels: groups, out_channels: groups * outputs, groups, ..g };
            let n = (groups * outputs) as usize;
            in_wider_groups(g, vec![1; 2 * n], &vec![0; n]).0.groups
        };
        assert_eq!([count(8, 3), count(13, 2), count(1, 40), count(2, 32)], [2, 13, 1, 2]);
    }
}
