//! `MatMulInteger`: product of 8-bit matrices with zero points, in 32 bits (ONNX MatMulInteger-10).

use ocellus_graph::{DataType, Tensor, ValueId};

use super::matrix::{Product, product_shape};
use super::quantized::{centered, per_column, per_row, require_byte};
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), lower: Some(super::integer_lower::matmul), ..OpDef::new("MatMulInteger", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    for i in 0..2 {
        let dtype = require_byte(ctx, i)?;
        if let Some(zero) = ctx.optional(2 + i).filter(|z| z.dtype != dtype) {
            return Err(ctx.error(format!("zero point {} has type {}; {dtype} is expected", 2 + i, zero.dtype)));
        }
    }
    let shape = product_shape(ctx.node, &ctx.input(0)?.shape, &ctx.input(1)?.shape)?;
    Ok(vec![ValueType::new(DataType::I32, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let product = Product::new(ctx.node, ctx.input(0)?.shape(), ctx.input(1)?.shape())?;
    let (a, b) = (centered(ctx, 0, 2, per_row)?, centered(ctx, 1, 3, per_column)?);
    let y = product.compute(&a, &b, 0i64, |sum, x, y| sum + x * y);
    Ok(vec![Tensor::from_i64(DataType::I32, &product.shape, &y)])
}

impl Builder {
    /// `(a - a_zero) @ (b - b_zero)` in i32. Zero points: one number, or one per row of `a` and per column of `b`.
    pub fn matmul_integer(
        &mut self,
        a: ValueId,
        b: ValueId,
        a_zero: Option<ValueId>,
        b_zero: Option<ValueId>,
    ) -> Result<ValueId, OpError> {
        let mut inputs = vec![Some(a), Some(b), a_zero, b_zero];
        while inputs.last() == Some(&None) {
            inputs.pop();
        }
        Ok(self.apply_many(&OP, &inputs, ocellus_graph::Attributes::new(), 1)?[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    /// The example of the ONNX operator page.
    #[test]
    fn one_zero_point() {
        let a = Tensor::of(&[4, 3], vec![11u8, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0]);
        let b = Tensor::of(&[3, 2], vec![1u8, 4, 2, 5, 3, 6]);
        let y = check::eval(
            |builder, v| builder.matmul_integer(v[0], v[1], Some(v[2]), Some(v[3])),
            &[a, b, Tensor::vector(&[12u8]), Tensor::vector(&[0u8])],
        );
        assert_eq!(y, Tensor::of(&[4, 2], vec![-38i32, -83, -44, -98, -50, -113, -56, -128]));
    }

    #[test]
    fn zero_points_per_row_and_column() {
        let y = check::eval(
            |builder, v| builder.matmul_integer(v[0], v[1], Some(v[2]), Some(v[3])),
            &[
                Tensor::of(&[2, 1], vec![5i8, 5]),
                Tensor::of(&[1, 3], vec![1u8, 2, 3]),
                Tensor::vector(&[1i8, 2]),
                Tensor::vector(&[0u8, 1, 3]),
            ],
        );
        assert_eq!(y, Tensor::of(&[2, 3], vec![4i32, 4, 0, 3, 3, 0]));
        let plain = check::eval(
            |builder, v| builder.matmul_integer(v[0], v[1], None, None),
            &[Tensor::of(&[1, 2], vec![255u8, 255]), Tensor::of(&[2, 1], vec![-128i8, -128])],
        );
        assert_eq!(plain, Tensor::of(&[1, 1], vec![-65280i32]));
    }
}
