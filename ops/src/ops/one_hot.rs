//! `OneHot`: a new axis with one value at the index and another everywhere else (ONNX OneHot-11).

use ocellus_graph::{Attributes, DataType, Dim, Tensor, ValueId};

use super::movement::{list, pick};
use crate::shapes::axis;
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(|ctx| Ok(vec![None; ctx.node.inputs.len()])), ..OpDef::new("OneHot", infer) };

/// The number of classes; the input is a scalar or a list of one.
fn depth(values: &[i64]) -> Result<usize, String> {
    match values {
        [n] if *n > 0 => usize::try_from(*n).map_err(|e| e.to_string()),
        _ => Err(format!("depth has to be one positive number, found {values:?}")),
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let (indices, values) = (ctx.input(0)?, ctx.input(2)?);
    ctx.input(1)?;
    let rank = indices.shape.rank() + 1;
    let given = ctx.int("axis", -1);
    let along = axis(given, rank).ok_or_else(|| ctx.error(format!("axis {given} is out of range for rank {rank}")))?;
    let depth = match list(ctx, 1) {
        Some(values) => Dim::Known(depth(&values).map_err(|e| ctx.error(e))?),
        None => Dim::Unknown,
    };
    let mut shape = indices.shape.clone();
    shape.0.insert(along, depth);
    Ok(vec![ValueType::new(values.dtype, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (indices, values) = (ctx.input(0)?, ctx.input(2)?);
    let depth = depth(&ctx.input(1)?.to_i64()).map_err(|e| ctx.error(e))?;
    let along = axis(ctx.int("axis", -1), indices.rank() + 1).ok_or_else(|| ctx.error("axis is out of range"))?;
    if values.len() != 2 {
        return Err(ctx.error(format!("values has to hold the off and the on value, found {} values", values.len())));
    }
    let mut shape = indices.shape().to_vec();
    shape.insert(along, depth);
    let inner: usize = shape[along + 1..].iter().product();
    let hot: Vec<Option<usize>> = indices.to_i64().into_iter().map(|i| axis(i, depth)).collect();
    let mut choice = Vec::with_capacity(hot.len() * depth);
    for block in hot.chunks(inner.max(1)) {
        for class in 0..depth {
            choice.extend(block.iter().map(|&h| usize::from(h == Some(class))));
        }
    }
    Ok(vec![pick(values, &shape, &choice)])
}

impl Builder {
    /// 1 at the index and 0 elsewhere, along a new axis of `depth` elements; all 0 where the index is out of range.
    /// The indices are i32 or i64.
    pub fn one_hot(&mut self, indices: ValueId, depth: usize, axis: i64, dtype: DataType) -> Result<ValueId, OpError> {
        // The kernels want the depth in the type of the indices.
        let depth = Tensor::full(self.dtype(indices)?, &[], depth as f64);
        let depth = self.constant("depth", depth);
        let values = self.constant("off_on", Tensor::from_f64(dtype, &[2], &[0.0, 1.0]));
        self.apply(&OP, &[indices, depth, values], Attributes::new().with("axis", axis))
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn one_at_the_index() {
        let indices = Tensor::vector(&[1i64, -1, 7]);
        let y = check::eval(|b, v| b.one_hot(v[0], 3, -1, DataType::F32), std::slice::from_ref(&indices));
        assert_eq!(y, Tensor::of(&[3, 3], vec![0f32, 1., 0., 0., 0., 1., 0., 0., 0.]));
        let y = check::eval(|b, v| b.one_hot(v[0], 2, 0, DataType::I32), &[indices]);
        assert_eq!(y, Tensor::of(&[2, 3], vec![0, 0, 0, 1, 1, 0]));
    }

    #[test]
    fn a_middle_axis() {
        let y = check::eval(|b, v| b.one_hot(v[0], 3, 1, DataType::U8), &[Tensor::of(&[2, 2], vec![0i32, 1, 2, 0])]);
        assert_eq!(y, Tensor::of(&[2, 3, 2], vec![1u8, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0]));
    }

    #[test]
    fn the_depth_has_to_be_positive() {
        let mut b = Builder::new("t");
        let i = b.input("i", DataType::I64, &[2]);
        assert!(b.one_hot(i, 0, -1, DataType::F32).is_err());
        assert!(b.one_hot(i, 2, 2, DataType::F32).is_err());
    }
}
