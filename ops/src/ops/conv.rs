//! `Conv`: convolution over 1 to 3 spatial axes, in groups, with dilation (ONNX Conv-11; 22 only adds types).

use ocellus_graph::{Dim, Node, Shape, Tensor, ValueId};

use super::conv_gradient::{bias_gradient, input_gradient, weight_gradient};
use super::elementwise::{require_float, require_same_type};
use super::window::{Axis, Window, runs, taps, three};
use crate::{
    Affine, Builder, EvalContext, FoldContext, GradContext, InferContext, InputRole, OpDef, OpError, OutputScale,
    QuantRule, ValueType,
};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(QuantRule {
        inputs: |_| vec![InputRole::Activation, InputRole::Weight { axis: 0 }, InputRole::Bias],
        output: OutputScale::Calibrated,
    }),
    absorb: Some(|ctx, affine| {
        let per_channel = ctx.constant(1)?.shape().iter().skip(1).product::<usize>().max(1);
        absorb_weights(ctx, affine, |offset| offset / per_channel)
    }),
    mixture: Some(super::conv_mix::mixture),
    absorb_mixture: Some(super::conv_mix::absorb),
    lower: Some(super::conv_lower::conv),
    ..OpDef::new("Conv", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    require_same_type(ctx, 0, 1)?;
    let shape = output_shape(ctx, 0, 1)?;
    if let Some(bias) = ctx.optional(2) {
        require_same_type(ctx, 0, 2)?;
        require_bias(ctx.node, &bias.shape, &shape[1])?;
    }
    Ok(vec![ValueType::new(ctx.input(0)?.dtype, shape)])
}

/// Refuses a bias that is not one number per output channel.
pub(super) fn require_bias(node: &Node, bias: &Shape, channels: &Dim) -> Result<(), OpError> {
    let fits = bias.rank() == 1 && bias[0].known().zip(channels.known()).is_none_or(|(a, b)| a == b);
    if fits {
        return Ok(());
    }
    Err(OpError::at(node, format!("the bias has shape {bias}; [{channels}] is expected")))
}

/// The shape of a convolution of input `x` `[N, C, ...]` with the weights `[M, C / group, kernel...]` in input `w`.
pub(super) fn output_shape(ctx: &InferContext, x: usize, w: usize) -> Result<Shape, OpError> {
    let (x, w) = (&ctx.input(x)?.shape, &ctx.input(w)?.shape);
    let window = Window::of_node(ctx.node)?;
    require_ranks(ctx.node, x.rank(), w.rank())?;
    let group = group_of(ctx.node, &window)?;
    if let (Some(channels), Some(per_group)) = (x[1].known(), w[1].known())
        && per_group.checked_mul(group) != Some(channels)
    {
        let expected = "input channels = group * weight channels";
        return Err(ctx.error(format!("input {x}, weights {w} and group {group} do not fit: {expected}")));
    }
    if let Some(outputs) = w[0].known().filter(|m| !m.is_multiple_of(group)) {
        return Err(ctx.error(format!("{outputs} output channels do not divide into {group} groups")));
    }
    let spatial = match kernel_sizes(ctx.node, &window, w)? {
        Some(kernel) => window.output_dims(ctx.node, &kernel, &x[2..])?,
        None => vec![Dim::Unknown; x.rank() - 2],
    };
    Ok([x[0].clone(), w[0].clone()].into_iter().chain(spatial).collect())
}

/// Refuses an input and weights that are not both `[., ., spatial...]`.
pub(super) fn require_ranks(node: &Node, x: usize, w: usize) -> Result<(), OpError> {
    if x == w && x > 2 {
        return Ok(());
    }
    Err(OpError::at(node, format!("input and weights have ranks {x} and {w}; equal ranks from 3 to 5 are expected")))
}

/// The number of groups.
pub(super) fn group_of(node: &Node, window: &Window) -> Result<usize, OpError> {
    let group = usize::try_from(window.group).ok().filter(|&g| g > 0);
    group.ok_or_else(|| OpError::at(node, format!("group is {}; at least 1 is expected", window.group)))
}

