//! `LayerNormalization`: over the last axes of every sample (ONNX LayerNormalization-17).

use ocellus_graph::{Attributes, DataType, Dim, Shape, Tensor, ValueId};

use super::elementwise::require_float;
use super::normalize::{converted, moments, normalized, normalized_gradient};
use crate::shapes::{axis, broadcast, broadcast_offsets};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    lower: Some(super::normalization_lower::layer),
    ..OpDef::new("LayerNormalization", infer)
};

const EPSILON: f32 = 1e-5;

fn first_axis(axis_attribute: i64, rank: usize) -> Result<usize, String> {
    axis(axis_attribute, rank).ok_or_else(|| format!("axis {axis_attribute} is out of range for rank {rank}"))
}

/// The type in which the statistics are given out (`stash_type`).
fn stash_type(code: i64) -> Result<DataType, String> {
    match code {
        1 => Ok(DataType::F32),
        16 => Ok(DataType::BF16),
        _ => Err(format!("stash_type is {code}; 1 (f32) and 16 (bf16) are supported")),
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    let x = ctx.input(0)?.clone();
    let first = first_axis(ctx.int("axis", -1), x.shape.rank()).map_err(|e| ctx.error(e))?;
    let stash = stash_type(ctx.int("stash_type", 1)).map_err(|e| ctx.error(e))?;
    ctx.input(1)?;
    for i in 1..3 {
        let Some(v) = ctx.optional(i) else { continue };
        if v.shape.rank() > x.shape.rank() || broadcast(&v.shape, &x.shape).is_none() {
            return Err(ctx.error(format!("input {i} of shape {} does not broadcast to {}", v.shape, x.shape)));
        }
    }
    let dims = x.shape.iter().enumerate().map(|(i, d)| if i < first { d.clone() } else { Dim::Known(1) });
    let statistic = ValueType::new(stash, dims.collect::<Shape>());
    Ok(vec![x, statistic.clone(), statistic])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, scale) = (ctx.input(0)?, ctx.input(1)?);
    let first = first_axis(ctx.int("axis", -1), x.rank()).map_err(|e| ctx.error(e))?;
    let stash = stash_type(ctx.int("stash_type", 1)).map_err(|e| ctx.error(e))?;
    let epsilon = f64::from(ctx.float("epsilon", EPSILON));
    let row: usize = x.shape()[first..].iter().product();
    let mut y = x.to_f64();
    let (mut means, mut inverses) = (Vec::new(), Vec::new());
    for row in y.chunks_exact_mut(row.max(1)) {
        let (mean, variance) = moments(row.iter().copied());
        let inverse = 1.0 / (variance + epsilon).sqrt();
        row.iter_mut().for_each(|v| *v = (*v - mean) * inverse);
        means.push(mean);
        inverses.push(inverse);
    }
    let places = |t: &Tensor| {
        let fits =
            t.rank() <= x.rank() && crate::shapes::broadcast_sizes(t.shape(), x.shape()).as_deref() == Some(x.shape());
        fits.then(|| broadcast_offsets(t.shape(), x.shape()))
            .ok_or_else(|| ctx.error(format!("shape {:?} does not broadcast to {:?}", t.shape(), x.shape())))
    };
    let factors = scale.to_f64();
    y.iter_mut().zip(places(scale)?).for_each(|(v, at)| *v *= factors[at]);
    if let Some(bias) = ctx.optional(2) {
        let summands = bias.to_f64();
        y.iter_mut().zip(places(bias)?).for_each(|(v, at)| *v += summands[at]);
    }
    let shape: Vec<usize> = x.shape().iter().enumerate().map(|(i, &n)| if i < first { n } else { 1 }).collect();
    let statistic = |values: &[f64]| Tensor::from_f64(stash, &shape, values);
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &y), statistic(&means), statistic(&inverses)])
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (x, scale, bias) = (ctx.input(0)?, ctx.input(1)?, ctx.node.input(2));
    let (epsilon, last) = (ctx.float("epsilon", EPSILON), ctx.int("axis", -1));
    let from = |i: usize| ctx.output_grads.get(i).copied().flatten();
    let (g, mean_grad, inverse_grad) = (from(0), from(1), from(2));
    let needs: Vec<bool> = (0..3).map(|i| ctx.needs(i)).collect();
    let shape = ctx.builder.shape(x)?;
    let first = first_axis(last, shape.len()).map_err(|e| ctx.error(e))?;
    let b = &mut *ctx.builder;
    let axes: Vec<i64> = (first..shape.len()).map(|i| i as i64).collect();
    let n = normalized(b, x, &axes, epsilon)?;
    let mut grads = vec![None; ctx.node.inputs.len()];
    let mut parts = Vec::new();
    if let Some(g) = g {
        if needs[1] {
            let product = b.mul(g, n.value)?;
            grads[1] = Some(b.sum_to_shape_of(product, scale)?);
        }
        if let (Some(bias), true) = (bias, needs[2]) {
            grads[2] = Some(b.sum_to_shape_of(g, bias)?);
        }
        let scaled = b.mul(g, scale)?;
        parts.push(normalized_gradient(b, scaled, &n, &axes)?);
    }
    let dtype = b.dtype(x)?;
    let count = shape[first..].iter().product::<usize>() as f64;
    if let Some(g) = mean_grad {
        let g = converted(b, g, dtype)?;
        let share = b.scalar_like(g, 1.0 / count)?;
        let shared = b.mul(g, share)?;
        parts.push(b.expand(shared, &shape.iter().map(|&n| n as i64).collect::<Vec<_>>())?);
    }
    if let Some(g) = inverse_grad {
        // d(inverse)/dx = -inverse^3 * (x - mean) / count, and `value` is (x - mean) * inverse.
        let g = converted(b, g, dtype)?;
        let share = b.scalar_like(g, -1.0 / count)?;
        let square = b.mul(n.inverse, n.inverse)?;
        let slope = b.mul(square, share)?;
        let slope = b.mul(slope, g)?;
        parts.push(b.mul(slope, n.value)?);
    }
    let mut sum = None;
    for part in parts {
        sum = Some(match sum {
            Some(sum) => b.add(sum, part)?,
            None => part,
        });
    }
    grads[0] = sum;
    Ok(grads)
}

