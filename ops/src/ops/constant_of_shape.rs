//! `ConstantOfShape`: one value repeated (ONNX ConstantOfShape-21).

use ocellus_graph::{Attributes, DataType, Dim, Shape, Tensor, ValueId};

use super::movement::{list, list_length, pick};
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(|_| Ok(vec![None])), ..OpDef::new("ConstantOfShape", infer) };

/// The one element of the attribute, or 0 in f32.
fn value(attributes: &Attributes) -> Result<Tensor, String> {
    match attributes.tensor("value") {
        None => Ok(Tensor::full(DataType::F32, &[], 0.0)),
        Some(v) if v.len() == 1 => Ok(v.clone()),
        Some(v) => Err(format!("value has {} elements, not one", v.len())),
    }
}

fn shape(sizes: &[i64]) -> Result<Vec<usize>, String> {
    let known: Option<Vec<usize>> = sizes.iter().map(|&n| usize::try_from(n).ok()).collect();
    let known = known.filter(|s| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_some());
    known.ok_or_else(|| format!("{sizes:?} is not a shape"))
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let dtype = value(&ctx.node.attributes).map_err(|e| ctx.error(e))?.dtype();
    let shape = match list(ctx, 0) {
        Some(sizes) => Shape::fixed(&shape(&sizes).map_err(|e| ctx.error(e))?),
        None => Shape(vec![Dim::Unknown; list_length(ctx, 0)?]),
    };
    Ok(vec![ValueType::new(dtype, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let value = value(&ctx.node.attributes).map_err(|e| ctx.error(e))?;
    let shape = shape(&ctx.input(0)?.to_i64()).map_err(|e| ctx.error(e))?;
    Ok(vec![pick(&value, &shape, &vec![0; shape.iter().product()])])
}

impl Builder {
    /// A tensor of the sizes in `shape` (a vector of i64), every element `value`, which has one element.
    pub fn constant_of_shape(&mut self, shape: ValueId, value: Tensor) -> Result<ValueId, OpError> {
        let value = value.reshaped(&[1]).map_err(|e| OpError::graph(&self.graph().name, e.to_string()))?;
        self.apply(&OP, &[shape], Attributes::new().with("value", value))
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn repeats_the_value() {
        let y = check::eval(|b, v| b.constant_of_shape(v[0], Tensor::scalar(7u16)), &[Tensor::vector(&[2i64, 1])]);
        assert_eq!(y, Tensor::of(&[2, 1], vec![7u16, 7]));
        let y = check::eval(|b, v| b.apply(&OP, v, Attributes::new()), &[Tensor::vector(&[0i64])]);
        assert_eq!(y, Tensor::vector::<f32>(&[]));
        let y = check::eval(|b, v| b.apply(&OP, v, Attributes::new()), &[Tensor::vector::<i64>(&[])]);
        assert_eq!(y, Tensor::scalar(0f32), "no sizes make a scalar");
    }

    #[test]
    fn bad_shapes_and_values_are_refused() {
        let mut b = Builder::new("t");
        for sizes in [&[-1][..], &[i64::MAX, 4]] {
            let shape = b.indices(sizes);
            assert!(b.constant_of_shape(shape, Tensor::scalar(0f32)).unwrap_err().to_string().contains("not a shape"));
        }
        let shape = b.indices(&[1]);
        assert!(b.constant_of_shape(shape, Tensor::vector(&[1f32, 2.])).is_err());
    }
}
