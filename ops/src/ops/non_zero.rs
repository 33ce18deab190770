//! `NonZero`: the indices of all elements that are not zero, one column each (ONNX NonZero-13).

use ocellus_graph::{Attributes, DataType, Dim, Shape, Tensor, ValueId};

use crate::shapes::strides;
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef { eval: Some(eval), grad: Some(|_| Ok(vec![None])), ..OpDef::new("NonZero", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let rank = ctx.input(0)?.shape.rank();
    Ok(vec![ValueType::new(DataType::I64, Shape(vec![Dim::Known(rank), Dim::Unknown]))])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    if x.dtype() == DataType::String {
        return Err(ctx.error("takes numbers, not text"));
    }
    let found: Vec<usize> = x.to_f64().into_iter().enumerate().filter(|(_, v)| *v != 0.0).map(|(k, _)| k).collect();
    let mut indices = Vec::with_capacity(x.rank() * found.len());
    for (size, step) in x.shape().iter().zip(strides(x.shape())) {
        indices.extend(found.iter().map(|k| (k / step % size) as i64));
    }
    Ok(vec![Tensor::of(&[x.rank(), found.len()], indices)])
}

impl Builder {
    /// The indices of all elements of `x` that are not zero, `[rank, count]`, in row-major order.
    pub fn non_zero(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn one_column_for_each() {
        let run = |x: Tensor| check::eval(|b, v| b.non_zero(v[0]), &[x]);
        let x = Tensor::of(&[2, 2], vec![1f32, 0., -0.5, f32::NAN]);
        assert_eq!(run(x), Tensor::of(&[2, 3], vec![0i64, 1, 1, 0, 0, 1]));
        assert_eq!(run(Tensor::vector(&[false, true])), Tensor::of(&[1, 1], vec![1i64]));
        assert_eq!(run(Tensor::scalar(5i32)).shape(), [0, 1]);
    }
}
