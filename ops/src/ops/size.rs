//! `Size`: the number of elements of its input (ONNX Size-21).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};

use crate::{Builder, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    static_value: Some(|ctx| Some(Tensor::scalar(ctx.optional(0)?.shape.elements()? as i64))),
    eval: Some(|ctx| Ok(vec![Tensor::scalar(ctx.input(0)?.len() as i64)])),
    grad: Some(|_| Ok(vec![None])),
    ..OpDef::new("Size", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    ctx.input(0)?;
    Ok(vec![ValueType::fixed(DataType::I64, &[])])
}

impl Builder {
    /// The number of elements of `x` as a scalar i64.
    pub fn size_of(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn counts_elements() {
        let size = |shape: &[usize]| check::eval(|b, v| b.size_of(v[0]), &[Tensor::full(DataType::Bool, shape, 0.0)]);
        assert_eq!(size(&[2, 3]), Tensor::scalar(6i64));
        assert_eq!(size(&[]), Tensor::scalar(1i64));
        assert_eq!(size(&[4, 0]), Tensor::scalar(0i64));
    }
}
