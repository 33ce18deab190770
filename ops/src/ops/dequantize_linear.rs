//! `DequantizeLinear`: integers to floats, `(x - zero_point) * scale` (ONNX DequantizeLinear-21).

use ocellus_graph::{Attributes, DataType, Node, Tensor, ValueId};

use super::quantization::{Granularity, check_parameters, output_type, parameters};
use crate::{Builder, EvalContext, InferContext, OpDef, OpError, Role, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    // The gradient of an integer value is that of the real value which it stands for.
    grad: Some(|ctx| Ok((0..ctx.node.inputs.len()).map(|i| ctx.output_grads[0].filter(|_| i == 0)).collect())),
    upgrade: Some(upgrade),
    role: Role::Dequantize,
    ..OpDef::new("DequantizeLinear", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let zero = check_parameters(ctx)?;
    let (x, scale) = (ctx.input(0)?, ctx.input(1)?);
    if !matches!(x.dtype, DataType::I8 | DataType::U8 | DataType::I16 | DataType::U16 | DataType::I32) {
        return Err(ctx.error(format!("cannot dequantize {}; i8, u8, i16, u16 and i32 are supported", x.dtype)));
    }
    if let Some(zero) = zero.filter(|&z| z != x.dtype) {
        return Err(ctx.error(format!("its input has type {}, the zero point {zero}; they have to agree", x.dtype)));
    }
    Ok(vec![ValueType::new(scale.dtype, x.shape.clone())])
}

/// The product is in f32 (as in ONNX Runtime) unless the scale is f64.
fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, scale) = (ctx.input(0)?, ctx.input(1)?);
    let granularity =
        Granularity::new(&x.shape().to_vec().into(), &scale.shape().to_vec().into(), &ctx.node.attributes);
    let granularity = granularity.map_err(|e| ctx.error(e))?;
    let (scales, zeros) = parameters(scale, ctx.optional(2)).map_err(|e| ctx.error(e))?;
    let in_f64 = scale.dtype() == DataType::F64;
    let product = |x: i64, scale: f64| if in_f64 { x as f64 * scale } else { f64::from(x as f32 * scale as f32) };
    let places = granularity.places(x.shape(), scale.shape()).into_iter();
    let values: Vec<f64> = x.to_i64().into_iter().zip(places).map(|(x, k)| product(x - zeros[k], scales[k])).collect();
    Ok(vec![Tensor::from_f64(scale.dtype(), x.shape(), &values)])
}

/// Opset 23 lets the type of the output differ from that of the scale.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let named = output_type(&ctx.node.attributes).map_err(|e| ctx.error(e))?;
    ctx.node.attributes.remove("output_dtype");
    let Some(dtype) = named else { return Ok(()) };
    let scale = ctx.node.input(1).and_then(|v| ctx.graph.value(v).dtype);
    if scale == Some(dtype) {
        return Ok(());
    }
    let name = ctx.graph.fresh_name(&format!("{}_dequantized", ctx.node.name));
    let middle = ctx.graph.add_value(&name, scale, None);
    let to = Attributes::new().with("to", i64::from(dtype.onnx_code()));
    ctx.after.push(Node::new("Cast", [Some(middle)], [ctx.node.output(0)]).with_attributes(to));
    ctx.node.outputs = vec![Some(middle)];
    Ok(())
}

impl Builder {
    /// `(x - zero_point) * scale` in the type of `scale`; with `axis` one scale per index of it.
    pub fn dequantize_linear(
        &mut self,
        x: ValueId,
        scale: ValueId,
        zero_point: Option<ValueId>,
        axis: Option<i64>,
    ) -> Result<ValueId, OpError> {
        let inputs: Vec<ValueId> = [x, scale].into_iter().chain(zero_point).collect();
        let attributes = axis.map_or_else(Attributes::new, |a| Attributes::new().with("axis", a));
        self.apply(&OP, &inputs, attributes)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Graph, Model, Shape};

