//! `BatchNormalization`: per channel, by given statistics or by those of the batch (ONNX BatchNormalization-15).

use ocellus_graph::{Dim, Shape, Tensor, ValueId};

use super::batch_normalization_upgrade::upgrade;
use super::conv_gradient::bias_gradient;
use super::elementwise::require_float;
use super::normalize::{
    Normalized, converted, inverse_deviation, moments, normalized, normalized_gradient, per_channel,
};
use crate::{Affine, Builder, EvalContext, Fold, FoldContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    upgrade: Some(upgrade),
    fold: Fold::Affine(affine),
    lower: Some(super::normalization_lower::batch_normalization),
    ..OpDef::new("BatchNormalization", infer)
};

const EPSILON: f32 = 1e-5;
const MOMENTUM: f32 = 0.9;

/// The number of channels: axis 1, or one channel where there is only a batch.
fn channels(x: &Shape) -> Dim {
    x.get(1).cloned().unwrap_or(Dim::Known(1))
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    let x = ctx.input(0)?;
    let c = channels(&x.shape);
    for i in 1..5 {
        require_float(ctx, i)?;
        let v = &ctx.input(i)?.shape;
        if v.rank() != 1 || v[0].known().zip(c.known()).is_some_and(|(a, b)| a != b) {
            return Err(ctx.error(format!("input {i} has shape {v}; one number for each of {c} channels is expected")));
        }
    }
    let mut types = vec![x.clone()];
    if ctx.int("training_mode", 0) != 0 {
        let running = ValueType::new(ctx.input(3)?.dtype, Shape(vec![c]));
        types.extend([running.clone(), running]);
    }
    Ok(types)
}

/// `scale / sqrt(variance + epsilon)` and `bias - mean * that`, of one channel.
fn line(scale: f64, bias: f64, mean: f64, variance: f64, epsilon: f32) -> (f64, f64) {
    let factor = scale / (variance + f64::from(epsilon)).sqrt();
    (factor, bias - mean * factor)
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let channels = x.shape().get(1).copied().unwrap_or(1);
    let plane: usize = x.shape().iter().skip(2).product();
    let given = |i| -> Result<Vec<f64>, OpError> {
        let values = ctx.input(i)?.to_f64();
        if values.len() == channels {
            return Ok(values);
        }
        Err(ctx.error(format!("input {i} has {} elements; {channels} are expected", values.len())))
    };
    let (scale, bias, mut mean, mut variance) = (given(1)?, given(2)?, given(3)?, given(4)?);
    let (epsilon, training) = (ctx.float("epsilon", EPSILON), ctx.int("training_mode", 0) != 0);
    let mut values = x.to_f64();
    let mut outputs = Vec::new();
    if training {
        let batch: Vec<(f64, f64)> = (0..channels)
            .map(|c| moments(values.chunks_exact(plane.max(1)).skip(c).step_by(channels).flatten().copied()))
            .collect();
        let momentum = f64::from(ctx.float("momentum", MOMENTUM));
        let dtype = ctx.input(3)?.dtype();
        let running = |old: &[f64], new: fn(&(f64, f64)) -> f64| {
            let mix = old.iter().zip(&batch).map(|(&o, n)| o * momentum + new(n) * (1.0 - momentum));
            Tensor::from_f64(dtype, &[channels], &mix.collect::<Vec<_>>())
        };
        outputs = vec![running(&mean, |m| m.0), running(&variance, |m| m.1)];
        (mean, variance) = batch.into_iter().unzip();
    }
    for (i, row) in values.chunks_exact_mut(plane.max(1)).enumerate() {
        let c = i % channels;
        let (factor, shift) = line(scale[c], bias[c], mean[c], variance[c], epsilon);
        row.iter_mut().for_each(|v| *v = *v * factor + shift);
    }
    outputs.insert(0, Tensor::from_f64(x.dtype(), x.shape(), &values));
    Ok(outputs)
}

