//! `ConvTranspose`: the transpose of a convolution (ONNX ConvTranspose-11; 22 only adds types).

use ocellus_graph::{Dim, Node, Shape, Tensor, ValueId};

use super::conv::{absorb_weights, add_bias, group_of, kernel_sizes, require_bias, require_ranks};
use super::conv_gradient::{bias_gradient, weight_gradient};
use super::elementwise::{require_float, require_same_type};
use super::window::{AutoPad, Axis, Step, Window, runs, split_padding, taps, three};
use crate::{
    Builder, EvalContext, GradContext, InferContext, InputRole, OpDef, OpError, OutputScale, QuantRule, ValueType,
};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(QuantRule { inputs: roles, output: OutputScale::Calibrated }),
    absorb: Some(|ctx, affine| {
        let shape = ctx.constant(1)?.shape().to_vec();
        let group = usize::try_from(ctx.int("group", 1)).ok().filter(|&g| g > 0)?;
        let (inputs, outputs) = (shape.first()? / group, *shape.get(1)?);
        let kernel: usize = shape[2..].iter().product();
        absorb_weights(ctx, affine, |offset| {
            let (input, output) = (offset / (kernel * outputs), offset / kernel % outputs);
            input / inputs.max(1) * outputs + output
        })
    }),
    lower: Some(super::conv_lower::conv_transpose),
    ..OpDef::new("ConvTranspose", infer)
};

/// With groups the output channels of different groups would share one weight scale, which a bias per output channel
/// cannot follow: such a node stays float.
fn roles(node: &Node) -> Vec<InputRole> {
    if node.attributes.int("group").unwrap_or(1) != 1 {
        return Vec::new();
    }
    vec![InputRole::Activation, InputRole::Weight { axis: 1 }, InputRole::Bias]
}

/// What `ConvTranspose` has beside the window.
struct Target {
    window: Window,
    output_padding: Vec<i64>,
    output_shape: Vec<i64>,
}

impl Target {
    fn of_node(node: &Node, rank: usize) -> Result<Self, OpError> {
        let list = |name| node.attributes.ints(name).map(<[i64]>::to_vec).unwrap_or_default();
        let (output_padding, mut output_shape) = (list("output_padding"), list("output_shape"));
        if output_shape.len() == rank + 2 {
            output_shape.drain(..2); // Batch and channels, which some exporters name too.
        }
        for (name, given) in [("output_padding", &output_padding), ("output_shape", &output_shape)] {
            if !given.is_empty() && (given.len() != rank || given.iter().any(|&n| !(0..=1 << 31).contains(&n))) {
                return Err(OpError::at(node, format!("{name} is {given:?}; {rank} sizes are expected")));
            }
        }
        Ok(Self { window: Window::of_node(node)?, output_padding, output_shape })
    }

    /// The convolution along axis `i` whose transpose this is: its input is our output.
    fn axis(&self, node: &Node, i: usize, step: &Step, x: usize) -> Result<Axis, OpError> {
        let Step { kernel, stride, dilation, mut begin, mut end } = *step;
        let extra = self.output_padding.get(i).map_or(0, |&p| p as usize);
        let natural = x.saturating_sub(1).saturating_mul(stride).saturating_add(step.extent() + extra);
        let auto = self.window.auto_pad;
        let wanted = match (self.output_shape.get(i), auto) {
            (Some(&n), _) => Some(n as usize),
            (None, AutoPad::SameUpper | AutoPad::SameLower) => Some(x.saturating_mul(stride)),
            (None, _) => None,
        };
        let y = match wanted {
            Some(y) => {
                (begin, end) = split_padding(natural.saturating_sub(y), auto);
                y
            }
            None => {
                if auto == AutoPad::Valid {
                    (begin, end) = (0, 0);
                }
                natural.checked_sub(begin + end).filter(|&y| y > 0).ok_or_else(|| {
                    OpError::at(node, format!("pads {begin} and {end} leave nothing of {natural} output elements"))
                })?
            }
        };
        Ok(Axis { kernel, stride, dilation, begin, end, input: y, output: x })
    }

