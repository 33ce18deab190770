//! `QLinearConv`: convolution from 8 bits to 8 bits (ONNX QLinearConv-10).

use ocellus_graph::{DataType, Tensor};

use super::conv::{output_shape, require_bias};
use super::conv_integer::integer_sums;
use super::elementwise::require_float;
use super::quantized::{one_number, requantized, require_byte};
use crate::{EvalContext, InferContext, OpDef, OpError, ValueType};

/// Inputs: x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, bias (i32, optional).
pub(crate) const OP: OpDef = OpDef { eval: Some(eval), ..OpDef::new("QLinearConv", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    for i in [0, 2, 3, 5, 7] {
        require_byte(ctx, i)?;
    }
    for i in [1, 4, 6] {
        require_float(ctx, i)?;
    }
    let shape = output_shape(ctx, 0, 3)?;
    if let Some(bias) = ctx.optional(8) {
        if bias.dtype != DataType::I32 {
            return Err(ctx.error(format!("the bias has type {}; i32 is expected", bias.dtype)));
        }
        require_bias(ctx.node, &bias.shape, &shape[1])?;
    }
    Ok(vec![ValueType::new(ctx.input(7)?.dtype, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (shape, sums) = integer_sums(ctx, [0, 2], [3, 5])?;
    let channels = shape[1];
    let (sx, sy) = (one_number(ctx, 1)?, one_number(ctx, 6)?);
    let weight_scales = ctx.input(4)?.to_f32();
    if weight_scales.len() != 1 && weight_scales.len() != channels {
        return Err(ctx.error(format!("{} weight scales for {channels} channels", weight_scales.len())));
    }
    let bias = ctx.optional(8).map_or_else(|| vec![0; channels], Tensor::to_i64);
    if bias.len() != channels {
        return Err(ctx.error(format!("{} bias elements for {channels} channels", bias.len())));
    }
    let zero = ctx.input(7)?;
    let zero_point = zero.to_i64().first().copied().unwrap_or(0);
    let plane = shape[2..].iter().product::<usize>().max(1);
    let y: Vec<i64> = (sums.iter().enumerate())
        .map(|(i, sum)| {
            let c = i / plane % channels;
            let multiplier = sx * weight_scales[c % weight_scales.len()] / sy;
            requantized(sum + bias[c], multiplier, zero_point, zero.dtype())
        })
        .collect();
    Ok(vec![Tensor::from_i64(zero.dtype(), &shape, &y)])
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Attributes;

    use super::*;
    use crate::check;

    fn conv(inputs: &[Tensor]) -> Tensor {
        check::eval(|b, v| b.apply(&OP, v, Attributes::new()), inputs)
    }

    /// The first row of the example on the ONNX operator page.
    #[test]
    fn the_example_of_the_operator_page() {
        let y = conv(&[
            Tensor::of(&[1, 1, 1, 7], vec![255u8, 174, 162, 25, 203, 168, 58]),
            Tensor::scalar(0.003_692_047_5f32),
            Tensor::scalar(132u8),
            Tensor::of(&[1, 1, 1, 1], vec![0u8]),
            Tensor::vector(&[0.001_727_948_3f32]),
            Tensor::vector(&[255u8]),
            Tensor::scalar(0.001_627_354_8f32),
            Tensor::scalar(123u8),
        ]);
        assert_eq!(y, Tensor::of(&[1, 1, 1, 7], vec![0u8, 81, 93, 230, 52, 87, 197]));
    }

    #[test]
    fn scales_and_bias_per_channel() {
        let y = conv(&[
            Tensor::of(&[1, 1, 2], vec![10i8, -3]),
            Tensor::scalar(0.5f32),
            Tensor::scalar(0i8),
            Tensor::of(&[2, 1, 1], vec![4i8, 4]),
            Tensor::vector(&[0.25f32, 1.0]),
            Tensor::scalar(0i8),
            Tensor::scalar(1f32),
            Tensor::scalar(-1i8),
            Tensor::vector(&[0i32, 200]),
        ]);
        assert_eq!(y, Tensor::of(&[1, 2, 2], vec![4i8, -3, 119, 93]), "40/8 - 1, -12/8 - 1 to even, 240/2 - 1 ...");
    }
}
