//! `IsInf`: which elements are infinite, of either sign or of one (ONNX IsInf-20).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};

use super::elementwise::{no_grad, require_float};
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(no_grad),
    lower: Some(super::compare_lower::is_inf),
    ..OpDef::new("IsInf", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    Ok(vec![ValueType::new(DataType::Bool, ctx.input(0)?.shape.clone())])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let (negative, positive) = (ctx.int("detect_negative", 1) != 0, ctx.int("detect_positive", 1) != 0);
    let infinite = |v: f64| v.is_infinite() && if v < 0.0 { negative } else { positive };
    Ok(vec![Tensor::of(x.shape(), x.to_f64().into_iter().map(infinite).collect())])
}

impl Builder {
    /// Which elements are infinite, of the wanted signs.
    pub fn is_inf(&mut self, x: ValueId, negative: bool, positive: bool) -> Result<ValueId, OpError> {
        let attributes =
            Attributes::new().with("detect_negative", i64::from(negative)).with("detect_positive", i64::from(positive));
        self.apply(&OP, &[x], attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn signs_are_chosen() {
        let x = Tensor::vector(&[1f32, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        let found = |negative, positive| {
            check::eval(|b, v| b.is_inf(v[0], negative, positive), std::slice::from_ref(&x)).to_i64()
        };
        assert_eq!(found(true, true), [0, 1, 1, 0]);
        assert_eq!(found(true, false), [0, 0, 1, 0]);
        assert_eq!(found(false, true), [0, 1, 0, 0]);
        assert_eq!(found(false, false), [0, 0, 0, 0]);
    }
}
