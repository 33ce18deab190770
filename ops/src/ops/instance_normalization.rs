//! `InstanceNormalization`: over every plane (ONNX InstanceNormalization-6; 22 only adds types).

use ocellus_graph::{Attributes, Tensor, ValueId};

use super::conv_gradient::bias_gradient;
use super::elementwise::{require_float, require_same_type};
use super::normalize::{moments, normalized, normalized_gradient, per_channel};
use super::pool::spatial_axes;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    upgrade: Some(|ctx: &mut UpgradeContext| {
        ctx.node.attributes.remove("consumed_inputs");
        Ok(())
    }),
    lower: Some(super::normalization_lower::instance),
    ..OpDef::new("InstanceNormalization", infer)
};

const EPSILON: f32 = 1e-5;

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    let x = ctx.input(0)?;
    if x.shape.rank() < 3 {
        return Err(ctx.error(format!("input 0 has shape {}; [N, C, spatial...] is expected", x.shape)));
    }
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
    if scale.len() != channels || bias.len() != channels {
        return Err(ctx.error(format!("scale and bias have to hold {channels} numbers each")));
    }
    let plane: usize = x.shape().iter().skip(2).product();
    let mut y = x.to_f64();
    for (i, row) in y.chunks_exact_mut(plane.max(1)).enumerate() {
        let (mean, variance) = moments(row.iter().copied());
        let factor = scale[i % channels] / (variance + epsilon).sqrt();
        row.iter_mut().for_each(|v| *v = (*v - mean) * factor + bias[i % channels]);
    }
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &y)])
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, scale) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let epsilon = ctx.float("epsilon", EPSILON);
    let b = &mut *ctx.builder;
    let rank = b.shape(x)?.len();
    let axes = spatial_axes(rank);
    let n = normalized(b, x, &axes, epsilon)?;
    let product = b.mul(g, n.value)?;
    let scale_grad = bias_gradient(b, product)?;
    let bias_grad = bias_gradient(b, g)?;
    let scale = per_channel(b, scale, rank)?;
    let scaled = b.mul(g, scale)?;
    let dx = normalized_gradient(b, scaled, &n, &axes)?;
    Ok(vec![Some(dx), Some(scale_grad), Some(bias_grad)])
}

impl Builder {
    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias`, with the statistics of every plane of `x` `[N, C, ...]`
    /// and one scale and bias per channel.
    pub fn instance_normalization(
        &mut self,
        x: ValueId,
        scale: ValueId,
        bias: ValueId,
        epsilon: f32,
    ) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x, scale, bias], Attributes::new().with("epsilon", epsilon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn normalizes_planes() {
        let inputs = [
            Tensor::of(&[1, 2, 1, 2], vec![-1f32, 1., 2., 6.]),
            Tensor::vector(&[1f32, 1.5]),
            Tensor::vector(&[0f32, 1.]),
        ];
        let y = check::eval(|b, v| b.instance_normalization(v[0], v[1], v[2], 0.0), &inputs);
        assert_eq!(y, Tensor::of(&[1, 2, 1, 2], vec![-1f32, 1., -0.5, 2.5]));
    }

    #[test]
    fn gradient() {
        let normalize = |b: &mut Builder, v: &[ValueId]| b.instance_normalization(v[0], v[1], v[2], 1e-3);
        check::gradient(normalize, &[&[2, 3, 2, 4], &[3], &[3]]);
        check::gradient(normalize, &[&[2, 2, 5], &[2], &[2]]);
    }
}