fn affine(ctx: &FoldContext) -> Option<Affine> {
    if ctx.int("training_mode", 0) != 0 {
        return None;
    }
    let values = |i| ctx.constant(i).map(Tensor::to_f64);
    let (scale, bias, mean, variance) = (values(1)?, values(2)?, values(3)?, values(4)?);
    let epsilon = ctx.float("epsilon", EPSILON);
    let rows = scale.iter().zip(&bias).zip(mean.iter().zip(&variance));
    let (scale, shift): (Vec<f64>, Vec<f64>) = rows.map(|((&s, &b), (&m, &v))| line(s, b, m, v, epsilon)).unzip();
    scale.iter().chain(&shift).all(|v| v.is_finite()).then_some(Affine { scale, shift })
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    if ctx.int("training_mode", 0) != 0 { training_grad(ctx) } else { frozen_grad(ctx) }
}

/// By given statistics the operator is a line in every input but the variance.
fn frozen_grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    let epsilon = ctx.float("epsilon", EPSILON);
    let v: Vec<ValueId> = (1..5).map(|i| ctx.input(i)).collect::<Result<_, _>>()?;
    let needs: Vec<bool> = (0..5).map(|i| ctx.needs(i)).collect();
    let b = &mut *ctx.builder;
    let (rank, dtype) = (b.shape(x)?.len(), b.dtype(x)?);
    let scale = converted(b, v[0], dtype)?;
    let variance = converted(b, v[3], dtype)?;
    let inverse = inverse_deviation(b, variance, epsilon)?;
    let factor = b.mul(scale, inverse)?;
    let mut grads = vec![None; 5];
    if needs[0] {
        let factor = per_channel(b, factor, rank)?;
        grads[0] = Some(b.mul(g, factor)?);
    }
    let sum = bias_gradient(b, g)?;
    if needs[2] {
        grads[2] = Some(sum);
    }
    if needs[3] {
        let slope = b.mul(sum, factor)?;
        grads[3] = Some(b.neg(slope)?);
    }
    if needs[1] || needs[4] {
        let mean = converted(b, v[2], dtype)?;
        let mean = per_channel(b, mean, rank)?;
        let centered = b.sub(x, mean)?;
        let product = b.mul(g, centered)?;
        let along = bias_gradient(b, product)?;
        let along = b.mul(along, inverse)?;
        grads[1] = Some(along);
        // d(inverse)/d(variance) = -inverse^3 / 2, and `along` holds one inverse already.
        let slope = b.mul(along, factor)?;
        let slope = b.mul(slope, inverse)?;
        let half = b.scalar_like(slope, -0.5)?;
        grads[4] = Some(b.mul(slope, half)?);
    }
    as_inputs(b, &v, grads)
}

/// Gradients of vectors in the vectors' own types.
fn as_inputs(b: &mut Builder, v: &[ValueId], grads: Vec<Option<ValueId>>) -> Result<Vec<Option<ValueId>>, OpError> {
    let mut typed = Vec::with_capacity(grads.len());
    for (i, grad) in grads.into_iter().enumerate() {
        typed.push(match (grad, i.checked_sub(1)) {
            (Some(grad), Some(k)) => {
                let dtype = b.dtype(v[k])?;
                Some(converted(b, grad, dtype)?)
            }
            (grad, _) => grad,
        });
    }
    Ok(typed)
}

fn reduced_axes(rank: usize) -> Vec<i64> {
    (0..rank as i64).filter(|&i| i != 1).collect()
}

/// By the batch's statistics, which depend on `x` too. The operator does not expose them: they are computed again.
fn training_grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let x = ctx.input(0)?;
    let (epsilon, momentum) = (ctx.float("epsilon", EPSILON), f64::from(ctx.float("momentum", MOMENTUM)));
    let v: Vec<ValueId> = (1..5).map(|i| ctx.input(i)).collect::<Result<_, _>>()?;
    let from = |i: usize| ctx.output_grads.get(i).copied().flatten();
    let (g, running) = (from(0), [from(1), from(2)]);
    let b = &mut *ctx.builder;
    let shape = b.shape(x)?;
    let (axes, dtype) = (reduced_axes(shape.len()), b.dtype(x)?);
    let n = normalized(b, x, &axes, epsilon)?;
    let mut grads = vec![None; 5];
    if let Some(g) = g {
        let product = b.mul(g, n.value)?;
        grads[1] = Some(bias_gradient(b, product)?);
        grads[2] = Some(bias_gradient(b, g)?);
        let scale = converted(b, v[0], dtype)?;
        let scale = per_channel(b, scale, shape.len())?;
        let g = b.mul(g, scale)?;
        grads[0] = Some(normalized_gradient(b, g, &n, &axes)?);
    }
    let elements = axes.iter().map(|&i| shape[i as usize]).product::<usize>() as f64;
    for (i, g) in running.into_iter().enumerate() {
        let Some(g) = g else { continue };
        grads[3 + i] = Some(times(b, g, momentum)?);
        let g = converted(b, g, dtype)?;
        let g = per_channel(b, g, shape.len())?;
        let share = times(b, g, (1.0 - momentum) / elements)?;
        let part = if i == 0 {
            b.expand(share, &shape.iter().map(|&n| n as i64).collect::<Vec<_>>())?
        } else {
            let slope = times(b, n.centered, 2.0)?;
            b.mul(share, slope)?
        };
        grads[0] = Some(match grads[0] {
            Some(sum) => b.add(sum, part)?,
            None => part,
        });
    }
    as_inputs(b, &v, grads)
}

