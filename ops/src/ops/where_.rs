//! `Where`: the element of one of two inputs, by a condition, with broadcasting (ONNX Where-16).

use ocellus_graph::{Attributes, Tensor, TensorData, ValueId};

use super::compare::require_bool;
use super::elementwise::require_same_type;
use crate::shapes::{broadcast, broadcast_offsets, broadcast_sizes};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    lower: Some(super::compare_lower::select),
    ..OpDef::new("Where", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_bool(ctx, 0)?;
    require_same_type(ctx, 1, 2)?;
    let (c, x, y) = (ctx.input(0)?, ctx.input(1)?, ctx.input(2)?);
    let shape = broadcast(&x.shape, &y.shape).and_then(|s| broadcast(&s, &c.shape));
    let shape =
        shape.ok_or_else(|| ctx.error(format!("shapes {}, {} and {} do not broadcast", c.shape, x.shape, y.shape)))?;
    Ok(vec![ValueType::new(x.dtype, shape)])
}

/// The elements of `x` where the condition holds, of `y` elsewhere, in whatever type both have.
macro_rules! select {
    ($x:expr, $y:expr, $choices:expr, $($variant:ident)*) => {
        match ($x, $y) {
            $((TensorData::$variant(x), TensorData::$variant(y)) => {
                let chosen = $choices.map(|(c, i, j)| if c { x[i].clone() } else { y[j].clone() });
                Some(TensorData::$variant(chosen.collect()))
            })*
            _ => None,
        }
    };
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (c, x, y) = (ctx.input(0)?, ctx.input(1)?, ctx.input(2)?);
    let shape = broadcast_sizes(x.shape(), y.shape()).and_then(|s| broadcast_sizes(&s, c.shape()));
    let shape = shape.ok_or_else(|| {
        ctx.error(format!("shapes {:?}, {:?} and {:?} do not broadcast", c.shape(), x.shape(), y.shape()))
    })?;
    let condition = ctx.view::<bool>(0)?;
    let conditions = broadcast_offsets(c.shape(), &shape).into_iter().map(|k| condition[k]);
    let places = broadcast_offsets(x.shape(), &shape).into_iter().zip(broadcast_offsets(y.shape(), &shape));
    let choices = conditions.zip(places).map(|(c, (i, j))| (c, i, j));
    let data = select!(x.data(), y.data(), choices, F32 F64 F16 BF16 I8 U8 I16 U16 I32 U32 I64 U64 Bool String);
    let data = data.ok_or_else(|| ctx.error(format!("inputs 1 and 2 have types {} and {}", x.dtype(), y.dtype())))?;
    Ok(vec![Tensor::new(&shape, data).map_err(|e| ctx.error(e.to_string()))?])
}

/// `g` goes to the input that was chosen. A product with the condition would make NaN of what was not chosen.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, condition) = (ctx.grad()?, ctx.input(0)?);
    let zero = ctx.builder.scalar_like(g, 0.0)?;
    let mut grads = vec![None; 3];
    for (i, slot) in grads.iter_mut().enumerate().skip(1) {
        if ctx.needs(i) {
            let (yes, no) = if i == 1 { (g, zero) } else { (zero, g) };
            let part = ctx.builder.where_(condition, yes, no)?;
            let input = ctx.input(i)?;
            *slot = Some(ctx.builder.sum_to_shape_of(part, input)?);
        }
    }
    Ok(grads)
}

impl Builder {
    /// `a` where `condition` holds, `b` elsewhere, broadcast.
    pub fn where_(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[condition, a, b], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use crate::check;

    use super::*;

    #[test]
    fn selects_with_broadcasting_in_any_type() {
        let condition = Tensor::of(&[2, 1], vec![true, false]);
        let y = check::eval(
            |b, v| b.where_(v[0], v[1], v[2]),
            &[condition.clone(), Tensor::vector(&[1u64, u64::MAX]), Tensor::scalar(7u64)],
        );
        assert_eq!(y, Tensor::of(&[2, 2], vec![1u64, u64::MAX, 7, 7]));
        let text = |s: &str| Tensor::new(&[], TensorData::String(vec![s.to_owned()])).unwrap();
        let y = check::eval(|b, v| b.where_(v[0], v[1], v[2]), &[condition, text("yes"), text("no")]);
        assert_eq!(y, Tensor::new(&[2, 1], TensorData::String(vec!["yes".into(), "no".into()])).unwrap());
    }

    #[test]
    fn bad_types_are_refused() {
        let mut b = Builder::new("bad");
        let (x, i) = (b.input("x", DataType::F32, &[1]), b.input("i", DataType::I32, &[1]));
        let c = b.input("c", DataType::Bool, &[1]);
        assert!(b.where_(x, x, x).unwrap_err().to_string().contains("has to be bool"));
        assert!(b.where_(c, x, i).unwrap_err().to_string().contains("f32 and i32"));
    }

    #[test]
    fn gradient() {
        check::gradient_at(
            |b, v| b.where_(v[0], v[1], v[2]),
            &[
                Tensor::of(&[2, 1], vec![true, false]),
                Tensor::of(&[2, 3], check::numbers(6, 3)),
                Tensor::of(&[3], vec![1f64, 1., 1.]),
            ],
        );
    }
}