    fn dim(&self, node: &Node, i: usize, step: &Step, x: &Dim) -> Result<Dim, OpError> {
        let plain = self.output_padding.get(i).is_none_or(|&p| p == 0) && self.output_shape.is_empty();
        match x {
            Dim::Known(n) => Ok(Dim::Known(self.axis(node, i, step, *n)?.input)),
            _ if !self.output_shape.is_empty() => Ok(Dim::Known(self.output_shape[i] as usize)),
            _ if plain && step.keeps_size(self.window.auto_pad) => Ok(x.clone()),
            _ => Ok(Dim::Unknown),
        }
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    require_same_type(ctx, 0, 1)?;
    let (x, w) = (ctx.input(0)?, &ctx.input(1)?.shape);
    require_ranks(ctx.node, x.shape.rank(), w.rank())?;
    let rank = w.rank() - 2;
    let target = Target::of_node(ctx.node, rank)?;
    let group = group_of(ctx.node, &target.window)?;
    if let (Some(c), Some(rows)) = (x.shape[1].known(), w[0].known()) {
        require_channels(ctx.node, c, rows, group)?;
    }
    let outputs = w[1].known().map_or(Dim::Unknown, |m| Dim::Known(m * group));
    let spatial = match kernel_sizes(ctx.node, &target.window, w)? {
        Some(kernel) => {
            let steps = target.window.steps(ctx.node, &kernel, rank)?;
            let places = steps.iter().zip(&x.shape[2..]).enumerate();
            places.map(|(i, (step, dim))| target.dim(ctx.node, i, step, dim)).collect::<Result<Vec<_>, _>>()?
        }
        None => vec![Dim::Unknown; rank],
    };
    if let Some(bias) = ctx.optional(2) {
        require_same_type(ctx, 0, 2)?;
        require_bias(ctx.node, &bias.shape, &outputs)?;
    }
    let shape: Shape = [x.shape[0].clone(), outputs].into_iter().chain(spatial).collect();
    Ok(vec![ValueType::new(x.dtype, shape)])
}

fn require_channels(node: &Node, x: usize, w: usize, group: usize) -> Result<(), OpError> {
    if x == w && x.is_multiple_of(group) {
        return Ok(());
    }
    Err(OpError::at(node, format!("{x} input channels, {w} in the weights and group {group} do not fit")))
}

pub(super) fn known(node: &Node, x: &[usize], w: &[usize]) -> Result<(Vec<Axis>, usize), OpError> {
    require_ranks(node, x.len(), w.len())?;
    let target = Target::of_node(node, w.len() - 2)?;
    let group = group_of(node, &target.window)?;
    require_channels(node, x[1], w[0], group)?;
    let steps = target.window.steps(node, &w[2..], w.len() - 2)?;
    let places = steps.iter().zip(&x[2..]).enumerate();
    let axes = places.map(|(i, (step, &n))| target.axis(node, i, step, n)).collect::<Result<_, _>>()?;
    Ok((axes, group))
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, w) = (ctx.input(0)?, ctx.input(1)?);
    let (axes, group) = known(ctx.node, x.shape(), w.shape())?;
    let (channels, per_group) = (x.shape()[1], w.shape()[1]);
    let outputs = per_group * group;
    let shape: Vec<usize> = [x.shape()[0], outputs].into_iter().chain(axes.iter().map(|a| a.input)).collect();
    let cube = three(&axes);
    let x_plane: usize = x.shape()[2..].iter().product();
    let y_plane: usize = shape[2..].iter().product();
    let kernel: usize = w.shape()[2..].iter().product();
    let (values, weights) = (x.to_f64(), w.to_f64());
    let mut y = vec![0.0; shape.iter().product()];
    for (plane, y) in y.chunks_exact_mut(y_plane.max(1)).enumerate() {
        let (n, m) = (plane / outputs, plane % outputs);
        let (g, m) = (m / per_group, m % per_group);
        for c in g * (channels / group)..(g + 1) * (channels / group) {
            let x = &values[(n * channels + c) * x_plane..][..x_plane];
            scatter(&cube, x, &weights[(c * per_group + m) * kernel..][..kernel], y);
        }
    }
    if let Some(bias) = ctx.optional(2) {
        add_bias(ctx.node, &shape, &mut y, &bias.to_f64())?;
    }
    Ok(vec![Tensor::from_f64(x.dtype(), &shape, &y)])
}

