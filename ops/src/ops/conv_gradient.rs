//! The gradients of convolutions with respect to input, weights and bias, which transposed convolutions and pools
//! share.

use ocellus_graph::ValueId;

use super::window::{Axis, Window};
use crate::{Builder, OpError};

/// The gradient of a convolution's input `[N, C, input...]` from that of its output, with weights
/// `[M, C / group, kernel...]`.
///
/// Stride 1: a convolution with flipped, transposed weights, which backends run faster than a transposed convolution.
pub(super) fn input_gradient(
    b: &mut Builder,
    g: ValueId,
    w: ValueId,
    axes: &[Axis],
    group: usize,
) -> Result<ValueId, OpError> {
    if !is_convolution(axes) {
        return transposed(b, g, w, axes, group);
    }
    let flipped = flip(b, w)?;
    let turned = swap_channels(b, flipped, group)?;
    b.conv(g, turned, None, &full_window(axes, group))
}

/// For every input element the sum of `g` over the windows that see it: the gradient of a sum pool.
pub(super) fn spread(b: &mut Builder, g: ValueId, axes: &[Axis]) -> Result<ValueId, OpError> {
    let channels = b.shape(g)?[1];
    let shape: Vec<usize> = [channels, 1].into_iter().chain(axes.iter().map(|a| a.kernel)).collect();
    let dtype = b.dtype(g)?;
    let ones = b.constant("ones", ocellus_graph::Tensor::full(dtype, &shape, 1.0));
    if is_convolution(axes) {
        return b.conv(g, ones, None, &full_window(axes, channels));
    }
    transposed(b, g, ones, axes, channels)
}

/// Whether the gradient of the input is a plain convolution with non-negative padding.
fn is_convolution(axes: &[Axis]) -> bool {
    axes.iter().all(|a| a.stride == 1 && a.begin < a.extent() && a.input + a.begin >= a.output)
}

fn full_window(axes: &[Axis], group: usize) -> Window {
    let begins = axes.iter().map(|a| (a.extent() - 1 - a.begin) as i64);
    let ends = axes.iter().map(|a| (a.input + a.begin - a.output) as i64);
    Window { pads: begins.chain(ends).collect(), ..bare_window(axes, group) }
}

fn bare_window(axes: &[Axis], group: usize) -> Window {
    let list = |f: fn(&Axis) -> usize| axes.iter().map(|a| f(a) as i64).collect();
    Window { kernel: list(|a| a.kernel), dilations: list(|a| a.dilation), group: group as i64, ..Window::default() }
}

fn transposed(b: &mut Builder, g: ValueId, w: ValueId, axes: &[Axis], group: usize) -> Result<ValueId, OpError> {
    let surplus: Vec<i64> = axes.iter().map(|a| a.covered() as i64 - a.begin as i64 - a.input as i64).collect();
    let begins = axes.iter().map(|a| a.begin as i64);
    let ends = surplus.iter().map(|&s| s.max(0));
    let window = Window {
        strides: axes.iter().map(|a| a.stride as i64).collect(),
        pads: begins.chain(ends).collect(),
        ..bare_window(axes, group)
    };
    let output_padding: Vec<i64> = surplus.iter().map(|&s| (-s).max(0)).collect();
    b.conv_transpose(g, w, None, &window, &output_padding)
}

/// Weights `[M, C, kernel...]` with every spatial axis reversed.
fn flip(b: &mut Builder, w: ValueId) -> Result<ValueId, OpError> {
    let shape = b.shape(w)?;
    let axes: Vec<i64> = (2..shape.len()).filter(|&i| shape[i] > 1).map(|i| i as i64).collect();
    if axes.is_empty() {
        return Ok(w);
    }
    let count = axes.len();
    b.slice(w, &vec![-1; count], &vec![i64::MIN + 1; count], &axes, &vec![-1; count])
}

