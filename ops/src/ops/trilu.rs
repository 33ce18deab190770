//! `Trilu`: the upper or lower triangle of matrices, zeros elsewhere (ONNX Trilu-14).

use ocellus_graph::{Attributes, Tensor, ValueId};

use super::movement::{MOVES, pick_or};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(grad), quant: Some(MOVES), ..OpDef::new("Trilu", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    if x.shape.rank() < 2 {
        return Err(ctx.error(format!("an input of shape {} has no matrices", x.shape)));
    }
    Ok(vec![x.clone()])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let diagonal = match ctx.optional(1).map(Tensor::to_i64).as_deref() {
        None => 0,
        Some([k]) => *k,
        Some(other) => return Err(ctx.error(format!("k has to be one number, found {other:?}"))),
    };
    let upper = ctx.int("upper", 1) != 0;
    let [.., rows, columns] = *x.shape() else { return Err(ctx.error("its input has no matrices")) };
    let kept = |k: usize| {
        let (row, column) = ((k / columns % rows) as i64, (k % columns) as i64);
        let above = column.saturating_sub(row);
        if upper { above >= diagonal } else { above <= diagonal }
    };
    let places: Vec<Option<usize>> = (0..x.len()).map(|k| kept(k).then_some(k)).collect();
    let zero = Tensor::full(x.dtype(), &[], 0.0);
    let result = pick_or(x, &zero, x.shape(), &places);
    Ok(vec![result.ok_or_else(|| ctx.error("cannot take its input"))?])
}

/// The same triangle of `g`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    let inputs: Vec<ValueId> = [g].into_iter().chain(ctx.node.input(1)).collect();
    let dx = ctx.builder.apply(&OP, &inputs, ctx.node.attributes.clone())?;
    Ok(std::iter::once(Some(dx)).chain((1..ctx.node.inputs.len()).map(|_| None)).collect())
}

impl Builder {
    /// The elements of the last two axes on and above (`upper`) or on and below diagonal `k`; positive `k` lies above.
    pub fn trilu(&mut self, x: ValueId, k: i64, upper: bool) -> Result<ValueId, OpError> {
        let k = self.constant("k", Tensor::scalar(k));
        self.apply(&OP, &[x, k], Attributes::new().with("upper", i64::from(upper)))
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn triangles_around_any_diagonal() {
        let x = Tensor::of(&[2, 3], (1u8..7).collect());
        let run = |k, upper| check::eval(|b, v| b.trilu(v[0], k, upper), std::slice::from_ref(&x)).to_i64();
        assert_eq!(run(0, true), [1, 2, 3, 0, 5, 6]);
        assert_eq!(run(0, false), [1, 0, 0, 4, 5, 0]);
        assert_eq!(run(1, true), [0, 2, 3, 0, 0, 6]);
        assert_eq!(run(-1, false), [0, 0, 0, 4, 0, 0]);
        assert_eq!(run(100, true), [0; 6]);
        assert_eq!(run(i64::MIN, true), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.trilu(v[0], 1, false), &[&[2, 3, 4]]);
        check::gradient(|b, v| b.apply(&OP, v, Attributes::new()), &[&[3, 3]]);
    }
}
