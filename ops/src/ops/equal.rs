//! `Equal`: whether two elements are the same, of numbers, truth values or text (ONNX Equal-19).

use ocellus_graph::{Attributes, Tensor, TensorData, ValueId};
use ocellus_plan::args::CompareFunction;

use super::compare;
use super::elementwise::{no_grad, pairs, upgrade_broadcast};
use crate::{Builder, EvalContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(no_grad),
    upgrade: Some(upgrade_broadcast),
    lower: Some(|ctx| super::compare_lower::lower(ctx, CompareFunction::Equal, [0, 1])),
    ..OpDef::new("Equal", compare::infer_any)
};

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (ctx.input(0)?, ctx.input(1)?);
    let (TensorData::String(x), TensorData::String(y)) = (a.data(), b.data()) else {
        return compare::eval(ctx, PartialEq::eq, PartialEq::eq);
    };
    let (shape, pairs) = pairs(ctx, a, b)?;
    Ok(vec![Tensor::of(&shape, pairs.map(|(i, j)| x[i] == y[j]).collect())])
}

impl Builder {
    /// Whether `a == b`, broadcast.
    pub fn equal(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn numbers() {
        let (a, b) = (Tensor::vector(&[1f32, f32::NAN, 0.0]), Tensor::vector(&[1f32, f32::NAN, -0.0]));
        assert_eq!(check::eval(|b, v| b.equal(v[0], v[1]), &[a, b]), Tensor::vector(&[true, false, true]));
        let (a, b) = (Tensor::vector(&[i64::MAX]), Tensor::vector(&[i64::MAX - 1, i64::MAX]));
        assert_eq!(check::eval(|b, v| b.equal(v[0], v[1]), &[a, b]), Tensor::vector(&[false, true]));
    }

    #[test]
    fn truth_and_text() {
        let (a, b) = (Tensor::vector(&[true, false]), Tensor::scalar(false));
        assert_eq!(check::eval(|b, v| b.equal(v[0], v[1]), &[a, b]), Tensor::vector(&[false, true]));
        let text = |s: &[&str]| {
            Tensor::new(&[s.len()], TensorData::String(s.iter().map(|&s| s.to_owned()).collect())).unwrap()
        };
        let y = check::eval(|b, v| b.equal(v[0], v[1]), &[text(&["cat", "dog"]), text(&["cat"])]);
        assert_eq!(y, Tensor::vector(&[true, false]));
    }
}