/// Weights `[M, C / group, kernel...]` to `[C, M / group, kernel...]`.
fn swap_channels(b: &mut Builder, w: ValueId, group: usize) -> Result<ValueId, OpError> {
    let shape = b.shape(w)?;
    let (outputs, inputs) = (shape[0] / group, shape[1]);
    if group == 1 {
        let order: Vec<usize> = [1, 0].into_iter().chain(2..shape.len()).collect();
        return b.transpose(w, &order);
    }
    let to = |front: &[usize]| -> Vec<i64> { front.iter().chain(&shape[2..]).map(|&n| n as i64).collect() };
    if inputs == 1 && outputs == 1 {
        return Ok(w);
    }
    let grouped = b.reshape(w, &to(&[group, outputs, inputs]))?;
    let order: Vec<usize> = [0, 2, 1].into_iter().chain(3..shape.len() + 1).collect();
    let swapped = b.transpose(grouped, &order)?;
    b.reshape(swapped, &to(&[group * inputs, outputs]))
}

/// The gradient of weights `[M, C / group, kernel...]` from a convolution's input `image` `[N, C, input...]` and the
/// gradient `top` `[N, M, output...]` of its output.
///
/// One product per kernel element. A convolution with swapped axes says the same in one node, but it has a kernel as
/// large as the feature map, for which no backend is made.
pub(super) fn weight_gradient(
    b: &mut Builder,
    image: ValueId,
    top: ValueId,
    axes: &[Axis],
    group: usize,
) -> Result<ValueId, OpError> {
    let sizes = Sizes::new(b, image, top, group)?;
    let padded = pad_for_slices(b, image, axes)?;
    let gradient = if sizes.inputs == 1 && group > 1 {
        depthwise(b, padded, top, axes, &sizes)?
    } else {
        dense(b, padded, top, axes, &sizes)?
    };
    let front = [group * sizes.outputs, sizes.inputs];
    let shape: Vec<i64> = front.into_iter().chain(axes.iter().map(|a| a.kernel)).map(|n| n as i64).collect();
    b.reshape(gradient, &shape)
}

/// Channels per group, and the spatial sizes of image and top.
struct Sizes {
    batch: usize,
    group: usize,
    inputs: usize,
    outputs: usize,
    top: Vec<usize>,
}

impl Sizes {
    fn new(b: &Builder, image: ValueId, top: ValueId, group: usize) -> Result<Self, OpError> {
        let (image, top) = (b.shape(image)?, b.shape(top)?);
        let (inputs, outputs) = (image[1] / group, top[1] / group);
        Ok(Self { batch: image[0], group, inputs, outputs, top: top[2..].to_vec() })
    }

    /// Output positions in the whole batch.
    fn positions(&self) -> usize {
        self.batch * self.top.iter().product::<usize>()
    }
}

/// The image with as much zero around it as the windows reach.
fn pad_for_slices(b: &mut Builder, image: ValueId, axes: &[Axis]) -> Result<ValueId, OpError> {
    let begins = axes.iter().map(|a| a.begin as i64);
    let ends = axes.iter().map(|a| a.covered().saturating_sub(a.begin + a.input) as i64);
    let pads: Vec<i64> = [0, 0].into_iter().chain(begins).chain([0, 0]).chain(ends).collect();
    if pads.iter().all(|&p| p == 0) {
        return Ok(image);
    }
    b.pad(image, &pads, "constant", 0.0)
}

/// What one kernel element sees of a padded image whose spatial axes start at `first`.
fn seen(b: &mut Builder, image: ValueId, axes: &[Axis], tap: usize, first: usize) -> Result<ValueId, OpError> {
    let shape = b.shape(image)?;
    let (mut starts, mut ends, mut places, mut steps) = (vec![], vec![], vec![], vec![]);
    let mut rest = tap;
    for (i, axis) in axes.iter().enumerate().rev() {
        let start = rest % axis.kernel * axis.dilation;
        rest /= axis.kernel;
        let end = start + axis.output.saturating_sub(1) * axis.stride + 1;
        if start == 0 && end == shape[first + i] && axis.stride == 1 {
            continue;
        }
        starts.push(start as i64);
        ends.push(end as i64);
        places.push((first + i) as i64);
        steps.push(axis.stride as i64);
    }
    if places.is_empty() { Ok(image) } else { b.slice(image, &starts, &ends, &places, &steps) }
}

fn kernel_elements(axes: &[Axis]) -> usize {
    axes.iter().map(|a| a.kernel).product()
}