/// The kernel's sizes from the weights, or from the attribute where the weights' are not known.
pub(super) fn kernel_sizes(node: &Node, window: &Window, weights: &Shape) -> Result<Option<Vec<usize>>, OpError> {
    let Some(sizes) = weights.iter().skip(2).map(Dim::known).collect::<Option<Vec<_>>>() else {
        return if window.kernel.is_empty() { Ok(None) } else { window.kernel_sizes(node).map(Some) };
    };
    if !window.kernel.is_empty() && window.kernel_sizes(node)? != sizes {
        return Err(OpError::at(node, format!("kernel_shape is {:?}, but the weights are {weights}", window.kernel)));
    }
    Ok(Some(sizes))
}

/// The window over an input and weights of known shapes.
pub(super) fn known_axes(node: &Node, x: &[usize], w: &[usize]) -> Result<(Window, Vec<Axis>, usize), OpError> {
    let window = Window::of_node(node)?;
    require_ranks(node, x.len(), w.len())?;
    let group = group_of(node, &window)?;
    if w[1].checked_mul(group) != Some(x[1]) || !w[0].is_multiple_of(group) {
        return Err(OpError::at(node, format!("input {x:?}, weights {w:?} and group {group} do not fit")));
    }
    let axes = window.axes(node, &w[2..], &x[2..])?;
    Ok((window, axes, group))
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, w) = (ctx.input(0)?, ctx.input(1)?);
    let (shape, mut y) = convolve(ctx.node, x.shape(), &x.to_f64(), w.shape(), &w.to_f64())?;
    if let Some(bias) = ctx.optional(2) {
        add_bias(ctx.node, &shape, &mut y, &bias.to_f64())?;
    }
    Ok(vec![Tensor::from_f64(x.dtype(), &shape, &y)])
}

/// Adds one number per channel (axis 1).
pub(super) fn add_bias(node: &Node, shape: &[usize], y: &mut [f64], bias: &[f64]) -> Result<(), OpError> {
    if bias.len() != shape[1] {
        return Err(OpError::at(node, format!("the bias has {} elements; {} are expected", bias.len(), shape[1])));
    }
    let plane = shape[2..].iter().product::<usize>().max(1);
    for (row, &b) in y.chunks_exact_mut(plane).zip(bias.iter().cycle()) {
        row.iter_mut().for_each(|v| *v += b);
    }
    Ok(())
}

/// The convolution in f64, without bias; exact for integers whose sums stay below 2^53.
pub(super) fn convolve(
    node: &Node,
    x_shape: &[usize],
    x: &[f64],
    w_shape: &[usize],
    w: &[f64],
) -> Result<(Vec<usize>, Vec<f64>), OpError> {
    let (_, axes, group) = known_axes(node, x_shape, w_shape)?;
    let shape: Vec<usize> = [x_shape[0], w_shape[0]].into_iter().chain(axes.iter().map(|a| a.output)).collect();
    let cube = three(&axes);
    let (inside, outside) = (shape[1] / group, w_shape[1]);
    let x_plane: usize = x_shape[2..].iter().product();
    let y_plane: usize = shape[2..].iter().product();
    let kernel: usize = w_shape[2..].iter().product();
    let mut y = vec![0.0; shape.iter().product()];
    if y.is_empty() {
        return Ok((shape, y));
    }
    for (plane, y) in y.chunks_exact_mut(y_plane).enumerate() {
        let (n, m) = (plane / shape[1], plane % shape[1]);
        for c in 0..outside {
            let channel = n * x_shape[1] + m / inside * outside + c;
            let x = &x[channel * x_plane..][..x_plane];
            correlate(&cube, x, &w[(m * outside + c) * kernel..][..kernel], y);
        }
    }
    Ok((shape, y))
}

