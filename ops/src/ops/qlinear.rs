//! Operators from 8 bits to 8 bits as what they mean: DequantizeLinear, the operator on floats, QuantizeLinear. Every engine then
//! sees one way to write an integer model.

use ocellus_graph::{Attributes, DataType, Node, Tensor, ValueId};

use crate::{InferContext, OpDef, OpError, UpgradeContext, ValueType};

/// The domain of ONNX Runtime's own operators.
pub(super) const MICROSOFT: &str = "com.microsoft";

/// The places of a quantized operand: the integers, their scale, their zero point (which may be absent).
pub(super) type Operand = [usize; 3];

/// The record of an operator that is rewritten.
pub(super) const fn rewritten(
    name: &'static str,
    domain: &'static str,
    upgrade: fn(&mut UpgradeContext) -> Result<(), OpError>,
) -> OpDef {
    OpDef { domain, upgrade: Some(upgrade), ..OpDef::new(name, not_upgraded) }
}

fn not_upgraded(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    Err(ctx.error("is not part of opset 21; upgrade the model, which makes it an operator between DequantizeLinear and QuantizeLinear"))
}

/// An operator whose input and output are quantized: x, x_scale, x_zero_point, y_scale, y_zero_point.
pub(super) fn unary(ctx: &mut UpgradeContext, op: &str) -> Result<(), OpError> {
    around(ctx, op, &[[0, 1, 2]], [3, 4])
}

/// An operator of two such inputs: a, a_scale, a_zero_point, the same of b, y_scale, y_zero_point.
pub(super) fn binary(ctx: &mut UpgradeContext, op: &str) -> Result<(), OpError> {
    around(ctx, op, &[[0, 1, 2], [3, 4, 5]], [6, 7])
}

/// The operator `op` of ONNX's own domain on these operands; scale and zero point of its output stand at places `y`.
pub(super) fn around(ctx: &mut UpgradeContext, op: &str, operands: &[Operand], y: [usize; 2]) -> Result<(), OpError> {
    refuse_channels_last(ctx)?;
    let inputs: Vec<ValueId> = operands.iter().map(|&x| dequantized(ctx, x, 1)).collect::<Result<_, _>>()?;
    becomes(ctx, op, inputs.into_iter().map(Some).collect(), Some(y))
}

/// Refuses images whose channels lie last, which ONNX's operators do not know.
fn refuse_channels_last(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    match ctx.node.attributes.remove("channels_last").is_some_and(|v| v != ocellus_graph::Attribute::Int(0)) {
        true => Err(ctx.error("has its channels last; export the model with channels first")),
        false => Ok(()),
    }
}

/// The floats of an operand, whose scale has one number, or one for every index of `axis`.
pub(super) fn dequantized(ctx: &mut UpgradeContext, [x, scale, zero]: Operand, axis: i64) -> Result<ValueId, OpError> {
    let x = required(ctx, x)?;
    let (scale, zero) = (single(ctx, scale)?, as_many(ctx, zero, scale));
    Ok(dequantize(ctx, x, scale, zero, axis))
}

/// `(x - zero) * scale`, before the node.
fn dequantize(ctx: &mut UpgradeContext, x: ValueId, scale: ValueId, zero: Option<ValueId>, axis: i64) -> ValueId {
    let y = between(ctx, "dequantized");
    let node = Node::new("DequantizeLinear", [Some(x), Some(scale), zero], [Some(y)]);
    ctx.before.push(node.with_attributes(Attributes::new().with("axis", axis)));
    y
}

/// Integers of 32 bits whose scale is the product of those at places `scales` and `factor`, as floats.
pub(super) fn bias(
    ctx: &mut UpgradeContext,
    index: usize,
    scales: [usize; 2],
    factor: f32,
) -> Result<Option<ValueId>, OpError> {
    let Some(bias) = ctx.node.input(index) else { return Ok(None) };
    let constants = scales.map(|i| ctx.constant(i).map(Tensor::to_f32));
    let scale = if let [Some(a), Some(b)] = &constants {
        let many = a.len().max(b.len());
        let at = |all: &[f32], k: usize| all.get(k % all.len().max(1)).copied().unwrap_or(1.0);
        let all: Vec<f32> = (0..many).map(|k| at(a, k) * at(b, k) * factor).collect();
        let name = ctx.graph.fresh_name(&format!("{}_bias_scale", ctx.node.name));
        ctx.graph.add_initializer(&name, if many == 1 { Tensor::scalar(all[0]) } else { Tensor::vector(&all) })
    } else if factor == 1.0 {
        let (a, b, y) = (single(ctx, scales[0])?, single(ctx, scales[1])?, between(ctx, "bias_scale"));
        ctx.before.push(Node::new("Mul", [Some(a), Some(b)], [Some(y)]));
        y
    } else {
        return Err(ctx.error("has a factor and scales that are no constants"));
    };
    Ok(Some(dequantize(ctx, bias, scale, None, 0)))
}

/// Makes the node operator `op` of ONNX's own domain on these inputs. Where `y` says where scale and zero point stand, its output
/// is quantized.
pub(super) fn becomes(
    ctx: &mut UpgradeContext,
    op: &str,
    inputs: Vec<Option<ValueId>>,
    y: Option<[usize; 2]>,
) -> Result<(), OpError> {
    if let Some([scale, zero]) = y {
        quantize_output(ctx, scale, zero, 1)?;
    }
    (ctx.node.op, ctx.node.domain, ctx.node.inputs) = (op.to_owned(), String::new(), inputs);
    Ok(())
}