/// `[M, C, kernel]` (flat) as one matrix product per kernel element. Channels go last, so that slices are contiguous.
fn dense(b: &mut Builder, image: ValueId, top: ValueId, axes: &[Axis], s: &Sizes) -> Result<ValueId, OpError> {
    let rank = axes.len();
    let grouped = s.group > 1;
    let (image, top) = if grouped { split_groups(b, image, top, s)? } else { (image, top) };
    // With groups: [N, G, C, ...] to [G, N, ..., C] and [N, G, M, ...] to [G, M, N, ...]; without: no G.
    let lead: &[usize] = if grouped { &[1] } else { &[] };
    let channel = lead.len() + 1;
    let spatial: Vec<usize> = (channel + 1..channel + 1 + rank).collect();
    let order: Vec<usize> = lead.iter().copied().chain([0]).chain(spatial.iter().copied()).chain([channel]).collect();
    let image = b.transpose(image, &order)?;
    let order: Vec<usize> = lead.iter().copied().chain([channel, 0]).chain(spatial).collect();
    let top = b.transpose(top, &order)?;
    let group: Vec<i64> = if grouped { vec![s.group as i64] } else { vec![] };
    let with = |sizes: [usize; 2]| -> Vec<i64> { group.iter().copied().chain(sizes.map(|n| n as i64)).collect() };
    let top = b.reshape(top, &with([s.outputs, s.positions()]))?;
    let mut parts = Vec::new();
    for tap in 0..kernel_elements(axes) {
        let seen = seen(b, image, axes, tap, channel)?;
        let seen = b.reshape(seen, &with([s.positions(), s.inputs]))?;
        parts.push(b.matmul(top, seen)?);
    }
    if let [only] = parts[..] {
        return Ok(only);
    }
    let taps = parts.len() as i64;
    let joined = b.concat(&parts, -1)?;
    let split = b.reshape(joined, &[(s.group * s.outputs) as i64, taps, s.inputs as i64])?;
    b.transpose(split, &[0, 2, 1])
}

fn split_groups(b: &mut Builder, image: ValueId, top: ValueId, s: &Sizes) -> Result<(ValueId, ValueId), OpError> {
    let mut split = |x: ValueId, channels: usize| {
        let shape = b.shape(x)?;
        let front = [s.batch, s.group, channels];
        let to: Vec<i64> = front.iter().chain(&shape[2..]).map(|&n| n as i64).collect();
        b.reshape(x, &to)
    };
    Ok((split(image, s.inputs)?, split(top, s.outputs)?))
}

/// `[M, kernel]` as one product and sum per kernel element.
fn depthwise(b: &mut Builder, image: ValueId, top: ValueId, axes: &[Axis], s: &Sizes) -> Result<ValueId, OpError> {
    let spatial = |channels: usize| -> Vec<i64> {
        [s.batch, s.group, channels].iter().chain(&s.top).map(|&n| n as i64).collect()
    };
    let many = s.outputs > 1;
    let top = if many { b.reshape(top, &spatial(s.outputs))? } else { top };
    let first = if many { 3 } else { 2 };
    let summed: Vec<i64> = [0].into_iter().chain((first..first + axes.len()).map(|i| i as i64)).collect();
    let mut parts = Vec::new();
    for tap in 0..kernel_elements(axes) {
        let mut seen = seen(b, image, axes, tap, 2)?;
        if many {
            seen = b.reshape(seen, &spatial(1))?;
        }
        let product = b.mul(top, seen)?;
        let sum = b.reduce_sum(product, &summed, false)?;
        parts.push(b.reshape(sum, &[(s.group * s.outputs) as i64, 1])?);
    }
    if let [only] = parts[..] { Ok(only) } else { b.concat(&parts, 1) }
}

/// The gradient of a bias per channel (axis 1).
pub(super) fn bias_gradient(b: &mut Builder, g: ValueId) -> Result<ValueId, OpError> {
    let rank = b.shape(g)?.len();
    let axes: Vec<i64> = (0..rank as i64).filter(|&i| i != 1).collect();
    b.reduce_sum(g, &axes, false)
}
