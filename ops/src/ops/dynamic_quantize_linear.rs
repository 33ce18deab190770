//! `DynamicQuantizeLinear`: f32 to u8 with the scale and zero point of its own range (ONNX DynamicQuantizeLinear-11).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};

use super::quantize_linear::quantized;
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    lower: Some(super::integer_lower::quantize_dynamic),
    ..OpDef::new("DynamicQuantizeLinear", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    if x.dtype != DataType::F32 {
        return Err(ctx.error(format!("takes f32, found {}", x.dtype)));
    }
    let scalar = |dtype| ValueType::fixed(dtype, &[]);
    Ok(vec![ValueType::new(DataType::U8, x.shape.clone()), scalar(DataType::F32), scalar(DataType::U8)])
}

/// Scale and zero point. The range always holds 0, so that 0 is exact; every step is in f32. Zeros get a scale of 1.
pub(super) fn parameters(values: &[f32]) -> (f32, u8) {
    let (low, high) = values.iter().fold((0f32, 0f32), |(low, high), &v| (low.min(v), high.max(v)));
    let scale = if high > low { (high - low) / 255.0 } else { 1.0 };
    (scale, (-low / scale).clamp(0.0, 255.0).round_ties_even() as u8)
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let values = ctx.view::<f32>(0)?;
    let (scale, zero) = parameters(values);
    let levels: Vec<i64> =
        values.iter().map(|&v| quantized(v.into(), scale.into(), zero.into(), DataType::U8, false)).collect();
    Ok(vec![Tensor::from_i64(DataType::U8, x.shape(), &levels), Tensor::scalar(scale), Tensor::scalar(zero)])
}

impl Builder {
    /// `x` on 8 bits, with its scale and zero point.
    pub fn dynamic_quantize_linear(&mut self, x: ValueId) -> Result<[ValueId; 3], OpError> {
        let outputs = self.apply_many(&OP, &[Some(x)], Attributes::new(), 3)?;
        Ok([outputs[0], outputs[1], outputs[2]])
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    fn run(x: &[f32]) -> [Tensor; 3] {
        [0, 1, 2].map(|i| check::eval(|b, v| Ok(b.dynamic_quantize_linear(v[0])?[i]), &[Tensor::vector(x)]))
    }

    #[test]
    fn the_example_of_the_standard() {
        let [y, scale, zero] = run(&[0., 2., -3., -2.5, 1.34, 0.5]);
        assert_eq!(y, Tensor::vector(&[153u8, 255, 0, 26, 221, 179]));
        assert_eq!((scale, zero), (Tensor::scalar(5f32 / 255.0), Tensor::scalar(153u8)));
    }

    #[test]
    fn one_sided_ranges_hold_zero() {
        let [y, scale, zero] = run(&[1.0, 2.55]);
        assert_eq!(
            (y, scale, zero),
            (Tensor::vector(&[100u8, 255]), Tensor::scalar(2.55f32 / 255.0), Tensor::scalar(0u8))
        );
        let [y, scale, zero] = run(&[-2.0, -1.0]);
        assert_eq!(y.to_i64()[0], 0);
        assert_eq!((scale, zero), (Tensor::scalar(2f32 / 255.0), Tensor::scalar(255u8)));
        let [y, _, zero] = run(&[0.0, 0.0]);
        assert_eq!((y, zero), (Tensor::vector(&[0u8, 0]), Tensor::scalar(0u8)));
    }
}
