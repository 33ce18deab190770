//! `LessOrEqual`: whether `a <= b` (ONNX LessOrEqual-16).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::CompareFunction;

use super::compare;
use super::elementwise::{no_grad, upgrade_broadcast};
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| compare::eval(ctx, PartialOrd::le, PartialOrd::le)),
    grad: Some(no_grad),
    upgrade: Some(upgrade_broadcast),
    lower: Some(|ctx| super::compare_lower::lower(ctx, CompareFunction::LessOrEqual, [0, 1])),
    ..OpDef::new("LessOrEqual", compare::infer_order)
};

impl Builder {
    /// Whether `a <= b`, broadcast; false where either is NaN.
    pub fn less_or_equal(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn floats() {
        let (a, b) = (Tensor::vector(&[1f32, 2.0, 3.0, f32::NAN]), Tensor::scalar(2f32));
        let y = check::eval(|b, v| b.less_or_equal(v[0], v[1]), &[a, b]);
        assert_eq!(y, Tensor::vector(&[true, true, false, false]));
    }

    #[test]
    fn integers_are_exact() {
        let (a, b) = (Tensor::vector(&[1u64, u64::MAX - 1, u64::MAX]), Tensor::vector(&[u64::MAX - 1]));
        let y = check::eval(|b, v| b.less_or_equal(v[0], v[1]), &[a, b]);
        assert_eq!(y, Tensor::vector(&[true, true, false]));
    }
}
