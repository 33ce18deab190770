//! `Not`: the opposite truth value (ONNX Not-1).

use ocellus_graph::{Attributes, Tensor, ValueId};

use super::compare::require_bool;
use super::elementwise::{no_grad, same_as_input};
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(no_grad), lower: Some(super::compare_lower::not), ..OpDef::new("Not", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_bool(ctx, 0)?;
    same_as_input(ctx)
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let values = ctx.view::<bool>(0)?.iter().map(|v| !v).collect();
    Ok(vec![Tensor::of(ctx.input(0)?.shape(), values)])
}

impl Builder {
    /// The opposite of `x`.
    pub fn not(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use super::*;
    use crate::check;

    #[test]
    fn flips() {
        let y = check::eval(|b, v| b.not(v[0]), &[Tensor::vector(&[true, false])]);
        assert_eq!(y, Tensor::vector(&[false, true]));
    }

    #[test]
    fn numbers_are_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[1]);
        assert!(b.not(x).unwrap_err().to_string().contains("has to be bool"));
    }
}
