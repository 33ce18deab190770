//! `Xor`: exclusive disjunction of truth values (ONNX Xor-7).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::CompareFunction;

use super::compare::{eval_logical, infer_logical};
use super::elementwise::{no_grad, upgrade_broadcast};
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_logical(ctx, |a, b| a != b)),
    grad: Some(no_grad),
    upgrade: Some(upgrade_broadcast),
    lower: Some(|ctx| super::compare_lower::lower(ctx, CompareFunction::Xor, [0, 1])),
    ..OpDef::new("Xor", infer_logical)
};

impl Builder {
    /// The exclusive disjunction of `a` and `b`, broadcast.
    pub fn xor(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use crate::check;

    #[test]
    fn truth_table() {
        let (a, b) = (Tensor::of(&[2, 1], vec![false, true]), Tensor::vector(&[false, true]));
        let y = check::eval(|b, v| b.xor(v[0], v[1]), &[a, b]);
        assert_eq!(y, Tensor::of(&[2, 2], vec![false, true, true, false]));
    }

    #[test]
    fn numbers_are_refused() {
        let mut b = crate::Builder::new("bad");
        let x = b.input("x", DataType::F32, &[1]);
        assert!(b.xor(x, x).unwrap_err().to_string().contains("has to be bool"));
    }
}
