//! `GatherND`: elements or slices named by index tuples (ONNX GatherND-13).

use ocellus_graph::{Attributes, DataType, Dim, Shape, Tensor, ValueId};

use super::gather::require_indices;
use super::movement::{MOVES, index, pick};
use crate::shapes::strides;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(grad), quant: Some(MOVES), ..OpDef::new("GatherND", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let (x, indices) = (ctx.input(0)?, ctx.input(1)?);
    require_indices(ctx, 1)?;
    let batch = batch_axes(ctx.int("batch_dims", 0), x.shape.rank(), indices.shape.rank()).map_err(|e| ctx.error(e))?;
    let (outer, tuple) = indices.shape.split_at(indices.shape.rank() - 1);
    let Dim::Known(length) = tuple[0] else {
        return Err(ctx.error(format!("the last axis of indices of shape {} has to be known", indices.shape)));
    };
    let rest = x
        .shape
        .get(batch + length..)
        .ok_or_else(|| ctx.error(format!("tuples of {length} indices reach beyond an input of shape {}", x.shape)))?;
    Ok(vec![ValueType::new(x.dtype, outer.iter().chain(rest).cloned().collect::<Shape>())])
}

/// How many leading axes data and indices share.
fn batch_axes(given: i64, data: usize, indices: usize) -> Result<usize, String> {
    let batch = usize::try_from(given).ok().filter(|&b| b < data.max(1) && b < indices);
    batch.ok_or_else(|| format!("batch_dims {given} has to be less than the ranks {data} and {indices} of its inputs"))
}

/// The shape of the elements that index tuples name in data of shape `data`, and their offsets.
pub(super) fn tuples(data: &[usize], indices: &Tensor, batch: usize) -> Result<(Vec<usize>, Vec<usize>), String> {
    let (outer, length) = match indices.shape() {
        [outer @ .., length] if batch + length <= data.len() => (outer, *length),
        shape => return Err(format!("index tuples of shape {shape:?} do not fit an input of shape {data:?}")),
    };
    if outer[..batch] != data[..batch] {
        return Err(format!("the first {batch} axes of indices {:?} and data {data:?} differ", indices.shape()));
    }
    let steps = strides(data);
    let inner: usize = data[batch + length..].iter().product();
    let (block, slab): (usize, usize) = (outer[batch..].iter().product(), data[batch..].iter().product());
    let indices = indices.to_i64();
    let count: usize = outer.iter().product();
    let mut offsets = Vec::with_capacity(count * inner);
    for k in 0..count {
        let mut base = k / block.max(1) * slab;
        for (j, &i) in indices[k * length..(k + 1) * length].iter().enumerate() {
            base += index(i, data[batch + j])? * steps[batch + j];
        }
        offsets.extend(base..base + inner);
    }
    Ok(([outer, &data[batch + length..]].concat(), offsets))
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, indices) = (ctx.input(0)?, ctx.input(1)?);
    let batch = batch_axes(ctx.int("batch_dims", 0), x.rank(), indices.rank()).map_err(|e| ctx.error(e))?;
    let (shape, offsets) = tuples(x.shape(), indices, batch).map_err(|e| ctx.error(e))?;
    Ok(vec![pick(x, &shape, &offsets)])
}

/// `g` added up where it came from. Batch axes become part of the tuples, which ScatterND needs.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, indices) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let shape = ctx.builder.shape(indices)?;
    let b = &mut *ctx.builder;
    let mut tuples = b.cast(indices, DataType::I64)?;
    let batch = ctx.node.attributes.int("batch_dims").unwrap_or(0) as usize;
    if batch > 0 {
        let outer = &shape[..shape.len() - 1];
        let steps = strides(outer);
        let count: usize = outer.iter().product();
        let places = (0..count).flat_map(|k| (0..batch).map(move |i| (k, i)));
        let places: Vec<i64> = places.map(|(k, i)| (k / steps[i] % outer[i]) as i64).collect();
        let places = b.constant("batch_indices", Tensor::of(&[outer, &[batch]].concat(), places));
        tuples = b.concat(&[places, tuples], -1)?;
    }
    let zeros = b.zeros_like(x)?;
    Ok(vec![Some(b.scatter_nd(zeros, tuples, g, "add")?), None])
}

impl Builder {
    /// The elements or slices of `x` that the tuples in the last axis of `indices` name, after `batch` shared axes.
    pub fn gather_nd(&mut self, x: ValueId, indices: ValueId, batch: usize) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x, indices], Attributes::new().with("batch_dims", batch as i64))
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn tuples_name_elements_or_slices() {
        let x = Tensor::of(&[2, 2], vec![0i32, 1, 2, 3]);
        let at = |shape: &[usize], indices: Vec<i64>, batch| {
            check::eval(|b, v| b.gather_nd(v[0], v[1], batch), &[x.clone(), Tensor::of(shape, indices)])
        };
        assert_eq!(at(&[2, 2], vec![0, 0, 1, -1], 0), Tensor::vector(&[0, 3]));
        assert_eq!(at(&[2, 1], vec![1, 0], 0), Tensor::of(&[2, 2], vec![2, 3, 0, 1]));
        assert_eq!(at(&[2, 1], vec![1, 0], 1), Tensor::vector(&[1, 2]));
    }

    #[test]
    fn bad_tuples_are_refused() {
        let mut b = Builder::new("t");
        let (x, i) = (b.input("x", DataType::F32, &[2, 2]), b.input("i", DataType::I64, &[1, 3]));
        assert!(b.gather_nd(x, i, 0).is_err());
        assert!(b.gather_nd(x, i, 2).is_err());
        assert!(tuples(&[2, 2], &Tensor::of(&[1, 1], vec![2i64]), 0).is_err());
    }

    #[test]
    fn gradient() {
        let x = Tensor::of(&[2, 3, 2], check::numbers(12, 3));
        let indices = Tensor::of(&[3, 2], vec![0i64, 1, 1, 2, 0, 1]);
        check::gradient_at(|b, v| b.gather_nd(v[0], v[1], 0), &[x.clone(), indices]);
        let indices = Tensor::of(&[2, 2, 1], vec![0i64, 0, 2, 1]);
        check::gradient_at(|b, v| b.gather_nd(v[0], v[1], 1), &[x, indices]);
    }
}