/// `y[o] += Σ x[o * stride + tap * dilation - begin] * w[tap]` for one plane.
fn correlate(axes: &[Axis; 3], x: &[f64], w: &[f64], y: &mut [f64]) {
    let stride = axes[2].stride;
    for (tap, &w) in taps(axes).zip(w) {
        runs(axes, tap, |output, input, length| {
            let y = &mut y[output..output + length];
            if stride == 1 {
                y.iter_mut().zip(&x[input..input + length]).for_each(|(y, &x)| *y += x * w);
            } else {
                y.iter_mut().zip(x[input..].iter().step_by(stride)).for_each(|(y, &x)| *y += x * w);
            }
        });
    }
}

/// Weights times scale and bias times scale plus shift, where `channel` names the output channel of a weight.
pub(super) fn absorb_weights(
    ctx: &FoldContext,
    affine: &Affine,
    channel: impl Fn(usize) -> usize,
) -> Option<(Tensor, Tensor)> {
    let weights = ctx.constant(1)?;
    let bias = match ctx.node.input(2) {
        Some(_) => ctx.constant(2)?.to_f64(),
        None => vec![0.0; affine.scale.len()],
    };
    let mut scaled = weights.to_f64();
    for (offset, w) in scaled.iter_mut().enumerate() {
        *w *= affine.scale.get(channel(offset))?;
    }
    if bias.len() != affine.scale.len() || affine.shift.len() != bias.len() {
        return None;
    }
    let bias: Vec<f64> = bias.iter().zip(&affine.scale).zip(&affine.shift).map(|((b, s), t)| b * s + t).collect();
    let dtype = weights.dtype();
    Some((Tensor::from_f64(dtype, weights.shape(), &scaled), Tensor::from_f64(dtype, &[bias.len()], &bias)))
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, w) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let (x_shape, w_shape) = (ctx.builder.shape(x)?, ctx.builder.shape(w)?);
    let (_, axes, group) = known_axes(&ctx.node, &x_shape, &w_shape)?;
    let mut grads = vec![None; ctx.node.inputs.len()];
    if ctx.needs(0) {
        grads[0] = Some(input_gradient(ctx.builder, g, w, &axes, group)?);
    }
    if ctx.needs(1) {
        grads[1] = Some(weight_gradient(ctx.builder, x, g, &axes, group)?);
    }
    if ctx.needs(2) {
        grads[2] = Some(bias_gradient(ctx.builder, g)?);
    }
    Ok(grads)
}

impl Builder {
    /// Convolution of `x` `[N, C, ...]` with `w` `[M, C / group, kernel...]`, plus `bias` `[M]`.
    ///
    /// # Errors
    /// Shapes that do not fit, or a window with `ceil_mode`, which only pools have.
    pub fn conv(&mut self, x: ValueId, w: ValueId, bias: Option<ValueId>, window: &Window) -> Result<ValueId, OpError> {
        if window.ceil_mode {
            return Err(OpError::graph(&self.graph().name, "a convolution has no ceil_mode"));
        }
        let mut inputs = vec![Some(x), Some(w)];
        inputs.extend(bias.map(Some));
        Ok(self.apply_many(&OP, &inputs, window.attributes(), 1)?[0])
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, DataType};

    use super::*;
    use crate::ops::window::AutoPad;
    use crate::{check, find};

    fn ramp(shape: &[usize]) -> Tensor {
        Tensor::of(shape, (0..shape.iter().product::<usize>()).map(|i| i as f32).collect())
    }

    fn conv(window: Window, inputs: &[Tensor]) -> Tensor {
        check::eval(|b, v| b.conv(v[0], v[1], v.get(2).copied(), &window), inputs)
    }

