//! `Div`: elementwise quotient with broadcasting; integers truncate toward zero (ONNX Div-14).

use ocellus_graph::{Attributes, Tensor, ValueId};
use ocellus_plan::args::BinaryFunction;

use super::channel_affine::affine;
use super::elementwise::{broadcast_two, eval_binary, integers, is_exact, upgrade_broadcast};
use crate::{Builder, EvalContext, Fold, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    upgrade: Some(upgrade_broadcast),
    fold: Fold::Affine(|ctx| affine(ctx, |c| 1.0 / c, |_| 0.0)),
    lower: Some(|ctx| super::binary_lower::lower(ctx, BinaryFunction::Div)),
    ..OpDef::new("Div", broadcast_two)
};

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    refuse_integer_zero(ctx)?;
    eval_binary(ctx, |a, b| a / b, |a, b| a / b)
}

/// Integers have no quotient by zero.
pub(super) fn refuse_integer_zero(ctx: &EvalContext) -> Result<(), OpError> {
    let divisor = ctx.input(1)?;
    if is_exact(divisor.dtype()) && integers(divisor).contains(&0) {
        return Err(ctx.error("divides integers by zero (input 1)"));
    }
    Ok(())
}

/// `da = Σ g / b`, `db = -Σ g / b * y`, each summed over its broadcast axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, a, b, y) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?, ctx.output(0)?);
    let over = ctx.builder.div(g, b)?;
    let mut grads = vec![None; 2];
    if ctx.needs(0) {
        grads[0] = Some(ctx.builder.sum_to_shape_of(over, a)?);
    }
    if ctx.needs(1) {
        let product = ctx.builder.mul(over, y)?;
        let sum = ctx.builder.sum_to_shape_of(product, b)?;
        grads[1] = Some(ctx.builder.neg(sum)?);
    }
    Ok(grads)
}

impl Builder {
    /// `a / b`, broadcast.
    pub fn div(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[a, b], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use crate::check;

    #[test]
    fn floats_follow_ieee() {
        let y =
            check::eval(|b, v| b.div(v[0], v[1]), &[Tensor::vector(&[3f32, 1., 0.]), Tensor::vector(&[2f32, 0., 0.])]);
        let y = y.to_f32();
        assert_eq!(y[..2], [1.5, f32::INFINITY]);
        assert!(y[2].is_nan());
    }

    #[test]
    fn integers_truncate_toward_zero() {
        let y = check::eval(
            |b, v| b.div(v[0], v[1]),
            &[Tensor::vector(&[-7i32, 7, i32::MIN]), Tensor::vector(&[2i32, -2, -1])],
        );
        assert_eq!(y, Tensor::vector(&[-3i32, -3, i32::MIN]));
        let y = check::eval(|b, v| b.div(v[0], v[1]), &[Tensor::vector(&[u64::MAX]), Tensor::vector(&[2u64])]);
        assert_eq!(y, Tensor::vector(&[u64::MAX / 2]));
    }

    #[test]
    fn an_integer_divided_by_zero_is_an_error() {
        let mut b = crate::Builder::new("zero");
        let (x, z) = (b.input("x", DataType::I32, &[1]), b.input("z", DataType::I32, &[1]));
        let y = b.div(x, z).unwrap();
        b.output(y, "y");
        let given = [("x", Tensor::vector(&[1i32])), ("z", Tensor::vector(&[0i32]))];
        let error = crate::evaluate(&b.finish(), &given).unwrap_err();
        assert!(error.to_string().contains("by zero"), "{error}");
    }

    #[test]
    fn gradient() {
        check::gradient_at(
            |b, v| b.div(v[0], v[1]),
            &[Tensor::of(&[2, 3], check::numbers(6, 1)), Tensor::of(&[3], vec![0.5f64, -2.0, 1.25])],
        );
        check::gradient_at(
            |b, v| b.div(v[0], v[1]),
            &[Tensor::of(&[2, 1], vec![1.0f64, -1.0]), Tensor::of(&[2, 3], vec![0.5f64, -2.0, 1.25, 3.0, 1.0, -1.5])],
        );
    }
}
