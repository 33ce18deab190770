//! `Relu`: `max(x, 0)` (ONNX Relu-14).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::UnaryFunction;

use super::elementwise::{TABLE, eval_number, number_unary};
use crate::{Builder, Fold, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_number(ctx, |x| if x < 0.0 { 0.0 } else { x }, |x| x.max(0))),
    grad: Some(grad),
    quant: Some(TABLE),
    fold: Fold::Clamp(|_| Some((0.0, f32::INFINITY))),
    lower: Some(|ctx| crate::lower::unary::lower(ctx, UnaryFunction::Relu, 0.0, 0.0)),
    ..OpDef::new("Relu", number_unary)
};

/// `g * sign(y)`: `y` is never negative, and a `Where` with a scalar is slower.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, y) = (ctx.grad()?, ctx.output(0)?);
    let sign = ctx.builder.sign(y)?;
    Ok(vec![Some(ctx.builder.mul(g, sign)?)])
}

impl Builder {
    /// `max(x, 0)`.
    pub fn relu(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn clips_negatives_and_keeps_nan() {
        let y = check::eval(|b, v| b.relu(v[0]), &[Tensor::vector(&[-1f32, 0.0, 2.5, f32::NAN])]);
        let y = y.to_f32();
        assert_eq!(&y[..3], [0.0, 0.0, 2.5]);
        assert!(y[3].is_nan());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.relu(v[0]), &[&[3, 5]]);
    }

    #[test]
    fn at_zero_the_gradient_is_zero() {
        let mut b = crate::Builder::new("kink");
        let x = b.input("x", ocellus_graph::DataType::F64, &[2]);
        let y = b.relu(x).unwrap();
        let g = b.constant("g", Tensor::vector(&[3f64, 3.]));
        let dx = check::backward(&mut b, y, g, &[x]).unwrap()[0].unwrap();
        let values = crate::evaluate_values(b.graph(), &[("x", Tensor::vector(&[0f64, 1.]))]).unwrap();
        assert_eq!(values[&dx], Tensor::vector(&[0f64, 3.]));
    }

    #[test]
    fn integers_are_exact() {
        let y = check::eval(|b, v| b.relu(v[0]), &[Tensor::vector(&[i64::MAX, -1])]);
        assert_eq!(y, Tensor::vector(&[i64::MAX, 0]));
    }
}