    use crate::check;

    use super::*;

    #[test]
    fn every_granularity() {
        let x = Tensor::of(&[2, 3], vec![0u8, 3, 128, 255, 10, 1]);
        let y = check::eval(
            |b, v| b.dequantize_linear(v[0], v[1], Some(v[2]), None),
            &[x.clone(), Tensor::scalar(2f32), Tensor::scalar(128u8)],
        );
        assert_eq!(y, Tensor::of(&[2, 3], vec![-256f32, -250., 0., 254., -236., -254.]));
        let y = check::eval(
            |b, v| b.dequantize_linear(v[0], v[1], Some(v[2]), Some(0)),
            &[x.clone(), Tensor::vector(&[2f32, 0.5]), Tensor::vector(&[0u8, 1])],
        );
        assert_eq!(y, Tensor::of(&[2, 3], vec![0f32, 6., 256., 127., 4.5, 0.]));
        let blocked = Attributes::new().with("axis", 1i64).with("block_size", 2i64);
        let scale = Tensor::of(&[2, 2], vec![1f32, 2., 3., 4.]);
        let y = check::eval(|b, v| b.apply(&OP, v, blocked.clone()), &[x, scale]);
        assert_eq!(y, Tensor::of(&[2, 3], vec![0f32, 3., 256., 765., 30., 4.]));
    }

    #[test]
    fn wide_integers_and_halves() {
        let y = check::eval(
            |b, v| b.dequantize_linear(v[0], v[1], None, None),
            &[Tensor::vector(&[i32::MIN, 7]), Tensor::scalar(0.5f32)],
        );
        assert_eq!(y, Tensor::vector(&[-1073741824f32, 3.5]));
        let half = Tensor::full(DataType::F16, &[], 0.25);
        let y = check::eval(|b, v| b.dequantize_linear(v[0], v[1], None, None), &[Tensor::vector(&[-3i8]), half]);
        assert_eq!(y, Tensor::full(DataType::F16, &[1], -0.75));
    }

    #[test]
    fn inference_keeps_integer_weights() {
        let mut b = Builder::new("t");
        let w = b.constant("w", Tensor::vector(&[1i8, 2]));
        let scale = b.constant("s", Tensor::scalar(0.5f32));
        let y = b.dequantize_linear(w, scale, None, None).unwrap();
        let y = b.relu(y).unwrap();
        b.output(y, "y");
        let mut model = b.finish();
        crate::infer(&mut model).unwrap();
        assert_eq!(model.graph.nodes.len(), 2);
    }

    #[test]
    fn another_output_type_becomes_a_cast() {
        let mut g = Graph::new("new");
        let x = g.add_value("x", Some(DataType::I8), Some(Shape::fixed(&[1])));
        let scale = g.add_initializer("s", Tensor::scalar(0.5f32));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        let half = Attributes::new().with("output_dtype", 10i64);
        g.nodes.push(Node::new("DequantizeLinear", [Some(x), Some(scale)], [Some(y)]).with_attributes(half));
        let mut model = Model { opset: 24, ..Model::new(g) };
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        let y = crate::evaluate(&model, &[("x", Tensor::vector(&[3i8]))]).unwrap().remove("y").unwrap();
        assert_eq!(y, Tensor::full(DataType::F16, &[1], 1.5));
    }

    #[test]
    fn types_have_to_agree() {
        let mut b = Builder::new("t");
        let (x, f) = (b.input("x", DataType::I8, &[2]), b.input("f", DataType::F32, &[2]));
        let (scale, zero) = (b.constant("s", Tensor::scalar(1f32)), b.constant("z", Tensor::scalar(0u8)));
        assert!(b.dequantize_linear(x, scale, Some(zero), None).unwrap_err().to_string().contains("agree"));
        assert!(b.dequantize_linear(f, scale, None, None).is_err());
        assert!(b.dequantize_linear(x, zero, None, None).is_err());
    }
}
