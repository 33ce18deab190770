//! Lowering of layers that are linear in a constant weight: convolutions, fully connected layers.

use std::ops::Range;

use ocellus_graph::{DataType, Tensor};
use ocellus_plan::args::{
    ConvF32, ConvGeometry, ConvI8, ConvTransposeF32, ConvTransposeI8, DepthwiseF32, DepthwiseI8, element,
};

use super::window::Axis;
use crate::OpError;
use crate::lower::moves::{before_reorder, renamed, reshaped};
use crate::lower::{Constant, DeviceTensor, LowerContext, Quant, QuantizedConstant, TensorId};

/// Sizes of weights.
struct WeightShape {
    outputs: usize,
    taps: usize,
    inputs: usize,
}

/// Constant weights as `[O][KH][KW][I / groups]` with a bias, and the geometry that they slide in.
pub(super) struct Linear {
    pub geometry: ConvGeometry,
    pub transposed: bool,
    /// Float weights, in rows.
    pub weights: Vec<f32>,
    /// Float bias per output channel.
    pub bias: Vec<f32>,
    /// int8 weights in rows with one scale per output channel, where they are quantized.
    pub quantized: Option<(Vec<i8>, Vec<f32>)>,
}

impl Linear {
    fn shape(&self) -> WeightShape {
        let g = &self.geometry;
        WeightShape {
            outputs: g.out_channels as usize,
            taps: (g.kernel_height * g.kernel_width) as usize,
            inputs: (g.in_channels / g.groups) as usize,
        }
    }

    fn depthwise(&self) -> bool {
        let g = &self.geometry;
        !self.transposed && g.groups > 1 && g.groups == g.in_channels && g.groups == g.out_channels
    }

    /// Multiply-accumulate operations, padded taps included.
    fn macs(&self) -> u64 {
        let (g, s) = (&self.geometry, self.shape());
        let pixels = if self.transposed { g.in_height * g.in_width } else { g.out_height * g.out_width };
        u64::from(g.batch) * u64::from(pixels) * (s.outputs * s.taps * s.inputs) as u64
    }

    /// Emits the layer from `x` to an output that the caller binds; int8 where input, weights and output are.
    pub fn emit(&self, ctx: &mut LowerContext, x: TensorId, shape: &[usize]) -> Result<TensorId, OpError> {
        let input = ctx.program.tensors[x].quant;
        let y = match (input, &self.quantized, ctx.fusion.quant) {
            (Some(from), Some((rows, scales)), Some(to)) => self.emit_i8(ctx, x, from, rows, scales, to, shape)?,
            _ => self.emit_f32(ctx, x, shape)?,
        };
        if let Some(step) = ctx.program.steps.last_mut() {
            step.macs = self.macs();
        }
        Ok(y)
    }

    #[allow(clippy::too_many_arguments)] // the two ends of one layer and its weights
    fn emit_i8(
        &self,
        ctx: &mut LowerContext,
        x: TensorId,
        from: Quant,
        rows: &[i8],
        scales: &[f32],
        to: Quant,
        shape: &[usize],
    ) -> Result<TensorId, OpError> {
        let (multipliers, bias) = self.requantization(ctx, from, rows, scales, to)?;
        ctx.taken = (ctx.fusion.clamp.is_some(), true);
        let (low, high) = to.range(ctx.fusion.clamp);
        let y = ctx.program.add(DeviceTensor::new(element::I8, shape, Some(to)));
        let (bias, multipliers) = (ctx.i32s(&bias), ctx.f32s(&multipliers));
        let geometry = self.geometry;
        let (input_zero_point, output_zero_point) = (from.zero_point, to.zero_point);
        if self.transposed {
            let mut w = DeviceTensor::new(element::I8, &[rows.len()], None);
            w.constant = Some(Constant::ConvTransposeI8(rows.to_vec(), geometry));
            let w = ctx.program.add(w);
            let args = ConvTransposeI8 { geometry, input_zero_point, output_zero_point, low, high, layout: 0 };
            ctx.emit(args, &[y], &[x, w, bias, multipliers]);
        } else if self.depthwise() {
            let w = ctx.i8s(&taps(rows, self.shape()));
            let args = DepthwiseI8 { geometry, input_zero_point, output_zero_point, low, high };
            ctx.emit(args, &[y], &[x, w, bias, multipliers]);
        } else {
            let mut w = DeviceTensor::new(element::I8, &[rows.len()], None);
            w.constant = Some(Constant::ConvI8(rows.to_vec(), geometry));
            let w = ctx.program.add(w);
            let args = ConvI8 { geometry, input_zero_point, output_zero_point, low, high, layout: 0 };
            ctx.emit(args, &[y], &[x, w, bias, multipliers]);
        }
        Ok(y)
    }