fn times(b: &mut Builder, x: ValueId, factor: f64) -> Result<ValueId, OpError> {
    let factor = b.scalar_like(x, factor)?;
    b.mul(x, factor)
}

impl Builder {
    /// `(x - mean) / sqrt(var + epsilon) * scale + bias` per channel of `x` `[N, C, ...]`; the vectors are `[C]`.
    pub fn batch_normalization(
        &mut self,
        x: ValueId,
        scale: ValueId,
        bias: ValueId,
        mean: ValueId,
        var: ValueId,
        epsilon: f32,
    ) -> Result<ValueId, OpError> {
        let attributes = ocellus_graph::Attributes::new().with("epsilon", epsilon);
        self.apply(&OP, &[x, scale, bias, mean, var], attributes)
    }

    /// As [`Builder::batch_normalization`], but by the statistics of the batch. Returns the result, and the running
    /// mean and variance `old * momentum + batch * (1 - momentum)`, with the population variance.
    ///
    /// Few backends run ONNX's own node in this mode; [`Builder::normalize_batch`] says the same in plain operators.
    #[expect(clippy::too_many_arguments, reason = "the operator's own inputs and attributes")]
    pub fn batch_normalization_training(
        &mut self,
        x: ValueId,
        scale: ValueId,
        bias: ValueId,
        mean: ValueId,
        var: ValueId,
        epsilon: f32,
        momentum: f32,
    ) -> Result<[ValueId; 3], OpError> {
        let attributes = ocellus_graph::Attributes::new()
            .with("epsilon", epsilon)
            .with("momentum", momentum)
            .with("training_mode", 1i64);
        let outputs = self.apply_many(&OP, &[x, scale, bias, mean, var].map(Some), attributes, 3)?;
        Ok([outputs[0], outputs[1], outputs[2]])
    }

    /// [`Builder::batch_normalization_training`] composed of plain operators, for backends that know the node only at
    /// inference.
    #[expect(clippy::too_many_arguments, reason = "the operator's own inputs and attributes")]
    pub fn normalize_batch(
        &mut self,
        x: ValueId,
        scale: ValueId,
        bias: ValueId,
        mean: ValueId,
        var: ValueId,
        epsilon: f32,
        momentum: f32,
    ) -> Result<[ValueId; 3], OpError> {
        let (rank, dtype) = (self.shape(x)?.len(), self.dtype(x)?);
        let Normalized { mean: new_mean, variance: new_var, value, .. } =
            normalized(self, x, &reduced_axes(rank), epsilon)?;
        let scale = converted(self, scale, dtype)?;
        let scale = per_channel(self, scale, rank)?;
        let bias = converted(self, bias, dtype)?;
        let bias = per_channel(self, bias, rank)?;
        let scaled = self.mul(value, scale)?;
        let y = self.add(scaled, bias)?;
        let mut running = |old: ValueId, new: ValueId| {
            let dtype = self.dtype(old)?;
            let new = self.reshape(new, &[-1])?;
            let new = converted(self, new, dtype)?;
            let kept = times(self, old, f64::from(momentum))?;
            let added = times(self, new, 1.0 - f64::from(momentum))?;
            self.add(kept, added)
        };
        Ok([y, running(mean, new_mean)?, running(var, new_var)?])
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, DataType, Node};

    use super::*;
    use crate::check;

    fn parameters() -> [Tensor; 4] {
        [[1.5f64, -2.0], [0.25, 0.5], [0.5, 1.0], [4.0, 0.25]].map(|v| Tensor::vector(&v))
    }

