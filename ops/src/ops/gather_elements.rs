//! `GatherElements`: for every index the element at that place of an axis (ONNX GatherElements-13).

use ocellus_graph::{Attributes, Dim, Tensor, ValueId};

use super::gather::require_indices;
use super::movement::{MOVES, index, pick};
use crate::shapes::{axis, offsets, strides};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(grad), quant: Some(MOVES), ..OpDef::new("GatherElements", infer) };

/// Refuses indices whose rank is not that of the data, or an axis out of range.
pub(super) fn check_indices(ctx: &InferContext) -> Result<(), OpError> {
    let (x, indices) = (ctx.input(0)?, ctx.input(1)?);
    require_indices(ctx, 1)?;
    if x.shape.rank() != indices.shape.rank() {
        return Err(
            ctx.error(format!("data of shape {} and indices of shape {} differ in rank", x.shape, indices.shape))
        );
    }
    let given = ctx.int("axis", 0);
    let along = axis(given, x.shape.rank())
        .ok_or_else(|| ctx.error(format!("axis {given} is out of range for an input of shape {}", x.shape)))?;
    let beyond = |(a, b): (&Dim, &Dim)| a.known().zip(b.known()).is_some_and(|(a, b)| a > b);
    let mut pairs = indices.shape.iter().zip(x.shape.iter()).enumerate();
    if pairs.any(|(i, pair)| i != along && beyond(pair)) {
        return Err(ctx.error(format!("indices of shape {} reach beyond data of shape {}", indices.shape, x.shape)));
    }
    Ok(())
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    check_indices(ctx)?;
    Ok(vec![ValueType::new(ctx.input(0)?.dtype, ctx.input(1)?.shape.clone())])
}

/// For every index, in order, the offset in data of shape `data`: its own place, but for the axis.
pub(super) fn places(data: &[usize], indices: &Tensor, given: i64) -> Result<Vec<usize>, String> {
    let along = axis(given, data.len()).ok_or_else(|| format!("axis {given} is out of range for {data:?}"))?;
    let shape = indices.shape();
    let fits = shape.len() == data.len() && (0..data.len()).all(|i| i == along || shape[i] <= data[i]);
    if !fits {
        return Err(format!("indices of shape {shape:?} reach beyond data of shape {data:?}"));
    }
    let mut steps = strides(data);
    let step = std::mem::replace(&mut steps[along], 0);
    let bases = offsets(shape, &steps);
    bases.into_iter().zip(indices.to_i64()).map(|(base, i)| Ok(base + index(i, data[along])? * step)).collect()
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, indices) = (ctx.input(0)?, ctx.input(1)?);
    let places = places(x.shape(), indices, ctx.int("axis", 0)).map_err(|e| ctx.error(e))?;
    Ok(vec![pick(x, indices.shape(), &places)])
}

/// `g` added up where it came from.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, indices) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let zeros = ctx.builder.zeros_like(x)?;
    let along = ctx.int("axis", 0);
    Ok(vec![Some(ctx.builder.scatter_elements(zeros, indices, g, along, "add")?), None])
}

impl Builder {
    /// `y[…, i, …] = x[…, indices[…, i, …], …]` along `axis`.
    pub fn gather_elements(&mut self, x: ValueId, indices: ValueId, axis: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x, indices], Attributes::new().with("axis", axis))
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn picks_along_the_axis() {
        let x = Tensor::of(&[3, 3], (1i32..10).collect());
        let at = |indices: Tensor, axis| check::eval(|b, v| b.gather_elements(v[0], v[1], axis), &[x.clone(), indices]);
        assert_eq!(at(Tensor::of(&[2, 3], vec![1i64, 2, 0, 2, 0, 0]), 0), Tensor::of(&[2, 3], vec![4, 8, 3, 7, 2, 3]));
        assert_eq!(at(Tensor::of(&[2, 1], vec![-1i32, 0]), 1), Tensor::of(&[2, 1], vec![3, 4]));
    }

    #[test]
    fn indices_have_to_fit() {
        assert!(places(&[2, 2], &Tensor::of(&[1, 2], vec![2i64, 0]), 0).is_err());
        assert!(places(&[2, 2], &Tensor::of(&[2, 3], vec![0i64; 6]), 0).is_err());
        assert!(places(&[2, 2], &Tensor::of(&[5, 1], vec![1i64; 5]), 0).is_ok());
    }

    #[test]
    fn gradient() {
        let x = Tensor::of(&[3, 2], check::numbers(6, 1));
        let indices = Tensor::of(&[2, 2], vec![2i64, 0, 2, 1]);
        check::gradient_at(|b, v| b.gather_elements(v[0], v[1], 0), &[x, indices]);
    }
}