    /// The multiplier and the bias of every output channel: `m = (sx * sw) / sy` in f32, the bias in units of `sx * sw`
    /// with `-zx * Σ w` built in.
    fn requantization(
        &self,
        ctx: &LowerContext,
        from: Quant,
        rows: &[i8],
        scales: &[f32],
        to: Quant,
    ) -> Result<(Vec<f32>, Vec<i32>), OpError> {
        let row = rows.len() / scales.len().max(1);
        let mut multipliers = Vec::with_capacity(scales.len());
        let mut bias = Vec::with_capacity(scales.len());
        for (o, ((&scale, weights), &b)) in scales.iter().zip(rows.chunks_exact(row)).zip(&self.bias).enumerate() {
            let unit = from.scale * scale;
            let m = unit / to.scale;
            if !m.is_normal() {
                return Err(ctx.error(format!("the multiplier of output channel {o} is {m}; scales are out of range")));
            }
            let sum: i64 = weights.iter().map(|&w| i64::from(w)).sum();
            let magnitude: i64 = weights.iter().map(|&w| i64::from(w).abs()).sum();
            let plain = (f64::from(b) / f64::from(unit)).round_ties_even() as i64;
            let folded = if self.transposed { plain } else { plain - i64::from(from.zero_point) * sum };
            let reach = if self.transposed { 255 } else { 128 };
            if folded.abs() + magnitude * reach > i64::from(i32::MAX) {
                return Err(ctx.error(format!("output channel {o} can overflow the 32-bit accumulator")));
            }
            multipliers.push(m);
            bias.push(folded as i32);
        }
        Ok((multipliers, bias))
    }

    fn emit_f32(&self, ctx: &mut LowerContext, x: TensorId, shape: &[usize]) -> Result<TensorId, OpError> {
        let x = as_f32(ctx, x);
        ctx.taken.0 = ctx.fusion.clamp.is_some();
        let (low, high) = ctx.fusion.clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let y = ctx.program.add(DeviceTensor::new(element::F32, shape, None));
        let bias = ctx.f32s(&self.bias);
        let geometry = self.geometry;
        if self.depthwise() {
            let taps = taps(&self.weights, self.shape());
            let mut w = DeviceTensor::new(element::F32, &[taps.len()], None);
            w.constant = Some(Constant::Floats(taps));
            let w = ctx.program.add(w);
            ctx.emit(DepthwiseF32 { geometry, low, high }, &[y], &[x, w, bias]);
            return Ok(y);
        }
        let mut w = DeviceTensor::new(element::F32, &[self.weights.len()], None);
        let constant = if self.transposed { Constant::ConvTransposeF32 } else { Constant::ConvF32 };
        w.constant = Some(constant(self.weights.clone(), geometry));
        let w = ctx.program.add(w);
        if self.transposed {
            ctx.emit(ConvTransposeF32 { geometry, low, high, layout: 0 }, &[y], &[x, w, bias]);
        } else {
            ctx.emit(ConvF32 { geometry, low, high, layout: 0 }, &[y], &[x, w, bias]);
        }
        Ok(y)
    }
}

/// A tensor as f32, dequantized where it is int8.
fn as_f32(ctx: &mut LowerContext, x: TensorId) -> TensorId {
    let Some(quant) = ctx.program.tensors[x].quant else { return x };
    let mut real = ctx.program.tensors[x].clone();
    (real.element, real.quant, real.alias, real.constant) = (element::F32, None, None, None);
    let len = real.len() as u32;
    let y = ctx.program.add(real);
    let args = ocellus_plan::args::Dequantize { len, scale: quant.scale, zero_point: quant.zero_point };
    ctx.emit(args, &[y], &[x]);
    y
}

/// Rows `[C][taps][1]` as `[taps][C]`.
fn taps<T: Copy>(rows: &[T], shape: WeightShape) -> Vec<T> {
    (0..shape.taps).flat_map(|t| (0..shape.outputs).map(move |o| rows[o * shape.taps + t])).collect()
}

