//! `Unsqueeze`: inserts axes of size 1 (ONNX Unsqueeze-21).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use super::movement::{MOVES, axes, list, list_length, sizes};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    upgrade: Some(super::squeeze::upgrade),
    lower: Some(crate::lower::moves::reshape),
    ..OpDef::new("Unsqueeze", infer)
};

/// The shape with axes of size 1 at `given`, counted in the result.
fn unsqueezed(from: &Shape, given: &[i64]) -> Result<Shape, String> {
    let rank = from.rank() + given.len();
    let new = axes(given, rank)?;
    let mut old = from.iter().cloned();
    Ok((0..rank).filter_map(|i| if new.contains(&i) { Some(Dim::Known(1)) } else { old.next() }).collect())
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let shape = match list(ctx, 1) {
        Some(given) => unsqueezed(&x.shape, &given).map_err(|e| ctx.error(e))?,
        None => Shape(vec![Dim::Unknown; x.shape.rank() + list_length(ctx, 1)?]),
    };
    Ok(vec![ValueType::new(x.dtype, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, given) = (ctx.input(0)?, ctx.input(1)?.to_i64());
    let shape = unsqueezed(&Shape::fixed(x.shape()), &given).map_err(|e| ctx.error(e))?;
    Ok(vec![x.reshaped(&sizes(&shape)).map_err(|e| ctx.error(e.to_string()))?])
}

/// `dx = g`, under the input's shape.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    Ok(vec![Some(ctx.builder.reshape_like(g, x)?), None])
}

impl Builder {
    /// `x` with axes of size 1 inserted at `axes`, which count in the result.
    pub fn unsqueeze(&mut self, x: ValueId, axes: &[i64]) -> Result<ValueId, OpError> {
        let axes = self.indices(axes);
        self.apply(&OP, &[x, axes], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn inserts_axes() {
        let shape = |axes: &'static [i64]| {
            check::eval(|b, v| b.unsqueeze(v[0], axes), &[Tensor::of(&[3, 4], vec![0u8; 12])]).shape().to_vec()
        };
        assert_eq!(shape(&[0]), [1, 3, 4]);
        assert_eq!(shape(&[-1, 1]), [3, 1, 4, 1]);
        assert_eq!(shape(&[4, 2, 1]), [3, 1, 1, 4, 1]);
    }

    #[test]
    fn bad_axes_are_refused() {
        assert!(unsqueezed(&Shape::fixed(&[2]), &[2, 2]).is_err());
        assert!(unsqueezed(&Shape::fixed(&[2]), &[3]).is_err());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.unsqueeze(v[0], &[1, -1]), &[&[3, 2]]);
    }
}
