//! `QuantizeLinear`: floats to integers, `saturate(round(x / scale) + zero_point)` (ONNX QuantizeLinear-21).

use ocellus_graph::{Attributes, DataType, Tensor, ValueId};

use super::quantization::{Granularity, check_parameters, output_type, parameters, upgrade_precision};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, Role, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    upgrade: Some(upgrade_precision),
    role: Role::Quantize,
    ..OpDef::new("QuantizeLinear", infer)
};

/// The integer types of 8 and 16 bits.
fn check_target(dtype: DataType) -> Result<DataType, String> {
    match dtype {
        DataType::I8 | DataType::U8 | DataType::I16 | DataType::U16 => Ok(dtype),
        _ => Err(format!("cannot quantize to {dtype}; i8, u8, i16 and u16 are supported")),
    }
}

/// The type of the output: that of the zero point, or what the attribute says, or u8.
fn target(zero: Option<DataType>, attributes: &Attributes) -> Result<DataType, String> {
    let named = output_type(attributes)?;
    if let Some((zero, named)) = zero.zip(named).filter(|(zero, named)| zero != named) {
        return Err(format!("the zero point has type {zero}, output_dtype says {named}"));
    }
    check_target(zero.or(named).unwrap_or(DataType::U8))
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let zero = check_parameters(ctx)?;
    let (x, scale) = (ctx.input(0)?, ctx.input(1)?);
    if x.dtype != DataType::I32 && x.dtype != scale.dtype {
        return Err(ctx.error(format!("its input has type {}, the scale {}; they have to agree", x.dtype, scale.dtype)));
    }
    let dtype = target(zero, &ctx.node.attributes).map_err(|e| ctx.error(e))?;
    Ok(vec![ValueType::new(dtype, x.shape.clone())])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, scale, zero) = (ctx.input(0)?, ctx.input(1)?, ctx.optional(2));
    let dtype = target(zero.map(Tensor::dtype), &ctx.node.attributes).map_err(|e| ctx.error(e))?;
    let granularity =
        Granularity::new(&x.shape().to_vec().into(), &scale.shape().to_vec().into(), &ctx.node.attributes);
    let granularity = granularity.map_err(|e| ctx.error(e))?;
    let (scales, zeros) = parameters(scale, zero).map_err(|e| ctx.error(e))?;
    let in_f64 = scale.dtype() == DataType::F64;
    let places = granularity.places(x.shape(), scale.shape()).into_iter();
    let values: Vec<i64> =
        x.to_f64().into_iter().zip(places).map(|(x, k)| quantized(x, scales[k], zeros[k], dtype, in_f64)).collect();
    Ok(vec![Tensor::from_i64(dtype, x.shape(), &values)])
}

/// One element. The division is in f32 (as in ONNX Runtime) unless the scale is f64; halves round to even.
pub(super) fn quantized(x: f64, scale: f64, zero: i64, dtype: DataType, in_f64: bool) -> i64 {
    let (low, high) = dtype.integer_range().unwrap_or((0, 0));
    let quotient = if in_f64 { x / scale } else { f64::from(x as f32 / scale as f32) };
    (quotient.round_ties_even() as i64).saturating_add(zero).clamp(low as i64, high as i64)
}

/// Straight through: `g` where `x` is not clipped, 0 elsewhere. The gradient of an integer value is that of the real
/// value which it stands for, so `g` is a float.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, scale) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let (shape, dtype) = (ctx.builder.shape(x)?, ctx.builder.dtype(x)?);
    let count = ctx.node.inputs.len();
    if !dtype.is_float() {
        return Ok(vec![None; count]);
    }
    let steps = ctx.builder.shape(scale)?;
    let granularity = Granularity::new(&shape.clone().into(), &steps.into(), &ctx.node.attributes);
    let granularity = granularity.map_err(|e| ctx.error(e))?;
    let (low, high) = ctx.builder.dtype(ctx.output(0)?)?.integer_range().unwrap_or((0, 0));
    let zero = ctx.node.input(2);
    let b = &mut *ctx.builder;
    let mut bound = |level: f64| {
        let mut bound = b.scalar_like(x, level)?;
        if let Some(zero) = zero {
            let zero = granularity.spread(b, zero, &shape)?;
            let zero = b.cast(zero, dtype)?;
            bound = b.sub(bound, zero)?;
        }
        let scale = granularity.spread(b, scale, &shape)?;
        b.mul(bound, scale)
    };
    let (low, high) = (bound(low as f64 - 0.5)?, bound(high as f64 + 0.5)?);
    let (above, below) = (b.greater_or_equal(x, low)?, b.less_or_equal(x, high)?);
    let inside = b.and(above, below)?;
    let inside = b.cast(inside, dtype)?;
    let mut grads = vec![None; count];
    grads[0] = Some(b.mul(g, inside)?);
    Ok(grads)
}

