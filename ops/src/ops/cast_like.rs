//! `CastLike`: elements of the type of another input (ONNX CastLike-19).

use ocellus_graph::{Attributes, ValueId};

use super::cast::converted;
use crate::{Builder, GradContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    // The second input gives only its type.
    static_value: Some(|ctx| converted(ctx.constant(0)?, ctx.optional(1)?.dtype).ok()),
    eval: Some(|ctx| Ok(vec![converted(ctx.input(0)?, ctx.input(1)?.dtype()).map_err(|e| ctx.error(e))?])),
    grad: Some(grad),
    upgrade: Some(super::cast::upgrade),
    lower: Some(super::movement_lower::cast),
    ..OpDef::new("CastLike", |ctx| Ok(vec![ValueType::new(ctx.input(1)?.dtype, ctx.input(0)?.shape.clone())]))
};

/// `g` back in the input's type; nothing flows through integers.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, like) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let (from, to) = (ctx.builder.dtype(x)?, ctx.builder.dtype(like)?);
    let flows = from.is_float() && to.is_float();
    Ok(vec![if flows { Some(ctx.builder.cast(g, from)?) } else { None }, None])
}

impl Builder {
    /// `x` as elements of the type of `like`.
    pub fn cast_like(&mut self, x: ValueId, like: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x, like], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn takes_the_type_of_the_other() {
        let y = check::eval(|b, v| b.cast_like(v[0], v[1]), &[Tensor::vector(&[1.7f32, -2.0]), Tensor::scalar(0i8)]);
        assert_eq!(y, Tensor::vector(&[1i8, -2]));
    }

    #[test]
    fn gradient() {
        let x = Tensor::vector(&check::numbers(3, 1));
        check::gradient_at(
            |b, v| {
                let like = b.cast(v[1], ocellus_graph::DataType::F64)?;
                b.cast_like(v[0], like)
            },
            &[x, Tensor::scalar(1i32)],
        );
    }
}