    fn with_parameters(x: Tensor) -> Vec<Tensor> {
        [x].into_iter().chain(parameters()).collect()
    }

    fn frozen(b: &mut Builder, v: &[ValueId]) -> Result<ValueId, OpError> {
        b.batch_normalization(v[0], v[1], v[2], v[3], v[4], 1e-5)
    }

    #[test]
    fn by_given_statistics() {
        let y = check::eval(
            |b, v| b.batch_normalization(v[0], v[1], v[2], v[3], v[4], 0.0),
            &with_parameters(Tensor::of(&[1, 2, 2], vec![0.5f64, 2.5, 1.0, 2.0])),
        );
        assert_eq!(y, Tensor::of(&[1, 2, 2], vec![0.25, 1.75, 0.5, -3.5]));
    }

    #[test]
    fn by_the_statistics_of_the_batch_in_both_spellings() {
        let x = Tensor::of(&[2, 2, 1, 2], vec![1f64, 3., 0., 0., 5., 7., 0., 4.]);
        let inputs = with_parameters(x);
        let one = |k: usize| {
            move |b: &mut Builder, v: &[ValueId]| {
                b.batch_normalization_training(v[0], v[1], v[2], v[3], v[4], 1e-5, 0.75).map(|o| o[k])
            }
        };
        let composed = |k: usize| {
            move |b: &mut Builder, v: &[ValueId]| {
                b.normalize_batch(v[0], v[1], v[2], v[3], v[4], 1e-5, 0.75).map(|o| o[k])
            }
        };
        assert_eq!(check::eval(one(1), &inputs).to_f64(), [0.375 + 1.0, 0.75 + 0.25], "means 4 and 1");
        assert_eq!(check::eval(one(2), &inputs).to_f64(), [3.0 + 1.25, 0.1875 + 0.75], "variances 5 and 3");
        let y = check::eval(one(0), &inputs).to_f64();
        assert!((y[0] - (0.25 - 3.0 / (5.0f64 + 1e-5).sqrt() * 1.5)).abs() < 1e-8, "{y:?}");
        for k in 0..3 {
            let (a, b) = (check::eval(one(k), &inputs), check::eval(composed(k), &inputs));
            assert_eq!(a.shape(), b.shape());
            assert!(a.to_f64().iter().zip(b.to_f64()).all(|(a, b)| (a - b).abs() < 1e-12), "output {k}");
        }
    }

    #[test]
    fn gradient_frozen() {
        let mut inputs = with_parameters(Tensor::of(&[2, 2, 3, 2], check::numbers(24, 3)));
        check::gradient_at(frozen, &inputs);
        inputs[0] = Tensor::of(&[5, 2], check::numbers(10, 4));
        check::gradient_at(frozen, &inputs);
    }

    /// Through all three outputs, so that every input has a part.
    #[test]
    fn gradient_training() {
        let product = |b: &mut Builder, v: &[ValueId]| {
            let [y, mean, var] = b.batch_normalization_training(v[0], v[1], v[2], v[3], v[4], 1e-3, 0.8)?;
            let running = b.mul(mean, var)?;
            let running = b.reshape(running, &[2, 1, 1])?;
            b.mul(y, running)
        };
        check::gradient_at(product, &with_parameters(Tensor::of(&[2, 2, 2, 3], check::numbers(24, 3))));
    }

    #[test]
    fn folds_into_a_line_per_channel() {
        let node = Node::new("BatchNormalization", [], []).with_attributes(Attributes::new().with("epsilon", 0f32));
        let constants: Vec<_> = [None].into_iter().chain(parameters().map(Some)).collect();
        let ctx = FoldContext { node: &node, constants: &constants, types: &[] };
        let line = affine(&ctx).unwrap();
        assert_eq!(line, Affine { scale: vec![0.75, -4.0], shift: vec![-0.125, 4.5] });
        let training = node.clone().with_attributes(Attributes::new().with("training_mode", 1i64));
        assert!(affine(&FoldContext { node: &training, ..ctx }).is_none());
    }

    #[test]
    fn parameters_of_another_length_are_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[1, 3, 2]);
        let v = b.input("v", DataType::F32, &[2]);
        let message = b.batch_normalization(x, v, v, v, v, 1e-5).unwrap_err().to_string();
        assert!(message.contains("each of 3 channels"), "{message}");
    }
}