/// Moves every element of constant weights to its place in rows: `place[k]` is where row element `k` comes from.
fn gathered<T: Copy>(values: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|&p| values[p]).collect()
}

/// The int8 weights and scales of a constant, where it is int8 per output channel (or per tensor).
fn int8_rows(
    c: &QuantizedConstant,
    channel_axis: usize,
    channels: usize,
    places: &[usize],
) -> Option<(Vec<i8>, Vec<f32>)> {
    if !matches!(c.values.dtype(), DataType::I8 | DataType::U8) || (c.scales.len() > 1 && c.axis != channel_axis) {
        return None;
    }
    let shape = c.values.shape();
    let inner: usize = shape[channel_axis + 1..].iter().product();
    let zero = |k: usize| c.zero_points[if c.zero_points.len() == 1 { 0 } else { k / inner % channels }];
    let centred = c.values.to_i64().into_iter().enumerate().map(|(k, v)| i8::try_from(v - i64::from(zero(k))).ok());
    let values: Vec<i8> = centred.collect::<Option<_>>()?;
    Some((gathered(&values, places), (0..channels).map(|o| c.scale(o)).collect()))
}

fn bias_of(ctx: &LowerContext, index: usize, channels: usize, factor: f32) -> Result<Vec<f32>, OpError> {
    if !ctx.has(index) {
        return Ok(vec![0.0; channels]);
    }
    let bias: Vec<f32> = ctx.required_constant(index)?.to_f32().iter().map(|b| b * factor).collect();
    match bias.len() {
        n if n == channels => Ok(bias),
        1 => Ok(vec![bias[0]; channels]),
        n => Err(ctx.error(format!("the bias has {n} elements; {channels} are expected"))),
    }
}

/// Two spatial axes of a window; a 1-D window gets a row axis of one element.
pub(super) fn two_axes(axes: &[Axis]) -> Option<[Axis; 2]> {
    match *axes {
        [columns] => Some([Axis { kernel: 1, stride: 1, dilation: 1, begin: 0, end: 0, input: 1, output: 1 }, columns]),
        [rows, columns] => Some([rows, columns]),
        _ => None,
    }
}

pub(super) fn geometry(
    batch: usize,
    channels: [usize; 2],
    [rows, columns]: [Axis; 2],
    groups: usize,
    transposed: bool,
) -> ConvGeometry {
    // A transposed convolution's window runs over its output: input and output change places.
    let pick = |a: Axis| if transposed { (a.output, a.input) } else { (a.input, a.output) };
    let ((in_height, out_height), (in_width, out_width)) = (pick(rows), pick(columns));
    ConvGeometry {
        batch: batch as u32,
        in_height: in_height as u32,
        in_width: in_width as u32,
        in_channels: channels[0] as u32,
        out_height: out_height as u32,
        out_width: out_width as u32,
        out_channels: channels[1] as u32,
        kernel_height: rows.kernel as u32,
        kernel_width: columns.kernel as u32,
        stride_height: rows.stride as u32,
        stride_width: columns.stride as u32,
        dilation_height: rows.dilation as u32,
        dilation_width: columns.dilation as u32,
        pad_top: rows.begin as u32,
        pad_left: columns.begin as u32,
        groups: groups as u32,
    }
}

/// Emits a convolution between tensors of rank 3 or 4, which may have to be seen as rank 4.
fn emit_spatial(ctx: &mut LowerContext, linear: &Linear) -> Result<(), OpError> {
    let g = linear.geometry;
    let n = |v: u32| v as usize;
    let (from, to) = (
        [n(g.batch), n(g.in_channels), n(g.in_height), n(g.in_width)],
        [n(g.batch), n(g.out_channels), n(g.out_height), n(g.out_width)],
    );
    let x = ctx.any(0)?;
    let x = reshaped(ctx, x, &from)?;
    let y = linear.emit(ctx, x, &to)?;
    let y = if ctx.output_shape() == to { y } else { reshaped(ctx, y, &ctx.output_shape())? };
    ctx.bind(0, y);
    Ok(())
}

