//! `EyeLike`: ones on a diagonal of a matrix of its input's sizes (ONNX EyeLike-9).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};

use super::cast::named_type;
use crate::{Builder, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    static_value: Some(static_value),
    eval: Some(|ctx| {
        let x = ctx.input(0)?;
        let dtype = target(&ctx.node.attributes, x.dtype()).map_err(|e| ctx.error(e))?;
        let shape = matrix(x.shape()).ok_or_else(|| ctx.error(format!("shape {:?} is no matrix", x.shape())))?;
        Ok(vec![eye(shape, dtype, ctx.int("k", 0))])
    }),
    grad: Some(|_| Ok(vec![None])),
    ..OpDef::new("EyeLike", infer)
};

/// Larger matrices are left to be computed when they are needed.
const MOST_STATIC: usize = 1 << 16;

fn target(attributes: &Attributes, own: DataType) -> Result<DataType, String> {
    attributes.int("dtype").map_or(Ok(own), named_type)
}

fn matrix(shape: &[usize]) -> Option<[usize; 2]> {
    shape.try_into().ok()
}

fn eye([rows, columns]: [usize; 2], dtype: DataType, k: i64) -> Tensor {
    let on = |i: usize| (i % columns) as i64 == ((i / columns) as i64).saturating_add(k);
    Tensor::from_i64(dtype, &[rows, columns], &(0..rows * columns).map(|i| i64::from(on(i))).collect::<Vec<_>>())
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    if x.shape.rank() != 2 {
        return Err(ctx.error(format!("an input of shape {} is no matrix", x.shape)));
    }
    let dtype = target(&ctx.node.attributes, x.dtype).map_err(|e| ctx.error(e))?;
    Ok(vec![ValueType::new(dtype, x.shape.clone())])
}

fn static_value(ctx: &InferContext) -> Option<Tensor> {
    let x = ctx.optional(0)?;
    let shape = matrix(&x.shape.known()?)?;
    let small = shape[0].checked_mul(shape[1]).is_some_and(|n| n <= MOST_STATIC);
    small.then(|| target(&ctx.node.attributes, x.dtype).ok()).flatten().map(|dtype| eye(shape, dtype, ctx.int("k", 0)))
}

impl Builder {
    /// A matrix of the sizes of `x` with ones where `column = row + k`.
    pub fn eye_like(&mut self, x: ValueId, k: i64, dtype: DataType) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("k", k).with("dtype", i64::from(dtype.onnx_code())))
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn ones_on_the_diagonal() {
        let x = Tensor::of(&[2, 3], vec![9f32; 6]);
        let run = |k| check::eval(|b, v| b.eye_like(v[0], k, DataType::I8), std::slice::from_ref(&x));
        assert_eq!(run(0), Tensor::of(&[2, 3], vec![1i8, 0, 0, 0, 1, 0]));
        assert_eq!(run(1), Tensor::of(&[2, 3], vec![0i8, 1, 0, 0, 0, 1]));
        assert_eq!(run(-1), Tensor::of(&[2, 3], vec![0i8, 0, 0, 1, 0, 0]));
        let own = check::eval(|b, v| b.apply(&OP, v, Attributes::new()), &[x]);
        assert_eq!(own.dtype(), DataType::F32);
    }

    #[test]
    fn only_matrices() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[2]);
        assert!(b.eye_like(x, 0, DataType::F32).is_err());
    }
}