/// `y[i * stride + tap * dilation - begin] += x[i] * w[tap]` for one plane.
fn scatter(axes: &[Axis; 3], x: &[f64], w: &[f64], y: &mut [f64]) {
    let stride = axes[2].stride;
    for (tap, &w) in taps(axes).zip(w) {
        runs(axes, tap, |from, to, length| {
            y[to..].iter_mut().step_by(stride).zip(&x[from..from + length]).for_each(|(y, &x)| *y += x * w);
        });
    }
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, w) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let (x_shape, w_shape) = (ctx.builder.shape(x)?, ctx.builder.shape(w)?);
    let (axes, group) = known(&ctx.node, &x_shape, &w_shape)?;
    let mut grads = vec![None; ctx.node.inputs.len()];
    if ctx.needs(0) {
        grads[0] = Some(input_gradient(ctx.builder, g, w, &axes, group)?);
    }
    if ctx.needs(1) {
        grads[1] = Some(weight_gradient(ctx.builder, g, x, &axes, group)?);
    }
    if ctx.needs(2) {
        grads[2] = Some(bias_gradient(ctx.builder, g)?);
    }
    Ok(grads)
}

/// The convolution of `g` with the same weights, cut to the input's size where output padding made room for more.
fn input_gradient(b: &mut Builder, g: ValueId, w: ValueId, axes: &[Axis], group: usize) -> Result<ValueId, OpError> {
    let list = |f: fn(&Axis) -> usize| -> Vec<i64> { axes.iter().map(|a| f(a) as i64).collect() };
    let ends = axes.iter().map(|a| a.covered().saturating_sub(a.begin + a.input) as i64);
    let window = Window {
        kernel: list(|a| a.kernel),
        strides: list(|a| a.stride),
        dilations: list(|a| a.dilation),
        pads: list(|a| a.begin).into_iter().chain(ends).collect(),
        group: group as i64,
        ..Window::default()
    };
    let all = b.conv(g, w, None, &window)?;
    let shape = b.shape(all)?;
    let sizes = list(|a| a.output);
    if shape[2..].iter().zip(&sizes).all(|(&n, &m)| n as i64 == m) {
        return Ok(all);
    }
    let places: Vec<i64> = (2..shape.len() as i64).collect();
    b.slice(all, &vec![0; sizes.len()], &sizes, &places, &vec![1; sizes.len()])
}

impl Builder {
    /// Transposed convolution of `x` `[N, C, ...]` with `w` `[C, M / group, kernel...]`, plus `bias` `[M]`.
    /// `output_padding` adds elements at the end of every axis; empty: none.
    ///
    /// # Errors
    /// Shapes that do not fit, or a window with `ceil_mode`, which only pools have.
    pub fn conv_transpose(
        &mut self,
        x: ValueId,
        w: ValueId,
        bias: Option<ValueId>,
        window: &Window,
        output_padding: &[i64],
    ) -> Result<ValueId, OpError> {
        if window.ceil_mode {
            return Err(OpError::graph(&self.graph().name, "a transposed convolution has no ceil_mode"));
        }
        let mut attributes = window.attributes();
        if output_padding.iter().any(|&p| p != 0) {
            attributes.set("output_padding", output_padding);
        }
        let mut inputs = vec![Some(x), Some(w)];
        inputs.extend(bias.map(Some));
        Ok(self.apply_many(&OP, &inputs, attributes, 1)?[0])
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, DataType};

    use super::*;
    use crate::{Affine, FoldContext, check};

    fn ramp(shape: &[usize]) -> Tensor {
        Tensor::of(shape, (0..shape.iter().product::<usize>()).map(|i| i as f32).collect())
    }

    fn shape_of(attributes: Attributes, x: &[usize], w: &[usize]) -> Vec<usize> {
        let y = check::eval(
            |b, v| b.apply(&OP, v, attributes.clone()),
            &[Tensor::full(DataType::F32, x, 1.0), Tensor::full(DataType::F32, w, 1.0)],
        );
        y.shape().to_vec()
    }

    /// The example of the ONNX operator page.
    #[test]
    fn spreads_every_input_element() {
        let y = check::eval(
            |b, v| b.conv_transpose(v[0], v[1], None, &Window::default(), &[]),
            &[ramp(&[1, 1, 3, 3]), Tensor::full(DataType::F32, &[1, 1, 3, 3], 1.0)],
        );
        let expected = [
            0f32, 1., 3., 3., 2., 3., 8., 15., 12., 7., 9., 21., 36., 27., 15., 9., 20., 33., 24., 13., 6., 13., 21.,
            15., 8.,
        ];
        assert_eq!(y, Tensor::of(&[1, 1, 5, 5], expected.to_vec()));
    }