/// The taps of an axis from the first to the last that any window has inside the input, and the axis with those alone: around a
/// small map, distant taps are padding everywhere.
fn seen(axis: &Axis) -> (Axis, Range<usize>) {
    let inside = |tap: usize| {
        let place = |output: usize| (output * axis.stride + tap * axis.dilation).checked_sub(axis.begin);
        (0..axis.output).filter_map(place).any(|place| place < axis.input)
    };
    let first = (0..axis.kernel).find(|&tap| inside(tap)).unwrap_or(0).min(axis.begin / axis.dilation);
    let last = (first..axis.kernel).rev().find(|&tap| inside(tap)).unwrap_or(first);
    let kernel = last + 1 - first;
    let dilation = if kernel == 1 { 1 } else { axis.dilation };
    (Axis { kernel, dilation, begin: axis.begin - first * axis.dilation, ..*axis }, first..last + 1)
}

/// `Conv`.
pub(super) fn conv(ctx: &mut LowerContext) -> Result<(), OpError> {
    let w = ctx.required_constant(1)?;
    let (x_shape, w_shape) = (ctx.shape(0).to_vec(), w.shape().to_vec());
    let (_, axes, groups) = super::conv::known_axes(ctx.node, &x_shape, &w_shape)?;
    let axes = two_axes(&axes).ok_or_else(|| ctx.error("has three spatial axes; the device has two at most"))?;
    let (o, i, taps) = (w_shape[0], w_shape[1], w_shape[2..].iter().product::<usize>());
    let [(rows, rows_seen), (columns, columns_seen)] = axes.map(|axis| seen(&axis));
    let kept: Vec<usize> =
        (rows_seen.flat_map(|row| columns_seen.clone().map(move |c| row * axes[1].kernel + c))).collect();
    let kept = &kept;
    let places: Vec<usize> =
        (0..o).flat_map(|o| kept.iter().flat_map(move |t| (0..i).map(move |c| (o * i + c) * taps + t))).collect();
    let linear = Linear {
        geometry: geometry(x_shape[0], [x_shape[1], o], [rows, columns], groups, false),
        transposed: false,
        weights: gathered(&w.to_f32(), &places),
        bias: bias_of(ctx, 2, o, 1.0)?,
        quantized: ctx.quantized_constant(1).and_then(|c| int8_rows(c, 0, o, &places)),
    };
    emit_spatial(ctx, &linear)
}

/// `ConvTranspose`, whose weights are `[I, O / groups, kernel...]`.
pub(super) fn conv_transpose(ctx: &mut LowerContext) -> Result<(), OpError> {
    let w = ctx.required_constant(1)?;
    let (x_shape, w_shape, y_shape) = (ctx.shape(0).to_vec(), w.shape().to_vec(), ctx.output_shape());
    let (axes, groups) = super::conv_transpose::known(ctx.node, &x_shape, &w_shape)?;
    let axes = two_axes(&axes).ok_or_else(|| ctx.error("has three spatial axes; the device has two at most"))?;
    let (i, per_group, taps) = (w_shape[0], w_shape[1], w_shape[2..].iter().product::<usize>());
    let (o, inputs) = (per_group * groups, i / groups);
    let place =
        move |o: usize, t: usize, c: usize| ((o / per_group * inputs + c) * per_group + o % per_group) * taps + t;
    let places: Vec<usize> =
        (0..o).flat_map(|o| (0..taps).flat_map(move |t| (0..inputs).map(move |c| place(o, t, c)))).collect();
    let quantized = ctx.quantized_constant(1).filter(|c| groups == 1 || c.scales.len() == 1);
    let linear = Linear {
        geometry: geometry(x_shape[0], [x_shape[1], y_shape[1]], axes, groups, true),
        transposed: true,
        weights: gathered(&w.to_f32(), &places),
        bias: bias_of(ctx, 2, o, 1.0)?,
        quantized: quantized.and_then(|c| int8_rows(c, 1, o, &places)),
    };
    emit_spatial(ctx, &linear)
}

