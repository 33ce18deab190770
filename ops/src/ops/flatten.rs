//! `Flatten`: a matrix of all axes before and all axes from a place on (ONNX Flatten-21).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use super::movement::{MOVES, sizes};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    lower: Some(crate::lower::moves::reshape),
    ..OpDef::new("Flatten", infer)
};

/// The two sizes; `axis` counts the axes that go into the first, from the end where it is negative.
fn flattened(from: &Shape, axis: i64) -> Result<Shape, String> {
    let rank = from.rank() as i64;
    let at = if axis < 0 { axis + rank } else { axis };
    if !(0..=rank).contains(&at) {
        return Err(format!("axis {axis} is out of range for an input of shape {from}"));
    }
    let (rows, columns) = from.split_at(at as usize);
    Ok(Shape(vec![product(rows), product(columns)]))
}

/// The product of sizes; a symbol stays where it meets nothing but ones.
fn product(dims: &[Dim]) -> Dim {
    let known = dims.iter().filter_map(Dim::known).try_fold(1usize, usize::checked_mul);
    let mut symbols = dims.iter().filter(|d| d.known().is_none());
    match (known, symbols.next(), symbols.next()) {
        (Some(n), None, _) => Dim::Known(n),
        (Some(0), ..) => Dim::Known(0),
        (Some(1), Some(one), None) => one.clone(),
        _ => Dim::Unknown,
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    Ok(vec![ValueType::new(x.dtype, flattened(&x.shape, ctx.int("axis", 1)).map_err(|e| ctx.error(e))?)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let shape = flattened(&Shape::fixed(x.shape()), ctx.int("axis", 1)).map_err(|e| ctx.error(e))?;
    Ok(vec![x.reshaped(&sizes(&shape)).map_err(|e| ctx.error(e.to_string()))?])
}

/// `dx = g`, under the input's shape.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    Ok(vec![Some(ctx.builder.reshape_like(g, x)?)])
}

impl Builder {
    /// The matrix whose rows run over the first `axis` axes of `x` and whose columns over the others.
    pub fn flatten(&mut self, x: ValueId, axis: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("axis", axis))
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn splits_the_axes_in_two() {
        let x = Tensor::of(&[2, 3, 4], vec![0u8; 24]);
        let shape = |axis| check::eval(|b, v| b.flatten(v[0], axis), std::slice::from_ref(&x)).shape().to_vec();
        assert_eq!([0, 1, 2, 3, -1].map(shape), [[1, 24], [2, 12], [6, 4], [24, 1], [6, 4]]);
        assert!(flattened(&Shape::fixed(&[2]), 2).is_err());
        assert!(flattened(&Shape::fixed(&[2]), -2).is_err());
    }

    #[test]
    fn symbols() {
        let n = Shape(vec![Dim::Symbol("n".into()), Dim::Known(3), Dim::Known(2)]);
        assert_eq!(flattened(&n, 1).unwrap().to_string(), "[n, 6]");
        assert_eq!(flattened(&n, 2).unwrap().to_string(), "[?, 2]");
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.flatten(v[0], 1), &[&[2, 3, 2]]);
    }
}
