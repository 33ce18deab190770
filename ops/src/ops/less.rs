//! `Less`: whether `a < b` (ONNX Less-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::CompareFunction;

use super::compare;
use super::elementwise::{no_grad, upgrade_broadcast};
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| compare::eval(ctx, PartialOrd::lt, PartialOrd::lt)),
    grad: Some(no_grad),
    upgrade: Some(upgrade_broadcast),
    lower: Some(|ctx| super::compare_lower::lower(ctx, CompareFunction::Less, [0, 1])),
    ..OpDef::new("Less", compare::infer_order)
};

impl Builder {
    /// Whether `a < b`, broadcast; false where either is NaN.
    pub fn less(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
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
        let y = check::eval(|b, v| b.less(v[0], v[1]), &[a, b]);
        assert_eq!(y, Tensor::vector(&[true, false, false, false]));
    }

    #[test]
    fn integers_are_exact() {
        let (a, b) = (Tensor::vector(&[1u64, u64::MAX - 1, u64::MAX]), Tensor::vector(&[u64::MAX - 1]));
        let y = check::eval(|b, v| b.less(v[0], v[1]), &[a, b]);
        assert_eq!(y, Tensor::vector(&[true, false, false]));
    }
}