    /// The examples of the ONNX operator page.
    #[test]
    fn convolves_with_and_without_padding() {
        let (x, w) = (ramp(&[1, 1, 5, 5]), Tensor::full(DataType::F32, &[1, 1, 3, 3], 1.0));
        let padded = conv(Window::square(3, 1, 1), &[x.clone(), w.clone()]);
        let expected = [
            12f32, 21., 27., 33., 24., 33., 54., 63., 72., 51., 63., 99., 108., 117., 81., 93., 144., 153., 162., 111.,
            72., 111., 117., 123., 84.,
        ];
        assert_eq!(padded, Tensor::of(&[1, 1, 5, 5], expected.to_vec()));
        let valid = conv(Window::square(3, 1, 0), &[x, w]);
        assert_eq!(valid, Tensor::of(&[1, 1, 3, 3], vec![54f32, 63., 72., 99., 108., 117., 144., 153., 162.]));
    }

    #[test]
    fn strides_with_symmetric_one_sided_and_automatic_padding() {
        let (x, w) = (ramp(&[1, 1, 7, 5]), Tensor::full(DataType::F32, &[1, 1, 3, 3], 1.0));
        let both = conv(Window::square(3, 2, 1), &[x.clone(), w.clone()]);
        let expected = vec![12f32, 27., 24., 63., 108., 81., 123., 198., 141., 112., 177., 124.];
        assert_eq!(both, Tensor::of(&[1, 1, 4, 3], expected));
        let rows = Window { pads: vec![1, 0, 1, 0], ..Window::square(3, 2, 0) };
        let rows = conv(rows, &[x, w.clone()]);
        assert_eq!(rows, Tensor::of(&[1, 1, 4, 2], vec![21f32, 33., 99., 117., 189., 207., 171., 183.]));
        let lower = Window { auto_pad: AutoPad::SameLower, ..Window::square(3, 2, 0) };
        let lower = conv(lower, &[ramp(&[1, 1, 5, 5]), w]);
        assert_eq!(lower, Tensor::of(&[1, 1, 3, 3], vec![12f32, 27., 24., 63., 108., 81., 72., 117., 84.]));
    }

    #[test]
    fn one_and_three_axes_groups_dilation_and_bias() {
        let line = conv(Window::new(&[2]).dilated(&[2]), &[ramp(&[1, 1, 5]), Tensor::of(&[1, 1, 2], vec![1f32, 10.])]);
        assert_eq!(line, Tensor::of(&[1, 1, 3], vec![20f32, 31., 42.]));
        let volume = conv(
            Window::new(&[2, 2, 2]),
            &[ramp(&[1, 1, 2, 2, 3]), Tensor::full(DataType::F32, &[1, 1, 2, 2, 2], 1.0), Tensor::vector(&[0.5f32])],
        );
        assert_eq!(volume, Tensor::of(&[1, 1, 1, 1, 2], vec![40.5f32, 48.5]));
        let depthwise =
            conv(Window::new(&[1]).grouped(2), &[ramp(&[1, 2, 2]), Tensor::of(&[4, 1, 1], vec![1f32, 2., 3., 4.])]);
        assert_eq!(depthwise, Tensor::of(&[1, 4, 2], vec![0f32, 1., 0., 2., 6., 9., 8., 12.]));
    }

