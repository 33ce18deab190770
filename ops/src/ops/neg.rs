//! `Neg`: `-x`; integers wrap (ONNX Neg-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_number, number_unary};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_number(ctx, |x| -x, |x| -x)),
    grad: Some(grad),
    quant: Some(TABLE),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Neg, 0.0, 0.0)),
    ..OpDef::new("Neg", number_unary)
};

/// `dx = -g`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    Ok(vec![Some(ctx.builder.neg(g)?)])
}

impl Builder {
    /// `-x`.
    pub fn neg(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let y = check::eval(|b, v| b.neg(v[0]), &[Tensor::vector(&[1f32, -2.5, 0.0])]);
        assert_eq!(y, Tensor::vector(&[-1f32, 2.5, -0.0]));
    }

    #[test]
    fn integers_are_exact() {
        let y = check::eval(|b, v| b.neg(v[0]), &[Tensor::vector(&[i64::MAX, -3, i64::MIN])]);
        assert_eq!(y, Tensor::vector(&[-i64::MAX, 3, i64::MIN]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.neg(v[0]), &[&[3, 5]]);
    }
}