impl Builder {
    /// `saturate(round(x / scale) + zero_point)` in the type of `zero_point`; with `axis` one scale per index of it.
    pub fn quantize_linear(
        &mut self,
        x: ValueId,
        scale: ValueId,
        zero_point: ValueId,
        axis: Option<i64>,
    ) -> Result<ValueId, OpError> {
        let attributes = axis.map_or_else(Attributes::new, |a| Attributes::new().with("axis", a));
        self.apply(&OP, &[x, scale, zero_point], attributes)
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    fn quantize(x: Tensor, scale: Tensor, zero: Tensor, axis: Option<i64>) -> Tensor {
        check::eval(|b, v| b.quantize_linear(v[0], v[1], v[2], axis), &[x, scale, zero])
    }

    #[test]
    fn rounds_half_to_even_and_saturates() {
        let x = Tensor::vector(&[0f32, 1., 3., -1., 5., 1000., -1000., f32::INFINITY]);
        let y = quantize(x.clone(), Tensor::scalar(2f32), Tensor::scalar(128u8), None);
        assert_eq!(y, Tensor::vector(&[128u8, 128, 130, 128, 130, 255, 0, 255]));
        let y = quantize(x.clone(), Tensor::scalar(2f32), Tensor::scalar(-1i8), None);
        assert_eq!(y, Tensor::vector(&[-1i8, -1, 1, -1, 1, 127, -128, 127]));
        let y = quantize(x, Tensor::scalar(0.01f32), Tensor::scalar(0i16), None);
        assert_eq!(y.to_i64()[4..7], [500, 32767, -32768]);
    }

    #[test]
    fn divides_in_single_precision() {
        // 0.05 / 0.02 is 2.5 in f32, but 2.50000009 in f64, which would round up.
        let (x, scale) = (0.05f32, 0.02f32);
        assert_eq!(x / scale, 2.5);
        assert!(f64::from(x) / f64::from(scale) > 2.5);
        assert_eq!(quantize(Tensor::scalar(x), Tensor::scalar(scale), Tensor::scalar(0i8), None), Tensor::scalar(2i8));
    }

    #[test]
    fn per_axis_and_per_block() {
        let x = Tensor::of(&[2, 2], vec![10f32, 10., -10., 10.]);
        let (scale, zero) = (Tensor::vector(&[1f32, 5.]), Tensor::vector(&[1u16, 0]));
        let y = quantize(x.clone(), scale.clone(), zero.clone(), Some(1));
        assert_eq!(y, Tensor::of(&[2, 2], vec![11u16, 2, 0, 2]));
        let y = quantize(x, scale, zero, Some(-2));
        assert_eq!(y, Tensor::of(&[2, 2], vec![11u16, 11, 0, 2]));
        let blocked = Attributes::new().with("axis", 1i64).with("block_size", 2i64);
        let x = Tensor::of(&[1, 3], vec![4f32, 6., 8.]);
        let y = check::eval(
            |b, v| b.apply(&OP, v, blocked.clone()),
            &[x, Tensor::of(&[1, 2], vec![2f32, 4.]), Tensor::of(&[1, 2], vec![0i8, 1])],
        );
        assert_eq!(y, Tensor::of(&[1, 3], vec![2i8, 3, 3]));
    }

    #[test]
    fn the_type_comes_from_the_attribute_without_a_zero_point() {
        let run = |attributes: Attributes| {
            let inputs = [Tensor::scalar(-3f32), Tensor::scalar(1f32)];
            check::eval(|b, v| b.apply(&OP, v, attributes.clone()), &inputs)
        };
        assert_eq!(run(Attributes::new()), Tensor::scalar(0u8));
        assert_eq!(run(Attributes::new().with("output_dtype", 3i64)), Tensor::scalar(-3i8));
    }

    #[test]
    fn misfits_are_refused() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[2, 3]);
        let mut constant = |t: Tensor| b.constant("c", t);
        let (two, one, double) = (Tensor::vector(&[1f32, 1.]), Tensor::scalar(1f32), Tensor::scalar(1f64));
        let [two, one, double, zero, zeros, wide] =
            [two, one, double, Tensor::scalar(0i8), Tensor::vector(&[0i8; 2]), Tensor::scalar(0i32)].map(&mut constant);
        assert!(b.quantize_linear(x, two, zeros, Some(1)).unwrap_err().to_string().contains("per index of axis 1"));
        assert!(b.quantize_linear(x, one, zeros, None).is_err());
        assert!(b.quantize_linear(x, double, zero, None).is_err());
        assert!(b.quantize_linear(x, one, wide, None).unwrap_err().to_string().contains("i32"));
    }

    #[test]
    fn gradient_is_straight_through_inside_the_range() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F64, &[2, 3]);
        let scale = b.constant("s", Tensor::vector(&[0.5f64, 2.0]));
        let zero = b.constant("z", Tensor::vector(&[0i8, -100]));
        let q = b.quantize_linear(x, scale, zero, Some(0)).unwrap();
        let y = b.dequantize_linear(q, scale, Some(zero), Some(0)).unwrap();
        let g = b.constant("g", Tensor::of(&[2, 3], vec![1f64, 2., 3., 4., 5., 6.]));
        let dx = check::backward(&mut b, y, g, &[x]).unwrap()[0].unwrap();
        // Row 0 covers -64.25 to 63.75, row 1 covers (-28.5) * 2 = -57 to 227.5 * 2 = 455.
        let given = [("x", Tensor::of(&[2, 3], vec![0f64, 64., -64.2, -58., 454., 456.]))];
        let values = crate::evaluate_values(b.graph(), &given).unwrap();
        assert_eq!(values[&dx], Tensor::of(&[2, 3], vec![1f64, 0., 3., 0., 5., 0.]));
    }

    #[test]
    fn gradient_per_block() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[3]);
        let scale = b.constant("s", Tensor::vector(&[1f32, 0.01]));
        let attributes = Attributes::new().with("axis", 0i64).with("block_size", 2i64);
        let y = b.apply(&OP, &[x, scale], attributes).unwrap();
        let g = b.constant("g", Tensor::vector(&[1f32, 2., 3.]));
        let dx = check::backward(&mut b, y, g, &[x]).unwrap()[0].unwrap();
        let values = crate::evaluate_values(b.graph(), &[("x", Tensor::vector(&[200f32, -1., 200.]))]).unwrap();
        assert_eq!(values[&dx], Tensor::vector(&[1f32, 0., 0.]));
    }
}
