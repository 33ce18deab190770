//! `Transpose`: the axes in another order (ONNX Transpose-21).

use ocellus_graph::{Attributes, Tensor, ValueId};

use super::movement::{MOVES, as_list, axes, pick};
use crate::shapes::{offsets, strides};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    lower: Some(super::movement_lower::transpose),
    ..OpDef::new("Transpose", infer)
};

/// The input axis behind every output axis; all axes reversed where none are given.
fn permutation(perm: Option<&[i64]>, rank: usize) -> Result<Vec<usize>, String> {
    let Some(perm) = perm else { return Ok((0..rank).rev().collect()) };
    if perm.len() != rank {
        return Err(format!("perm {perm:?} has {} axes, its input has {rank}", perm.len()));
    }
    axes(perm, rank)
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let perm = permutation(ctx.ints("perm"), x.shape.rank()).map_err(|e| ctx.error(e))?;
    Ok(vec![ValueType::new(x.dtype, perm.iter().map(|&a| x.shape[a].clone()).collect())])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let perm = permutation(ctx.ints("perm"), x.rank()).map_err(|e| ctx.error(e))?;
    Ok(vec![permuted(x, &perm)])
}

/// The tensor with its axes in the order `perm`.
pub(super) fn permuted(x: &Tensor, perm: &[usize]) -> Tensor {
    let own = strides(x.shape());
    let shape: Vec<usize> = perm.iter().map(|&a| x.shape()[a]).collect();
    let steps: Vec<usize> = perm.iter().map(|&a| own[a]).collect();
    pick(x, &shape, &offsets(&shape, &steps))
}

/// `dx` = `g` with the axes back in place.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    let rank = ctx.builder.shape(g)?.len();
    let perm = permutation(ctx.ints("perm"), rank).map_err(|e| ctx.error(e))?;
    let mut inverse = vec![0; rank];
    for (to, from) in perm.into_iter().enumerate() {
        inverse[from] = to;
    }
    Ok(vec![Some(ctx.builder.transpose(g, &inverse)?)])
}

impl Builder {
    /// `x` with its axes in the order `perm`: axis `i` of the result is axis `perm[i]` of `x`.
    pub fn transpose(&mut self, x: ValueId, perm: &[usize]) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("perm", as_list(perm)))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Dim, Shape};

    use crate::check;

    use super::*;

    #[test]
    fn permutes() {
        let x = Tensor::of(&[2, 3], (0i16..6).collect());
        let y = check::eval(|b, v| b.transpose(v[0], &[1, 0]), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[3, 2], vec![0i16, 3, 1, 4, 2, 5]));
        assert_eq!(check::eval(|b, v| b.apply(&OP, v, Attributes::new()), &[x]), y, "without perm the axes reverse");
        let x = Tensor::of(&[2, 1, 3, 2], (0i32..12).collect());
        let y = check::eval(|b, v| b.transpose(v[0], &[3, 0, 1, 2]), &[x]);
        assert_eq!(y, Tensor::of(&[2, 2, 1, 3], vec![0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]));
    }

    #[test]
    fn symbols_travel_and_bad_permutations_are_refused() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[2, 3]);
        b.graph_mut().value_mut(x).shape = Some(Shape(vec![Dim::Symbol("n".into()), Dim::Known(3)]));
        let y = b.transpose(x, &[1, 0]).unwrap();
        assert_eq!(b.graph().value(y).shape.as_ref().unwrap().to_string(), "[3, n]");
        assert!(b.transpose(x, &[0, 0]).is_err());
        assert!(b.transpose(x, &[0]).is_err());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.transpose(v[0], &[2, 0, 3, 1]), &[&[2, 3, 2, 2]]);
    }
}
