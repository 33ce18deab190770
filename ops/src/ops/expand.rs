//! `Expand`: repeats along axes of size 1 and new leading axes (ONNX Expand-13).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use super::movement::{MOVES, list, list_length, pick, sizes};
use crate::shapes::{broadcast, broadcast_offsets};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    lower: Some(super::movement_lower::expand),
    ..OpDef::new("Expand", infer)
};

/// The broadcast of the input's shape and `target`.
fn expanded(from: &Shape, target: &[i64]) -> Result<Shape, String> {
    let target: Option<Vec<usize>> = target.iter().map(|&n| usize::try_from(n).ok()).collect();
    let target = target.ok_or("the target shape has a negative size")?;
    broadcast(from, &Shape::fixed(&target)).ok_or_else(|| format!("shape {from} does not broadcast with {target:?}"))
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let shape = match list(ctx, 1) {
        Some(target) => expanded(&x.shape, &target).map_err(|e| ctx.error(e))?,
        None => Shape(vec![Dim::Unknown; x.shape.rank().max(list_length(ctx, 1)?)]),
    };
    Ok(vec![ValueType::new(x.dtype, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, target) = (ctx.input(0)?, ctx.input(1)?.to_i64());
    let shape = sizes(&expanded(&Shape::fixed(x.shape()), &target).map_err(|e| ctx.error(e))?);
    Ok(vec![pick(x, &shape, &broadcast_offsets(x.shape(), &shape))])
}

/// `dx = Σ g` over the repeated axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    Ok(vec![Some(ctx.builder.sum_to_shape_of(g, x)?), None])
}

impl Builder {
    /// `x` broadcast with `shape`.
    pub fn expand(&mut self, x: ValueId, shape: &[i64]) -> Result<ValueId, OpError> {
        let shape = self.indices(shape);
        self.apply(&OP, &[x, shape], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn repeats_in_both_directions() {
        let x = Tensor::of(&[3, 1], vec![1i8, 2, 3]);
        let y = check::eval(|b, v| b.expand(v[0], &[2, 1, 2]), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[2, 3, 2], vec![1i8, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3]));
        // A target of lower rank, or with ones, keeps the input's sizes.
        assert_eq!(check::eval(|b, v| b.expand(v[0], &[1]), std::slice::from_ref(&x)), x);
        assert!(expanded(&Shape::fixed(&[3]), &[2]).is_err());
        assert!(expanded(&Shape::fixed(&[3]), &[-1]).is_err());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.expand(v[0], &[2, 3, 4]), &[&[3, 1]]);
        check::gradient(|b, v| b.expand(v[0], &[1]), &[&[2, 2]]);
    }
}
