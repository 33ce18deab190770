//! `GroupNormalization`: over groups of channels of every sample (ONNX GroupNormalization-21).

use ocellus_graph::{Attributes, Node, Tensor, ValueId};

use super::conv_gradient::bias_gradient;
use super::elementwise::{require_float, require_same_type};
use super::normalize::{moments, normalized, normalized_gradient, per_channel};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    upgrade: Some(upgrade),
    lower: Some(super::normalization_lower::group),
    ..OpDef::new("GroupNormalization", infer)
};

const EPSILON: f32 = 1e-5;

/// The number of groups, which has to divide the channels where these are known.
fn groups(node: &Node, channels: Option<usize>) -> Result<usize, OpError> {
    let given = node.attributes.int("num_groups");
    let groups = given.and_then(|g| usize::try_from(g).ok()).filter(|&g| g > 0);
    let found = given.map_or("missing".to_owned(), |g| g.to_string());
    let groups = groups.ok_or_else(|| OpError::at(node, format!("num_groups is {found}; at least 1 is expected")))?;
    match channels {
        Some(c) if !c.is_multiple_of(groups) => {
            Err(OpError::at(node, format!("{c} channels do not divide into {groups} groups")))
        }
        _ => Ok(groups),
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    let x = ctx.input(0)?;
    if x.shape.rank() < 2 {
        return Err(ctx.error(format!("input 0 has shape {}; [N, C, ...] is expected", x.shape)));
    }
    groups(ctx.node, x.shape[1].known())?;
    for i in 1..3 {
        require_same_type(ctx, 0, i)?;
        let v = &ctx.input(i)?.shape;
        if v.rank() != 1 || v[0].known().zip(x.shape[1].known()).is_some_and(|(a, b)| a != b) {
            return Err(ctx.error(format!("input {i} has shape {v}; [{}] is expected", x.shape[1])));
        }
    }
    Ok(vec![x.clone()])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, scale, bias) = (ctx.input(0)?, ctx.input(1)?.to_f64(), ctx.input(2)?.to_f64());
    let epsilon = f64::from(ctx.float("epsilon", EPSILON));
    let channels = x.shape().get(1).copied().unwrap_or(0);
    let groups = groups(ctx.node, Some(channels))?;
    if scale.len() != channels || bias.len() != channels {
        return Err(ctx.error(format!("scale and bias have to hold {channels} numbers each")));
    }
    let plane: usize = x.shape().iter().skip(2).product();
    let per_group = channels / groups;
    let mut y = x.to_f64();
    for (i, block) in y.chunks_exact_mut((plane * per_group).max(1)).enumerate() {
        let (mean, variance) = moments(block.iter().copied());
        let inverse = 1.0 / (variance + epsilon).sqrt();
        for (k, row) in block.chunks_exact_mut(plane).enumerate() {
            let c = i % groups * per_group + k;
            row.iter_mut().for_each(|v| *v = (*v - mean) * inverse * scale[c] + bias[c]);
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &y)])
}

/// In the shape `[N, groups, rest]` the statistics are over one axis.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, scale) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let epsilon = ctx.float("epsilon", EPSILON);
    let shape = ctx.builder.shape(x)?;
    let groups = groups(&ctx.node, Some(shape[1]))?;
    let b = &mut *ctx.builder;
    let blocks = [shape[0] as i64, groups as i64, -1];
    let whole: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
    let x = b.reshape(x, &blocks)?;
    let n = normalized(b, x, &[2], epsilon)?;
    let value = b.reshape(n.value, &whole)?;
    let product = b.mul(g, value)?;
    let scale_grad = bias_gradient(b, product)?;
    let bias_grad = bias_gradient(b, g)?;
    let scale = per_channel(b, scale, shape.len())?;
    let scaled = b.mul(g, scale)?;
    let scaled = b.reshape(scaled, &blocks)?;
    let dx = normalized_gradient(b, scaled, &n, &[2])?;
    Ok(vec![Some(b.reshape(dx, &whole)?), Some(scale_grad), Some(bias_grad)])
}

