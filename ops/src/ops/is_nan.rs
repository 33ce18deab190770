//! `IsNaN`: which elements are not a number (ONNX IsNaN-20).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};

use super::elementwise::{no_grad, require_float};
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(no_grad),
    lower: Some(super::compare_lower::is_nan),
    ..OpDef::new("IsNaN", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    Ok(vec![ValueType::new(DataType::Bool, ctx.input(0)?.shape.clone())])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    Ok(vec![Tensor::of(x.shape(), x.to_f64().into_iter().map(f64::is_nan).collect())])
}

impl Builder {
    /// Which elements are not a number.
    pub fn is_nan(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.is_nan(v[0]), &[Tensor::vector(&[1f32, f32::NAN, f32::INFINITY])]);
        assert_eq!(y, Tensor::vector(&[false, true, false]));
    }

    #[test]
    fn integers_are_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::I32, &[1]);
        assert!(b.is_nan(x).is_err());
    }
}
