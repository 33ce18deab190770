//! What pools share.

use ocellus_graph::{DataType, Dim, Node, Shape, Tensor};

use super::window::{Axis, Window, require_elements};
use crate::{EvalContext, InferContext, OpError};

/// The shape of a pool of input 0 `[N, C, ...]`.
pub(super) fn pooled_shape(ctx: &InferContext) -> Result<Shape, OpError> {
    let x = &ctx.input(0)?.shape;
    let window = pool_window(ctx.node)?;
    let kernel = window.kernel_sizes(ctx.node)?;
    let spatial = x.get(2..).filter(|s| !s.is_empty()).ok_or_else(|| no_spatial_axes(ctx.node, x.rank()))?;
    let dims = window.output_dims(ctx.node, &kernel, spatial)?;
    if let Some(sizes) = x.known() {
        pool_axes(ctx.node, &sizes)?;
    }
    Ok(x[..2].iter().cloned().chain(dims).collect())
}

fn no_spatial_axes(node: &Node, rank: usize) -> OpError {
    OpError::at(node, format!("input 0 has rank {rank}; [N, C, spatial...] is expected"))
}

fn pool_window(node: &Node) -> Result<Window, OpError> {
    let window = Window::of_node(node)?;
    if window.group != 1 {
        return Err(OpError::at(node, "has groups, which only convolutions have"));
    }
    Ok(window)
}

/// The window over an input of known sizes; every window sees at least one element of it.
pub(super) fn pool_axes(node: &Node, x: &[usize]) -> Result<Vec<Axis>, OpError> {
    let window = pool_window(node)?;
    let spatial = x.get(2..).ok_or_else(|| no_spatial_axes(node, x.len()))?;
    let axes = window.axes(node, &window.kernel_sizes(node)?, spatial)?;
    require_elements(node, &axes)?;
    Ok(axes)
}

/// For every window in row-major order the offsets of its elements in a plane, in row-major order.
pub(super) fn windows(axes: &[Axis]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![0]];
    for axis in axes {
        let inside: Vec<Vec<usize>> = (0..axis.output).map(|o| axis.inside(o).map(|(_, at)| at).collect()).collect();
        let along = |base: &Vec<usize>, more: &Vec<usize>| -> Vec<usize> {
            base.iter().flat_map(|&b| more.iter().map(move |&m| b * axis.input + m)).collect()
        };
        all = all.iter().flat_map(|base| inside.iter().map(move |more| along(base, more))).collect();
    }
    all
}

/// Applies `pool` to the elements of every window of input 0; it is also told the window's place.
pub(super) fn eval_pool(
    ctx: &EvalContext,
    pool: impl Fn(&mut dyn Iterator<Item = f64>, usize) -> f64,
) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let axes = pool_axes(ctx.node, x.shape())?;
    let windows = windows(&axes);
    let plane: usize = x.shape().iter().skip(2).product();
    let values = x.to_f64();
    let mut y = Vec::with_capacity(x.shape()[..2].iter().product::<usize>() * windows.len());
    for plane in values.chunks_exact(plane.max(1)) {
        y.extend(windows.iter().enumerate().map(|(i, w)| pool(&mut w.iter().map(|&at| plane[at]), i)));
    }
    Ok(vec![Tensor::from_f64(x.dtype(), &pooled_sizes(x.shape(), &axes), &y)])
}

/// `[N, C]` and the number of windows along every axis.
pub(super) fn pooled_sizes(x: &[usize], axes: &[Axis]) -> Vec<usize> {
    x[..2].iter().copied().chain(axes.iter().map(|a| a.output)).collect()
}

/// The spatial axes of a tensor `[N, C, ...]`.
pub(super) fn spatial_axes(rank: usize) -> Vec<i64> {
    (2..rank as i64).collect()
}

/// `[N, C, 1, ...]` for an input `[N, C, ...]`.
pub(super) fn global_shape(ctx: &InferContext) -> Result<Shape, OpError> {
    let x = &ctx.input(0)?.shape;
    if x.rank() < 2 {
        return Err(no_spatial_axes(ctx.node, x.rank()));
    }
    Ok(x[..2].iter().cloned().chain(vec![Dim::Known(1); x.rank() - 2]).collect())
}

/// Applies `pool` to every plane of input 0 `[N, C, ...]`.
pub(super) fn eval_global(ctx: &EvalContext, pool: impl Fn(&[f64]) -> f64) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let [batch, channels, spatial @ ..] = x.shape() else { return Err(no_spatial_axes(ctx.node, x.rank())) };
    let plane: usize = spatial.iter().product();
    let (values, planes) = (x.to_f64(), batch * channels);
    let y: Vec<f64> = (0..planes).map(|i| pool(&values[i * plane..(i + 1) * plane])).collect();
    let shape: Vec<usize> = [*batch, *channels].into_iter().chain(vec![1; spatial.len()]).collect();
    Ok(vec![Tensor::from_f64(x.dtype(), &shape, &y)])
}

/// Whether elements of this type are compared by the max pools.
pub(super) fn is_comparable(dtype: DataType) -> bool {
    dtype.is_float() || matches!(dtype, DataType::I8 | DataType::U8)
}

/// The place of the first maximum; a NaN counts as one, so that it is not hidden.
pub(super) fn first_maximum(values: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    values.enumerate().reduce(|best, new| {
        let better = new.1 > best.1 || (new.1.is_nan() && !best.1.is_nan());
        if better { new } else { best }
    })
}