/// Opset 18 to 20: scale and bias are per group; repeated for every channel of a group.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    if ctx.opset >= 21 {
        return Ok(());
    }
    let channels = ctx.input_shape(0).and_then(|s| s.get(1)?.known());
    let channels = channels.ok_or_else(|| ctx.error("the number of channels has to be known to read this opset"))?;
    let groups = groups(&ctx.node, Some(channels))?;
    let name = |ctx: &UpgradeContext, stem: &str| ctx.graph.fresh_name(&format!("{}_{stem}", ctx.node.name));
    for (i, stem) in [(1, "scale"), (2, "bias")] {
        let mut constants = Vec::new();
        let shapes = [vec![groups as i64, 1], vec![groups as i64, (channels / groups) as i64], vec![-1]];
        for shape in shapes {
            let name = name(ctx, "shape");
            constants.push(Some(ctx.graph.add_initializer(&name, Tensor::vector(&shape))));
        }
        let mut value = ctx.node.input(i);
        for (op, shape) in ["Reshape", "Expand", "Reshape"].into_iter().zip(constants) {
            let name = name(ctx, stem);
            let next = ctx.graph.add_value(&name, None, None);
            ctx.before.push(Node::new(op, [value, shape], [Some(next)]));
            value = Some(next);
        }
        ctx.node.inputs[i] = value;
    }
    Ok(())
}

impl Builder {
    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias`, with the statistics of every one of `groups` groups of
    /// channels of `x` `[N, C, ...]`, and one scale and bias per channel.
    pub fn group_normalization(
        &mut self,
        x: ValueId,
        scale: ValueId,
        bias: ValueId,
        groups: i64,
        epsilon: f32,
    ) -> Result<ValueId, OpError> {
        let attributes = Attributes::new().with("num_groups", groups).with("epsilon", epsilon);
        self.apply(&OP, &[x, scale, bias], attributes)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model, Shape};

    use super::*;
    use crate::check;

    fn x() -> Tensor {
        Tensor::of(&[1, 4, 1], vec![-1f32, 1., 2., 6.])
    }

    #[test]
    fn normalizes_groups_of_channels() {
        let inputs = [x(), Tensor::vector(&[1f32, 2., 1.5, 10.]), Tensor::vector(&[0f32, 0., 1., 0.])];
        let y = check::eval(|b, v| b.group_normalization(v[0], v[1], v[2], 2, 0.0), &inputs);
        assert_eq!(y, Tensor::of(&[1, 4, 1], vec![-1f32, 2., -0.5, 10.]));
    }

    #[test]
    fn opset_18_gives_parameters_per_group() {
        let mut g = Graph::new("old");
        let given = [("x", x()), ("scale", Tensor::vector(&[1f32, 1.5])), ("bias", Tensor::vector(&[0f32, 1.]))];
        g.inputs =
            given.iter().map(|(n, t)| g.add_value(n, Some(DataType::F32), Some(Shape::fixed(t.shape())))).collect();
        let y = g.add_value("y", None, None);
        g.outputs = vec![y];
        let attributes = Attributes::new().with("num_groups", 2i64).with("epsilon", 0f32);
        let inputs: Vec<_> = g.inputs.iter().copied().map(Some).collect();
        g.nodes.push(Node::new("GroupNormalization", inputs, [Some(y)]).with_attributes(attributes));
        let mut model = Model::new(g);
        model.opset = 18;
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        let y = &crate::evaluate(&model, &given).unwrap()["y"];
        assert_eq!(*y, Tensor::of(&[1, 4, 1], vec![-1f32, 1., -0.5, 2.5]));
    }

    #[test]
    fn groups_that_do_not_divide_are_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[1, 4, 2]);
        let v = b.input("v", DataType::F32, &[4]);
        assert!(b.group_normalization(x, v, v, 3, 1e-5).unwrap_err().to_string().contains("3 groups"));
        assert!(b.group_normalization(x, v, v, 0, 1e-5).unwrap_err().to_string().contains("num_groups is 0"));
    }

    #[test]
    fn gradient() {
        let normalize = |b: &mut Builder, v: &[ValueId]| b.group_normalization(v[0], v[1], v[2], 2, 1e-3);
        check::gradient(normalize, &[&[2, 4, 2, 3], &[4], &[4]]);
        check::gradient(normalize, &[&[3, 6], &[6], &[6]]);
    }
}
