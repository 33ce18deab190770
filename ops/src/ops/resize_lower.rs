//! Lowering of Resize: a copy where elements are repeated evenly, else tables of taps for rows and columns.

use ocellus_plan::args::{ResizeF32, ResizeI8, element};

use super::interpolation::Taps;
use super::movement_lower::take;
use super::resize::taps;
use crate::OpError;
use crate::lower::moves::{Box6, copy};
use crate::lower::{DeviceTensor, LowerContext, TensorId};

/// One axis that changes.
type Line = (usize, Vec<Taps>);

/// Lowers `Resize`.
pub(super) fn lower(ctx: &mut LowerContext) -> Result<(), OpError> {
    let lines = lines(ctx)?;
    let mut current = ctx.any(0)?;
    if let Some(times) = repeats(ctx.shape(0), &lines) {
        current = repeated(ctx, current, &times)?;
    } else {
        let nearest = lines.iter().all(|(_, taps)| taps.iter().all(|t| matches!(t[..], [(_, 1.0)])));
        let tensor = &ctx.program.tensors[current];
        let weighs = tensor.element == element::F32 || tensor.quant.is_some();
        for pair in adjacent(ctx.program.tensors[current].order(), lines) {
            current = match nearest && !weighs {
                true => gathered(ctx, current, &pair)?,
                false => resampled(ctx, current, &pair)?,
            };
        }
    }
    ctx.bind(0, current);
    Ok(())
}

fn lines(ctx: &LowerContext) -> Result<Vec<Line>, OpError> {
    for i in 1..4 {
        if ctx.has(i) && ctx.constant(i).is_none() {
            return Err(ctx.error(format!("input {i} has to be a constant on the device")));
        }
    }
    let constants = [1, 2, 3].map(|i| ctx.constant(i).filter(|t| !t.is_empty()));
    let lines = taps(ctx.node, ctx.shape(0), constants.each_ref().map(Option::as_ref)).map_err(|e| ctx.error(e))?;
    let outside = lines.iter().any(|(_, taps)| taps.iter().any(Vec::is_empty));
    if outside && ctx.float_attribute("extrapolation_value", 0.0) != 0.0 {
        return Err(ctx.error("has an extrapolation_value other than 0, which the device does not fill in"));
    }
    Ok(lines)
}

/// How often every element is repeated along every axis, where that is all.
fn repeats(shape: &[usize], lines: &[Line]) -> Option<Vec<usize>> {
    let mut times = vec![1; shape.len()];
    for (axis, taps) in lines {
        let n = taps.len().checked_div(shape[*axis]).filter(|n| n * shape[*axis] == taps.len())?;
        times[*axis] = n;
        if !taps.iter().enumerate().all(|(i, t)| t[..] == [(i / n, 1.0)]) {
            return None;
        }
    }
    Some(times)
}

fn repeated(ctx: &mut LowerContext, x: TensorId, times: &[usize]) -> Result<TensorId, OpError> {
    let from = ctx.program.tensors[x].clone();
    let to = DeviceTensor::new(from.element, &ctx.output_shape(), from.quant);
    let (xs, ys) = (from.strides(), to.strides());
    let (mut sizes, mut x_strides, mut y_strides) = (Vec::new(), Vec::new(), Vec::new());
    for axis in to.order() {
        sizes.extend([from.shape[axis], times[axis]]);
        x_strides.extend([xs[axis] as i64, 0]);
        y_strides.extend([ys[axis] * times[axis], ys[axis]]);
    }
    let y = ctx.program.add(to);
    copy(ctx, x, y, Box6 { sizes, x_strides, y_strides, x_offset: 0, y_offset: 0 })?;
    Ok(y)
}

/// The lines in the order of storage; two that are neighbours there go together.
fn adjacent(order: Vec<usize>, lines: Vec<Line>) -> Vec<Vec<Line>> {
    let place = |axis: usize| order.iter().position(|&a| a == axis);
    let mut lines = lines;
    lines.sort_by_key(|(axis, _)| place(*axis));
    let mut groups: Vec<Vec<Line>> = Vec::new();
    for line in lines {
        match groups.last_mut() {
            Some(group) if group.len() == 1 && place(group[0].0).map(|p| p + 1) == place(line.0) => group.push(line),
            _ => groups.push(vec![line]),
        }
    }
    groups
}

