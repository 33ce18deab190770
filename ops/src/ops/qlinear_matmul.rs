//! `QLinearMatMul`: matrix product from 8 bits to 8 bits (ONNX QLinearMatMul-21).

use ocellus_graph::Tensor;

use super::elementwise::require_float;
use super::matrix::{Product, product_shape};
use super::quantized::{centered, per_column, per_row, places, requantized, require_byte};
use crate::{EvalContext, InferContext, OpDef, OpError, ValueType};

/// Inputs: a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point. Scales and zero points are one
/// number, or one per row of `a` and of the result, and per column of `b`.
pub(crate) const OP: OpDef = OpDef { eval: Some(eval), ..OpDef::new("QLinearMatMul", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    for i in [0, 2, 3, 5, 7] {
        require_byte(ctx, i)?;
    }
    for i in [1, 4, 6] {
        require_float(ctx, i)?;
    }
    let shape = product_shape(ctx.node, &ctx.input(0)?.shape, &ctx.input(3)?.shape)?;
    Ok(vec![ValueType::new(ctx.input(7)?.dtype, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let product = Product::new(ctx.node, ctx.input(0)?.shape(), ctx.input(3)?.shape())?;
    let (a, b) = (centered(ctx, 0, 2, per_row)?, centered(ctx, 3, 5, per_column)?);
    let sums = product.compute(&a, &b, 0i64, |sum, x, y| sum + x * y);
    let spread = |i: usize, shape: fn(&Tensor) -> Vec<usize>| -> Result<Vec<usize>, OpError> {
        let t = ctx.input(i)?;
        places(ctx, i, &shape(t), t.len(), &product.shape)
    };
    let at = [spread(1, per_row)?, spread(4, per_column)?, spread(6, per_row)?, spread(7, per_row)?];
    let (sa, sb, sy) = (ctx.input(1)?.to_f32(), ctx.input(4)?.to_f32(), ctx.input(6)?.to_f32());
    let zero = ctx.input(7)?;
    let zeros = zero.to_i64();
    let y: Vec<i64> = (sums.iter().enumerate())
        .map(|(i, &sum)| {
            let multiplier = sa[at[0][i]] * sb[at[1][i]] / sy[at[2][i]];
            requantized(sum, multiplier, zeros[at[3][i]], zero.dtype())
        })
        .collect();
    Ok(vec![Tensor::from_i64(zero.dtype(), &product.shape, &y)])
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Attributes;

    use super::*;
    use crate::check;

    /// The example of the ONNX operator page.
    #[test]
    fn the_example_of_the_operator_page() {
        let inputs = [
            Tensor::of(&[2, 4], vec![208u8, 236, 0, 238, 3, 214, 255, 29]),
            Tensor::vector(&[0.0066f32]),
            Tensor::vector(&[113u8]),
            Tensor::of(&[4, 3], vec![152u8, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247]),
            Tensor::vector(&[0.00705f32]),
            Tensor::vector(&[114u8]),
            Tensor::vector(&[0.0107f32]),
            Tensor::vector(&[118u8]),
        ];
        let y = check::eval(|b, v| b.apply(&OP, v, Attributes::new()), &inputs);
        assert_eq!(y, Tensor::of(&[2, 3], vec![168u8, 115, 255, 1, 66, 151]));
    }

    #[test]
    fn scales_per_row_and_column() {
        let inputs = [
            Tensor::of(&[2, 1], vec![10i8, 10]),
            Tensor::vector(&[0.5f32, 1.0]),
            Tensor::vector(&[0i8, 2]),
            Tensor::of(&[1, 2], vec![4i8, 5]),
            Tensor::vector(&[1f32, 0.25]),
            Tensor::scalar(0i8),
            Tensor::scalar(1f32),
            Tensor::scalar(1i8),
        ];
        let y = check::eval(|b, v| b.apply(&OP, v, Attributes::new()), &inputs);
        assert_eq!(y, Tensor::of(&[2, 2], vec![21i8, 7, 33, 11]));
    }
}