/// Input 0 as `[rows, inputs]`, with the model's place of every input. Pixels with channels that were flattened stay as
/// they lie: the weights follow them.
fn flattened(ctx: &mut LowerContext, rows: usize, inputs: usize) -> Result<(TensorId, Vec<usize>), OpError> {
    let x = ctx.stored(0)?;
    if let Some(image) = before_reorder(ctx, x) {
        let source = ctx.program.tensors[image].clone();
        if let [n, c, h, w] = source.shape[..]
            && (n, c * h * w) == (rows, inputs)
        {
            let mut view = DeviceTensor::new(source.element, &[rows, inputs], source.quant);
            view.alias = Some(image);
            let order = (0..h * w).flat_map(|p| (0..c).map(move |c| c * h * w + p)).collect();
            return Ok((ctx.program.add(view), order));
        }
    }
    Ok((reshaped(ctx, x, &[rows, inputs])?, (0..inputs).collect()))
}

/// A fully connected layer of `rows` rows: weights `[outputs][inputs]` taken from a constant matrix, which is stored
/// `[inputs][outputs]` unless `turned`.
pub(super) fn fully_connected(
    ctx: &mut LowerContext,
    rows: usize,
    w: &Tensor,
    turned: bool,
    factors: (f32, f32),
) -> Result<(), OpError> {
    let (inputs, outputs) = if turned { (w.shape()[1], w.shape()[0]) } else { (w.shape()[0], w.shape()[1]) };
    let (x, order) = flattened(ctx, rows, inputs)?;
    let place = |o: usize, i: usize| if turned { o * inputs + i } else { i * outputs + o };
    let places: Vec<usize> = (0..outputs).flat_map(|o| order.iter().map(move |&i| place(o, i))).collect();
    let (alpha, beta) = factors;
    let weights: Vec<f32> = gathered(&w.to_f32(), &places).into_iter().map(|v| v * alpha).collect();
    let line = |input: usize| Axis { input, output: input, ..Axis::UNIT };
    let channel_axis = usize::from(!turned);
    let quantized = ctx.quantized_constant(1).filter(|_| alpha == 1.0);
    let linear = Linear {
        geometry: geometry(1, [inputs, outputs], [line(1), line(rows)], 1, false),
        transposed: false,
        weights,
        bias: bias_of(ctx, 2, outputs, beta)?,
        quantized: quantized.and_then(|c| int8_rows(c, channel_axis, outputs, &places)),
    };
    let y = linear.emit(ctx, x, &[rows, outputs])?;
    let y = renamed(ctx, y, &ctx.output_shape())?;
    ctx.bind(0, y);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_that_only_see_padding_are_left_out() {
        let axis = |kernel, stride, dilation, begin, input, output| Axis {
            kernel,
            stride,
            dilation,
            begin,
            end: 0,
            input,
            output,
        };
        let of = |axis: Axis| {
            let (cut, taps) = seen(&axis);
            ((cut.kernel, cut.dilation, cut.begin), taps)
        };
        // All of a common layer, the middle of a distant one and of one around a single element, and one side.
        assert_eq!(of(axis(3, 1, 1, 1, 16, 16)), ((3, 1, 1), 0..3));
        assert_eq!(of(axis(3, 1, 24, 24, 16, 16)), ((1, 1, 0), 1..2));
        assert_eq!(of(axis(3, 2, 1, 1, 1, 1)), ((1, 1, 0), 1..2));
        assert_eq!(of(axis(5, 1, 2, 4, 3, 3)), ((3, 2, 2), 1..4));
        assert_eq!(of(axis(4, 4, 1, 2, 2, 1)), ((2, 1, 0), 2..4));
        // Nothing but padding is one tap of it; a first tap that would be left out before the input begins stays.
        assert_eq!(of(axis(2, 1, 1, 9, 4, 2)).1.len(), 1);
        for input in 1..9 {
            for (kernel, dilation, begin, stride) in [(3, 3, 1, 1), (3, 2, 5, 2), (4, 1, 3, 3), (2, 7, 0, 1)] {
                let whole = axis(kernel, stride, dilation, begin, input, 6);
                let (cut, taps) = seen(&whole);
                let places = |a: &Axis, taps: Range<usize>| -> Vec<Vec<usize>> {
                    let place = |o: usize, t: usize| (o * a.stride + t * a.dilation).checked_sub(a.begin);
                    let inside = |&p: &usize| p < a.input;
                    (0..a.output).map(|o| taps.clone().filter_map(|t| place(o, t)).filter(inside).collect()).collect()
                };
                assert_eq!(places(&cut, 0..cut.kernel), places(&whole, 0..kernel), "{whole:?} {taps:?}");
            }
        }
    }
}