/// Other types than f32 and quantized int8 move as they are.
fn gathered(ctx: &mut LowerContext, x: TensorId, lines: &[Line]) -> Result<TensorId, OpError> {
    let mut current = x;
    for (axis, taps) in lines {
        let indices: Vec<i64> = taps.iter().map(|t| t[0].0 as i64).collect();
        current = take(ctx, current, *axis, &indices)?;
    }
    Ok(current)
}

/// Index and weight of every tap, as many for every output. An output with fewer taps has its last one in parts, so that
/// no other element (which may be infinite) enters its sum; one without taps is 0.
fn table(taps: &[Taps]) -> (u32, Vec<u32>, Vec<f32>) {
    let most = taps.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let (mut indices, mut weights) = (Vec::new(), Vec::new());
    for tap in taps {
        let (mut rest, last) = match tap.split_last() {
            Some((&(i, w), before)) => {
                indices.extend(before.iter().map(|tap| tap.0 as u32));
                weights.extend(before.iter().map(|tap| tap.1 as f32));
                (w as f32, i as u32)
            }
            None => (0.0, 0),
        };
        for left in (1..=most - tap.len().saturating_sub(1)).rev() {
            let part = if left == 1 { rest } else { rest / 2.0 };
            rest -= part;
            indices.push(last);
            weights.push(part);
        }
    }
    (most as u32, indices, weights)
}

/// One or two neighbouring axes by tables.
fn resampled(ctx: &mut LowerContext, x: TensorId, lines: &[Line]) -> Result<TensorId, OpError> {
    let from = ctx.program.tensors[x].clone();
    let x = match (from.element, from.quant) {
        (element::F32, _) | (element::I8, Some(_)) => x,
        _ => return Err(ctx.error("weighs f32 or quantized values on the device")),
    };
    let order = from.order();
    let first = order.iter().position(|&a| a == lines[0].0).unwrap_or(0);
    let product = |axes: &[usize]| axes.iter().map(|&a| from.shape[a]).product::<usize>() as u32;
    let mut shape = from.shape.clone();
    lines.iter().for_each(|(axis, taps)| shape[*axis] = taps.len());
    let unit = vec![vec![(0, 1.0)]];
    let (rows, columns) = match lines {
        [(_, rows), (_, columns)] => (rows, columns),
        _ => (&lines[0].1, &unit),
    };
    let after = first + lines.len();
    let (row_taps, row_index, row_weights) = table(rows);
    let (column_taps, column_index, column_weights) = table(columns);
    let args = ResizeF32 {
        batch: product(&order[..first]),
        in_height: from.shape[order[first]] as u32,
        in_width: if lines.len() == 2 { from.shape[order[first + 1]] as u32 } else { 1 },
        out_height: rows.len() as u32,
        out_width: columns.len() as u32,
        channels: product(&order[after..]),
        row_taps,
        column_taps,
    };
    let mut y = DeviceTensor::new(from.element, &shape, from.quant);
    y.plain = from.plain;
    let y = ctx.program.add(y);
    let tables = [ctx.u32s(&row_index), ctx.f32s(&row_weights), ctx.u32s(&column_index), ctx.f32s(&column_weights)];
    let reads = [x, tables[0], tables[1], tables[2], tables[3]];
    match from.quant {
        None => ctx.emit(args, &[y], &reads),
        Some(quant) => {
            let ResizeF32 { batch, in_height, in_width, out_height, out_width, channels, .. } = args;
            let zero_point = quant.zero_point;
            let sizes = ResizeI8 {
                batch,
                in_height,
                in_width,
                out_height,
                out_width,
                channels,
                row_taps,
                column_taps,
                zero_point,
            };
            ctx.emit(sizes, &[y], &reads)
        }
    };
    Ok(y)
}