/// Quantizes output 0 behind the node, with a scale of one number or one for every index of `axis`.
pub(super) fn quantize_output(ctx: &mut UpgradeContext, scale: usize, zero: usize, axis: i64) -> Result<(), OpError> {
    let (scale, zero, y) = (single(ctx, scale)?, as_many(ctx, zero, scale), ctx.node.output(0));
    let middle = between(ctx, "output");
    let node = Node::new("QuantizeLinear", [Some(middle), Some(scale), zero], [y]);
    ctx.after.push(node.with_attributes(Attributes::new().with("axis", axis)));
    ctx.node.outputs = vec![Some(middle)];
    Ok(())
}

/// A scale in f32: other floats are converted, so that products with it are rounded once.
fn single(ctx: &mut UpgradeContext, index: usize) -> Result<ValueId, OpError> {
    let scale = required(ctx, index)?;
    if ctx.graph.value(scale).dtype.is_none_or(|dtype| dtype == DataType::F32) {
        return Ok(scale);
    }
    let y = between(ctx, "scale");
    let to = Attributes::new().with("to", i64::from(DataType::F32.onnx_code()));
    ctx.before.push(Node::new("Cast", [Some(scale)], [Some(y)]).with_attributes(to));
    Ok(y)
}

/// The zero point at place `zero`; where it is one constant for several scales, as often as these.
fn as_many(ctx: &mut UpgradeContext, zero: usize, scale: usize) -> Option<ValueId> {
    let id = ctx.node.input(zero)?;
    let count = ctx.constant(scale).map_or(1, Tensor::len);
    let Some(one) = ctx.constant(zero).filter(|zero| zero.len() == 1 && count > 1) else { return Some(id) };
    let all = Tensor::from_i64(one.dtype(), &[count], &vec![one.to_i64()[0]; count]);
    let name = ctx.graph.fresh_name(&format!("{}_zero_points", ctx.node.name));
    Some(ctx.graph.add_initializer(&name, all))
}

fn required(ctx: &UpgradeContext, index: usize) -> Result<ValueId, OpError> {
    ctx.node.input(index).ok_or_else(|| ctx.error(format!("has no input {index}")))
}

/// A new value beside the node.
fn between(ctx: &mut UpgradeContext, stem: &str) -> ValueId {
    let name = ctx.graph.fresh_name(&format!("{}_{stem}", ctx.node.name));
    ctx.graph.add_value(&name, None, None)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use ocellus_graph::{Graph, Model};

    use super::*;

    /// The output of one node whose inputs are these (`None` is absent): constants, but for the first.
    pub(in crate::ops) fn run(
        def: &OpDef,
        inputs: &[Option<Tensor>],
        attributes: Attributes,
    ) -> Result<Tensor, OpError> {
        let mut g = Graph::new("quantized");
        let mut ids = Vec::new();
        let mut given = None;
        for (k, tensor) in inputs.iter().enumerate() {
            ids.push(tensor.clone().map(|tensor| {
                let name = format!("i{k}");
                if given.is_some() {
                    return g.add_initializer(&name, tensor);
                }
                let shape = ocellus_graph::Shape::fixed(tensor.shape());
                let id = g.add_value(&name, Some(tensor.dtype()), Some(shape));
                g.inputs.push(id);
                given = Some((name, tensor));
                id
            }));
        }
        let y = g.add_value("y", None, None);
        g.outputs = vec![y];
        let mut node = Node::new(def.name, ids, [Some(y)]).with_attributes(attributes);
        node.domain = def.domain.to_owned();
        g.nodes.push(node);
        let mut model = Model::new(g);
        crate::upgrade(&mut model)?;
        crate::infer(&mut model)?;
        let (name, tensor) = given.expect("an input");
        let mut found: BTreeMap<String, Tensor> = crate::evaluate(&model, &[(&name, tensor)])?;
        Ok(found.remove("y").expect("the output"))
    }

    /// A tensor of bytes without sign, with its scale and zero point.
    pub(in crate::ops) fn bytes(shape: &[usize], all: &[u8], scale: f32, zero: u8) -> [Option<Tensor>; 3] {
        [Some(Tensor::of(shape, all.to_vec())), Some(Tensor::scalar(scale)), Some(Tensor::scalar(zero))]
    }

    /// Scale and zero point of an output.
    pub(in crate::ops) fn output(scale: f32, zero: u8) -> [Option<Tensor>; 2] {
        [Some(Tensor::scalar(scale)), Some(Tensor::scalar(zero))]
    }

    #[test]
    fn absent_zero_points_are_zero_and_other_scales_are_converted() {
        let scale = Tensor::from_f64(DataType::F16, &[], &[0.5]);
        let inputs = [Some(Tensor::vector(&[4u8, 8])), Some(scale), None, Some(Tensor::scalar(0.25f32)), None];
        let def = rewritten("QLinearSigmoid", MICROSOFT, |ctx| unary(ctx, "Relu"));
        assert!(run(&def, &inputs, Attributes::new()).is_ok());
    }

    #[test]
    fn channels_last_are_refused() {
        let [x, s, z] = bytes(&[1, 1, 1, 2], &[1, 3], 1.0, 0);
        let [ys, yz] = output(1.0, 0);
        let last = Attributes::new().with("channels_last", 1i64);
        let error = run(&super::super::qlinear_global_average_pool::OP, &[x, s, z, ys, yz], last).unwrap_err();
        assert!(error.to_string().contains("channels last"), "{error}");
    }
}