impl Builder {
    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias`, with the statistics over the axes from `axis` on.
    pub fn layer_normalization(
        &mut self,
        x: ValueId,
        scale: ValueId,
        bias: Option<ValueId>,
        axis: i64,
        epsilon: f32,
    ) -> Result<ValueId, OpError> {
        let mut inputs = vec![Some(x), Some(scale)];
        inputs.extend(bias.map(Some));
        let attributes = Attributes::new().with("axis", axis).with("epsilon", epsilon);
        Ok(self.apply_many(&OP, &inputs, attributes, 1)?[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn normalizes_rows_and_gives_out_their_statistics() {
        let inputs =
            [Tensor::of(&[2, 2], vec![1f32, 3., -2., 6.]), Tensor::vector(&[1f32, 10.]), Tensor::scalar(0.5f32)];
        let output = |k: usize| {
            let attributes = Attributes::new().with("epsilon", 0f32);
            check::eval(
                |b, v| {
                    let inputs: Vec<_> = v.iter().copied().map(Some).collect();
                    b.apply_many(&OP, &inputs, attributes.clone(), 3).map(|o| o[k])
                },
                &inputs,
            )
        };
        assert_eq!(output(0), Tensor::of(&[2, 2], vec![-0.5f32, 10.5, -0.5, 10.5]));
        assert_eq!(output(1), Tensor::of(&[2, 1], vec![2f32, 2.]));
        assert_eq!(output(2), Tensor::of(&[2, 1], vec![1f32, 0.25]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.layer_normalization(v[0], v[1], Some(v[2]), -1, 1e-3), &[&[2, 3, 4], &[4], &[4]]);
        check::gradient(|b, v| b.layer_normalization(v[0], v[1], None, 1, 1e-3), &[&[2, 3, 4], &[3, 4]]);
    }

    /// The statistics come in f32 at best, which central differences in f64 cannot resolve: the rule is held against
    /// that of the same statistic composed of plain operators.
    #[test]
    fn gradient_through_the_statistics() {
        for k in 1..3 {
            let mut b = Builder::new("statistics");
            let x = b.input("x0", DataType::F32, &[2, 4]);
            let scale = b.constant("scale", Tensor::vector(&[1f32; 4]));
            let outputs = b.apply_many(&OP, &[Some(x), Some(scale)], Attributes::new(), 3).unwrap();
            let n = normalized(&mut b, x, &[1], EPSILON).unwrap();
            let composed = [n.mean, n.inverse][k - 1];
            let g = b.constant("g", Tensor::of(&[2, 1], vec![1.5f32, -0.5]));
            let fused = check::backward(&mut b, outputs[k], g, &[x]).unwrap()[0].unwrap();
            let plain = check::backward(&mut b, composed, g, &[x]).unwrap()[0].unwrap();
            let x = Tensor::of(&[2, 4], vec![0.5f32, -1.0, 2.0, 0.25, 1.0, 3.0, -2.0, 0.0]);
            let values = crate::evaluate_values(b.graph(), &[("x0", x)]).unwrap();
            let pairs = values[&fused].to_f64().into_iter().zip(values[&plain].to_f64());
            assert!(pairs.clone().any(|(a, _)| a != 0.0));
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", pairs.collect::<Vec<_>>());
        }
    }
}