    #[test]
    fn misfits_are_named() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[1, 3, 8, 8]);
        let w = b.input("w", DataType::F32, &[4, 2, 3, 3]);
        let narrow = b.input("narrow", DataType::F32, &[4, 3, 3]);
        let bias = b.input("bias", DataType::F32, &[3]);
        let good = b.input("good", DataType::F32, &[4, 3, 3, 3]);
        let message = |r: Result<ValueId, OpError>| r.unwrap_err().to_string();
        assert!(message(b.conv(x, w, None, &Window::default())).contains("group * weight channels"));
        assert!(message(b.conv(x, narrow, None, &Window::default())).contains("ranks 4 and 3"));
        assert!(message(b.conv(x, good, Some(bias), &Window::default())).contains("[4] is expected"));
        assert!(message(b.conv(x, good, None, &Window::square(5, 1, 0))).contains("kernel_shape"));
        assert!(message(b.conv(x, good, None, &Window::default().grouped(0))).contains("group is 0"));
    }

    #[test]
    fn gradient_stride_one() {
        let c = |w: Window| move |b: &mut Builder, v: &[ValueId]| b.conv(v[0], v[1], v.get(2).copied(), &w);
        check::gradient(c(Window::square(3, 1, 1)), &[&[2, 3, 4, 5], &[4, 3, 3, 3], &[4]]);
        check::gradient(c(Window::square(1, 1, 0)), &[&[2, 3, 3, 2], &[4, 3, 1, 1]]);
        check::gradient(c(Window::square(1, 1, 2)), &[&[1, 2, 3, 2], &[3, 2, 1, 1]]);
        check::gradient(c(Window { pads: vec![0, 2, 1, 0], ..Window::default() }), &[&[1, 2, 4, 5], &[3, 2, 2, 3]]);
        check::gradient(c(Window::default().dilated(&[2, 1])), &[&[1, 2, 6, 4], &[2, 2, 3, 2]]);
        check::gradient(
            c(Window { auto_pad: AutoPad::SameUpper, ..Window::default() }),
            &[&[1, 1, 4, 4], &[1, 1, 2, 4]],
        );
    }

    #[test]
    fn gradient_strided() {
        let c = |w: Window| move |b: &mut Builder, v: &[ValueId]| b.conv(v[0], v[1], None, &w);
        check::gradient(c(Window::square(3, 2, 1)), &[&[2, 2, 5, 6], &[3, 2, 3, 3]]);
        check::gradient(c(Window::square(1, 2, 0)), &[&[2, 2, 5, 4], &[3, 2, 1, 1]]);
        check::gradient(c(Window::square(2, 3, 0)), &[&[1, 2, 7, 8], &[2, 2, 2, 2]]);
        check::gradient(c(Window::square(3, 2, 2).dilated(&[2, 2])), &[&[1, 1, 6, 7], &[1, 1, 3, 3]]);
    }

    #[test]
    fn gradient_groups_and_ranks() {
        let c = |w: Window| move |b: &mut Builder, v: &[ValueId]| b.conv(v[0], v[1], v.get(2).copied(), &w);
        check::gradient(c(Window::square(3, 1, 1).grouped(2)), &[&[2, 4, 4, 3], &[6, 2, 3, 3]]);
        check::gradient(c(Window::square(3, 2, 1).grouped(2)), &[&[2, 4, 4, 3], &[2, 2, 3, 3]]);
        check::gradient(c(Window::square(3, 1, 1).grouped(3)), &[&[2, 3, 4, 3], &[3, 1, 3, 3], &[3]]);
        check::gradient(c(Window::square(3, 2, 1).grouped(3)), &[&[2, 3, 4, 5], &[6, 1, 3, 3]]);
        check::gradient(c(Window { pads: vec![1, 1], ..Window::default() }), &[&[2, 2, 5], &[3, 2, 3]]);
        check::gradient(
            c(Window { strides: vec![1, 2, 1], ..Window::default() }),
            &[&[1, 2, 3, 4, 3], &[2, 2, 2, 2, 2]],
        );
    }

    #[test]
    fn absorbs_a_scale_and_a_shift_per_output_channel() {
        let node = Node::new("Conv", [Some(ValueId(0)), Some(ValueId(1))], []).with_attributes(Attributes::new());
        let w = Tensor::of(&[2, 1, 1, 2], vec![1f32, 2., 3., 4.]);
        let ctx = FoldContext { node: &node, constants: &[None, Some(w), None], types: &[] };
        let affine = Affine { scale: vec![2.0, 10.0], shift: vec![0.5, -1.0] };
        let (w, b) = find("", "Conv").and_then(|d| d.absorb).unwrap()(&ctx, &affine).unwrap();
        assert_eq!(w, Tensor::of(&[2, 1, 1, 2], vec![2f32, 4., 30., 40.]));
        assert_eq!(b, Tensor::vector(&[0.5f32, -1.0]));
    }
}
