//! `Abs`: absolute value (ONNX Abs-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_number, number_unary, unary_grad};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_number(ctx, f64::abs, i128::abs)),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Abs, 0.0, 0.0)),
    ..OpDef::new("Abs", number_unary)
};

/// `dx = g * sign(x)`; 0 at 0.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    unary_grad(ctx, |b, x, _| b.sign(x))
}

impl Builder {
    /// The absolute value.
    pub fn abs(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.abs(v[0]), &[Tensor::vector(&[-2f32, 0.0, 3.5])]);
        assert_eq!(y, Tensor::vector(&[2f32, 0.0, 3.5]));
    }

    #[test]
    fn integers_are_exact() {
        let y = check::eval(|b, v| b.abs(v[0]), &[Tensor::vector(&[-i64::MAX, i64::MIN])]);
        assert_eq!(y, Tensor::vector(&[i64::MAX, i64::MIN]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.abs(v[0]), &[&[3, 5]]);
    }

    #[test]
    fn gradient_at_the_kink_is_that_of_central_differences() {
        check::gradient_at(|b, v| b.abs(v[0]), &[Tensor::vector(&[0.0f64, 0.0])]);
    }
}
