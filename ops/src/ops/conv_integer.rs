//! `ConvInteger`: convolution of 8-bit tensors with zero points, in 32 bits (ONNX ConvInteger-10).

use ocellus_graph::{DataType, Tensor, ValueId};

use super::conv::{convolve, output_shape};
use super::quantized::{centered, per_first_axis, require_byte};
use super::window::Window;
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), lower: Some(super::integer_lower::conv), ..OpDef::new("ConvInteger", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    for i in 0..2 {
        let dtype = require_byte(ctx, i)?;
        if let Some(zero) = ctx.optional(2 + i).filter(|z| z.dtype != dtype) {
            return Err(ctx.error(format!("zero point {} has type {}; {dtype} is expected", 2 + i, zero.dtype)));
        }
    }
    Ok(vec![ValueType::new(DataType::I32, output_shape(ctx, 0, 1)?)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (shape, sums) = integer_sums(ctx, [0, 2], [1, 3])?;
    Ok(vec![Tensor::from_i64(DataType::I32, &shape, &sums)])
}

/// The sums of products of inputs `x` and `w`, each given with its zero point. Padding is the zero point.
fn integer_sums(ctx: &EvalContext, x: [usize; 2], w: [usize; 2]) -> Result<(Vec<usize>, Vec<i64>), OpError> {
    let (x_shape, w_shape) = (ctx.input(x[0])?.shape(), ctx.input(w[0])?.shape());
    let floats = |v: Vec<i64>| -> Vec<f64> { v.into_iter().map(|v| v as f64).collect() };
    let values = floats(centered(ctx, x[0], x[1], |zero| per_first_axis(zero, 0))?);
    let weights = floats(centered(ctx, w[0], w[1], |zero| per_first_axis(zero, w_shape.len()))?);
    let (shape, sums) = convolve(ctx.node, x_shape, &values, w_shape, &weights)?;
    Ok((shape, sums.into_iter().map(|v| v as i64).collect()))
}

impl Builder {
    /// The convolution of `x - x_zero` with `w - w_zero` in i32. `x_zero` is one number, `w_zero` one or one per
    /// output channel.
    pub fn conv_integer(
        &mut self,
        x: ValueId,
        w: ValueId,
        x_zero: Option<ValueId>,
        w_zero: Option<ValueId>,
        window: &Window,
    ) -> Result<ValueId, OpError> {
        let mut inputs = vec![Some(x), Some(w), x_zero, w_zero];
        while inputs.last() == Some(&None) {
            inputs.pop();
        }
        Ok(self.apply_many(&OP, &inputs, window.attributes(), 1)?[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    /// The examples of the ONNX operator page.
    #[test]
    fn padding_is_the_zero_point() {
        let x = Tensor::of(&[1, 1, 3, 3], (2..11).collect::<Vec<u8>>());
        let inputs = [x, Tensor::full(DataType::U8, &[1, 1, 2, 2], 1.0), Tensor::scalar(1u8)];
        let conv = |w: Window| check::eval(|b, v| b.conv_integer(v[0], v[1], Some(v[2]), None, &w), &inputs);
        assert_eq!(conv(Window::default()), Tensor::of(&[1, 1, 2, 2], vec![12i32, 16, 24, 28]));
        let padded = conv(Window::square(2, 1, 1)).to_i64();
        assert_eq!(padded, [1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9]);
    }

    #[test]
    fn weights_have_a_zero_point_per_channel() {
        let y = check::eval(
            |b, v| b.conv_integer(v[0], v[1], None, Some(v[2]), &Window::default()),
            &[Tensor::of(&[1, 1, 2], vec![3u8, 4]), Tensor::of(&[2, 1, 1], vec![5i8, 5]), Tensor::vector(&[1i8, -1])],
        );
        assert_eq!(y, Tensor::of(&[1, 2, 2], vec![12i32, 16, 18, 24]));
    }
}
