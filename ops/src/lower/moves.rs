//! Movement of elements by strided copies, and reshapes that move nothing.

use ocellus_plan::Arguments;
use ocellus_plan::args::Copy;

use super::program::words;
use super::{DeviceTensor, LowerContext, Program, TensorId, element_bytes};
use crate::OpError;

/// Most axes of a strided step.
pub(crate) const AXES: usize = 6;

/// A box of elements between two tensors; all per axis of the box, outermost first.
pub(crate) struct Box6 {
    /// Sizes of the box.
    pub sizes: Vec<usize>,
    /// Strides in x, in elements.
    pub x_strides: Vec<i64>,
    /// Strides in y, in elements.
    pub y_strides: Vec<usize>,
    /// First element of x.
    pub x_offset: usize,
    /// First element of y.
    pub y_offset: usize,
}

impl Box6 {
    /// Drops axes of size 1 and merges axes that are contiguous in both tensors.
    fn simplified(self) -> Self {
        let Self { sizes, x_strides, y_strides, x_offset, y_offset } = self;
        let mut axes: Vec<(usize, i64, usize)> = Vec::new();
        for ((size, xs), ys) in sizes.into_iter().zip(x_strides).zip(y_strides) {
            if size == 1 {
                continue;
            }
            match axes.last_mut() {
                Some(outer) if outer.1 == xs * size as i64 && outer.2 == ys * size => *outer = (outer.0 * size, xs, ys),
                _ => axes.push((size, xs, ys)),
            }
        }
        Self {
            sizes: axes.iter().map(|a| a.0).collect(),
            x_strides: axes.iter().map(|a| a.1).collect(),
            y_strides: axes.iter().map(|a| a.2).collect(),
            x_offset,
            y_offset,
        }
    }
}

/// Pads a list to [`AXES`] entries at the front.
pub(crate) fn six<T: std::marker::Copy>(values: &[T], fill: T) -> Option<[T; AXES]> {
    let mut all = [fill; AXES];
    let start = AXES.checked_sub(values.len())?;
    all[start..].copy_from_slice(values);
    Some(all)
}

/// Emits a strided copy.
pub(crate) fn copy(ctx: &mut LowerContext, x: TensorId, y: TensorId, area: Box6) -> Result<(), OpError> {
    if area.sizes.contains(&0) {
        return Ok(()); // Nothing moves, and a step moves something.
    }
    let whole = area.sizes.iter().product::<usize>() == ctx.program.tensors[y].len();
    let too_many = || OpError::at(ctx.node, format!("moves along more than {AXES} axes on the device"));
    let args = arguments(ctx.program.tensors[x].element, area).ok_or_else(too_many)?;
    ctx.emit(args, &[y], &[x]).partial = !whole;
    Ok(())
}

/// The arguments of a copy; `None` where it has too many axes.
pub(super) fn arguments(element: u32, area: Box6) -> Option<Copy> {
    let area = area.simplified();
    let x_strides: Vec<i32> = area.x_strides.iter().map(|&s| s as i32).collect();
    let y_strides: Vec<u32> = area.y_strides.iter().map(|&s| s as u32).collect();
    let sizes: Vec<u32> = area.sizes.iter().map(|&s| s as u32).collect();
    Some(Copy {
        element_bytes: element_bytes(element) as u32,
        sizes: six(&sizes, 1)?,
        x_strides: six(&x_strides, 0)?,
        y_strides: six(&y_strides, 0)?,
        x_offset: area.x_offset as u32,
        y_offset: area.y_offset as u32,
    })
}

/// Copies all of `x` into a tensor of the same shape in another storage order.
pub(crate) fn reorder(ctx: &mut LowerContext, x: TensorId, plain: bool) -> Result<TensorId, OpError> {
    let from = &ctx.program.tensors[x];
    if from.plain == plain || from.orders_agree() {
        let mut same = from.clone();
        same.plain = plain;
        same.constant = None;
        same.alias = Some(x);
        return Ok(ctx.program.add(same));
    }
    let mut to = DeviceTensor::new(from.element, &from.shape.clone(), from.quant);
    to.plain = plain;
    let area = between_orders(from, &to);
    if let Some(done) = reordered(ctx.program, x, &to) {
        return Ok(done);
    }
    let y = ctx.program.add(to);
    copy(ctx, x, y, area)?;
    Ok(y)
}

/// A copy of `x` in another storage order that has been made already.
fn reordered(program: &Program, x: TensorId, to: &DeviceTensor) -> Option<TensorId> {
    let args = words(arguments(to.element, between_orders(&program.tensors[x], to))?);
    let copies = program.steps.iter().filter(|s| s.code == Copy::CODE && s.reads == [Some(x)] && s.args == args);
    copies.filter_map(|s| s.writes.first().copied()).find(|&y| program.tensors[y] == *to)
}

/// All of a tensor in another storage order.
fn between_orders(from: &DeviceTensor, to: &DeviceTensor) -> Box6 {
    let order = to.order();
    let (xs, ys) = (from.strides(), to.strides());
    Box6 {
        sizes: order.iter().map(|&a| to.shape[a]).collect(),
        x_strides: order.iter().map(|&a| xs[a] as i64).collect(),
        y_strides: order.iter().map(|&a| ys[a]).collect(),
        x_offset: 0,
        y_offset: 0,
    }
}

/// The rank-4 tensor in the device's order of which `x` is a copy in the model's order, under whatever shape: who knows
/// the order of its weights may read it instead.
pub(crate) fn before_reorder(ctx: &LowerContext, x: TensorId) -> Option<TensorId> {
    let y = ctx.program.root(x);
    let step = ctx.program.producer(y)?;
    let (from, to) = (step.reads.first().copied().flatten()?, &ctx.program.tensors[y]);
    let source = &ctx.program.tensors[from];
    let turned = source.shape == to.shape && source.shape.len() == 4 && !source.plain && to.plain;
    if !turned || step.code != Copy::CODE {
        return None;
    }
    let args = words(arguments(source.element, between_orders(source, to))?);
    (args == step.args).then_some(from)
}

/// Input 0 under the shape of output 0, in the model's order: the same memory, but where input 0 lies in the device's.
pub(crate) fn reshape(ctx: &mut LowerContext) -> Result<(), OpError> {
    let (x, shape) = (ctx.stored(0)?, ctx.output_shape());
    let same = ctx.program.tensors[x].shape == shape;
    let y = if same { x } else { renamed(ctx, x, &shape)? };
    ctx.bind(0, y);
    Ok(())
}

/// A tensor under another shape, in the model's order.
pub(crate) fn renamed(ctx: &mut LowerContext, x: TensorId, shape: &[usize]) -> Result<TensorId, OpError> {
    let x = reorder(ctx, x, true)?;
    let mut view = DeviceTensor::new(ctx.program.tensors[x].element, shape, ctx.program.tensors[x].quant);
    view.plain = true;
    view.alias = Some(x);
    Ok(ctx.program.add(view))
}

/// A tensor under another shape.
pub(crate) fn reshaped(ctx: &mut LowerContext, x: TensorId, shape: &[usize]) -> Result<TensorId, OpError> {
    if ctx.program.tensors[x].shape == shape && !ctx.program.tensors[x].plain {
        return Ok(x);
    }
    let view = renamed(ctx, x, shape)?;
    reorder(ctx, view, false)
}
