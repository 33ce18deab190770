//! `Round`: the nearest integer, halves to even (ONNX Round-11).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary, no_grad};
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, f64::round_ties_even)),
    grad: Some(no_grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Round, 0.0, 0.0)),
    ..OpDef::new("Round", float_unary)
};

impl Builder {
    /// The nearest integer; halves go to the even one.
    pub fn round(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.round(v[0]), &[Tensor::vector(&[0.5f32, 1.5, 2.5, -0.5, -1.5, 2.4999])]);
        assert_eq!(y, Tensor::vector(&[0f32, 2.0, 2.0, -0.0, -2.0, 2.0]));
    }
}