    #[test]
    fn dilation_bias_and_groups() {
        let x = Tensor::of(&[1, 1, 3, 3], vec![3f32, 8., 1., 9., 5., 7., 3., 2., 6.]);
        let w = Tensor::of(&[1, 1, 2, 2], vec![7f32, 2., 1., 9.]);
        let dilated = Window::default().dilated(&[2, 2]);
        let y = check::eval(|b, v| b.conv_transpose(v[0], v[1], None, &dilated, &[]), &[x, w]);
        let expected = [
            21f32, 56., 13., 16., 2., 63., 35., 67., 10., 14., 24., 22., 76., 76., 21., 9., 5., 88., 45., 63., 3., 2.,
            33., 18., 54.,
        ];
        assert_eq!(y, Tensor::of(&[1, 1, 5, 5], expected.to_vec()));
        let w = Tensor::of(&[2, 2, 1], vec![1f32, 10., 2., 20.]);
        let grouped = Window::default().grouped(2);
        let y = check::eval(
            |b, v| b.conv_transpose(v[0], v[1], Some(v[2]), &grouped, &[]),
            &[ramp(&[1, 2, 2]), w, Tensor::vector(&[0.0f32, 0.0, 0.5, 0.0])],
        );
        assert_eq!(y, Tensor::of(&[1, 4, 2], vec![0f32, 1., 0., 10., 4.5, 6.5, 40., 60.]));
    }

    /// The shapes of the ONNX node tests: output_shape, output_padding, pads, automatic padding.
    #[test]
    fn output_sizes() {
        let base = || Attributes::new().with("strides", vec![3i64, 2]);
        let (x, w): (&[usize], &[usize]) = (&[1, 1, 3, 3], &[1, 2, 3, 3]);
        assert_eq!(shape_of(base().with("output_shape", vec![10i64, 8]), x, w), [1, 2, 10, 8]);
        assert_eq!(shape_of(base().with("output_padding", vec![1i64, 1]), x, w), [1, 2, 10, 8]);
        assert_eq!(shape_of(base().with("output_shape", vec![1i64, 2, 10, 8]), x, w), [1, 2, 10, 8]);
        assert_eq!(shape_of(base().with("pads", vec![1i64, 2, 1, 2]), x, w), [1, 2, 7, 3]);
        let same = Attributes::new().with("strides", vec![2i64, 2]).with("auto_pad", "SAME_UPPER");
        assert_eq!(shape_of(same, x, w), [1, 2, 6, 6]);
    }

    #[test]
    fn gradient() {
        let c = |w: Window, p: &'static [i64]| {
            move |b: &mut Builder, v: &[ValueId]| b.conv_transpose(v[0], v[1], v.get(2).copied(), &w, p)
        };
        check::gradient(c(Window::default(), &[]), &[&[2, 3, 3, 4], &[3, 2, 3, 2], &[2]]);
        check::gradient(c(Window::square(3, 2, 1), &[1, 1]), &[&[1, 2, 3, 4], &[2, 3, 3, 3]]);
        check::gradient(c(Window::square(2, 2, 0).grouped(2), &[]), &[&[1, 4, 3, 2], &[4, 3, 2, 2]]);
        check::gradient(c(Window::square(3, 2, 1).grouped(2), &[]), &[&[2, 2, 3, 2], &[2, 1, 3, 3], &[2]]);
        check::gradient(c(Window::square(2, 1, 1).dilated(&[3, 3]), &[2, 0]), &[&[1, 2, 3, 3], &[2, 2, 2, 2]]);
        check::gradient(c(Window { strides: vec![2], ..Window::default() }, &[]), &[&[1, 2, 4], &[2, 1, 3]]);
    }

    #[test]
    fn absorbs_a_scale_per_output_channel_across_groups() {
        let attributes = Attributes::new().with("group", 2i64);
        let node = Node::new("ConvTranspose", [Some(ValueId(0)), Some(ValueId(1))], []).with_attributes(attributes);
        let w = Tensor::full(DataType::F32, &[2, 2, 1], 1.0);
        let ctx = FoldContext { node: &node, constants: &[None, Some(w)], types: &[] };
        let affine = Affine { scale: vec![1.0, 2.0, 3.0, 4.0], shift: vec![0.0, 1.0, 2.0, 3.0] };
        let (w, b) = OP.absorb.unwrap()(&ctx, &affine).unwrap();
        assert_eq!(w, Tensor::of(&[2, 2, 1], vec![1f32, 2., 3., 4.]));
        assert_eq!(b, Tensor::vector(&[0.0f32, 1.0, 2.0, 3.0]));
    }
}
