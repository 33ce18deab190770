//! `Ceil`: the least integer not below (ONNX Ceil-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_unary, float_unary, no_grad};
use crate::{Builder, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_unary(ctx, f64::ceil)),
    grad: Some(no_grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Ceil, 0.0, 0.0)),
    ..OpDef::new("Ceil", float_unary)
};

impl Builder {
    /// The least integer not below `x`.
    pub fn ceil(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.ceil(v[0]), &[Tensor::vector(&[-1.5f32, 1.5, 2.0])]);
        assert_eq!(y, Tensor::vector(&[-1f32, 2.0, 2.0]));
    }
}
