//! `Tile`: the whole input repeated along every axis (ONNX Tile-13).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use super::movement::{MOVES, list};
use super::slice::select;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    lower: Some(super::movement_lower::tile),
    ..OpDef::new("Tile", infer)
};

fn checked(repeats: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let counts: Option<Vec<usize>> = repeats.iter().map(|&n| usize::try_from(n).ok()).collect();
    let counts = counts.filter(|c| c.len() == rank);
    counts.ok_or_else(|| format!("repeats {repeats:?} has to name one count for each of {rank} axes"))
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    ctx.input(1)?;
    let Some(repeats) = list(ctx, 1) else {
        return Ok(vec![ValueType::new(x.dtype, Shape(vec![Dim::Unknown; x.shape.rank()]))]);
    };
    let repeats = checked(&repeats, x.shape.rank()).map_err(|e| ctx.error(e))?;
    let grown = |(d, n): (&Dim, usize)| match (d, n) {
        (d, 1) => Ok(d.clone()),
        (Dim::Known(d), n) => d.checked_mul(n).map(Dim::Known).ok_or_else(|| ctx.error("is larger than memory")),
        _ => Ok(Dim::Unknown),
    };
    let shape = x.shape.iter().zip(repeats).map(grown).collect::<Result<Vec<_>, _>>()?;
    Ok(vec![ValueType::new(x.dtype, Shape(shape))])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let repeats = checked(&ctx.input(1)?.to_i64(), x.rank()).map_err(|e| ctx.error(e))?;
    let places: Vec<Vec<usize>> =
        x.shape().iter().zip(repeats).map(|(&n, times)| (0..times).flat_map(|_| 0..n).collect()).collect();
    Ok(vec![select(x, &places)])
}

/// `dx = Σ g` over the copies, which get axes of their own.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, repeats) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let shape = ctx.builder.shape(x)?;
    let repeats = ctx.builder.constant_of(repeats).map(Tensor::to_i64);
    let repeats = repeats.ok_or_else(|| ctx.error("the gradient needs constant repeats"))?;
    let (mut split, mut copies) = (Vec::new(), Vec::new());
    for (&size, &times) in shape.iter().zip(&repeats) {
        if times != 1 {
            copies.push(split.len() as i64);
            split.push(times as usize);
        }
        split.push(size);
    }
    if copies.is_empty() {
        return Ok(vec![Some(g), None]);
    }
    let apart = ctx.builder.reshape_to(g, &split)?;
    Ok(vec![Some(ctx.builder.reduce_sum(apart, &copies, false)?), None])
}

impl Builder {
    /// `x` repeated `repeats[i]` times along axis `i`.
    pub fn tile(&mut self, x: ValueId, repeats: &[i64]) -> Result<ValueId, OpError> {
        let repeats = self.indices(repeats);
        self.apply(&OP, &[x, repeats], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use crate::check;

    use super::*;

    #[test]
    fn repeats_the_whole() {
        let x = Tensor::of(&[1, 2], vec![1u8, 2]);
        let y = check::eval(|b, v| b.tile(v[0], &[2, 2]), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[2, 4], vec![1u8, 2, 1, 2, 1, 2, 1, 2]));
        assert!(check::eval(|b, v| b.tile(v[0], &[1, 0]), &[x]).is_empty());
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[2]);
        assert!(b.tile(x, &[1, 1]).is_err());
        assert!(b.tile(x, &[-1]).is_err());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.tile(v[0], &[2, 1, 3]), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.tile(v[0], &[1, 1]), &[&[2, 3]]);
    }
}
