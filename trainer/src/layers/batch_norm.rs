//! Batch normalisation (Ioffe and Szegedy 2015): composed from plain operators in training, the ONNX operator at
//! inference.

use std::sync::Arc;

use ocellus_graph::{DataType, Tensor, ValueId};
use ocellus_ops::{Builder, OpError};

use crate::NetworkBuilder;
use crate::initializers::Initializer;

/// Added to the variance.
const EPSILON: f32 = 1e-5;
/// Part of the running figures that a step keeps.
const MOMENTUM: f64 = 0.9;

impl NetworkBuilder<'_> {
    /// Normalises every channel (axis 1) of `x` over the batch and all other axes, then scales and shifts it:
    /// parameters `NAME.scale` (1) and `NAME.shift` (0), running state `NAME.mean` and `NAME.variance`, each
    /// `[channels]`. The running variance is the unbiased one.
    ///
    /// # Errors
    /// An input of rank 1, or a training batch with one value per channel, which has no variance.
    pub fn batch_norm_layer(&mut self, name: &str, x: ValueId) -> Result<ValueId, OpError> {
        let shape = self.shape(x)?;
        let channels = shape.get(1).copied().unwrap_or(0);
        let count = shape.iter().product::<usize>() / channels.max(1);
        if channels == 0 || self.is_training() && count < 2 {
            let problem = format!("normalisation {name:?} needs channels and several values in each, found {shape:?}");
            return Err(OpError::graph(&self.graph().name, problem));
        }
        let scale = self.parameter(&format!("{name}.scale"), &[channels], Initializer::Ones, (1, 1), false)?;
        let shift = self.parameter(&format!("{name}.shift"), &[channels], Initializer::Zeros, (1, 1), false)?;
        let mean = self.state(&format!("{name}.mean"), Tensor::full(DataType::F32, &[channels], 0.0))?;
        let variance = self.state(&format!("{name}.variance"), Tensor::full(DataType::F32, &[channels], 1.0))?;
        if !self.is_training() {
            return self.batch_normalization(x, scale, shift, mean, variance, EPSILON);
        }
        let mut aligned = vec![1i64; shape.len()];
        aligned[1] = channels as i64;
        let axes: Vec<i64> = (0..shape.len() as i64).filter(|&a| a != 1).collect();
        let batch = normalize(self, x, &axes)?;
        let wide_scale = self.reshape(scale, &aligned)?;
        let wide_shift = self.reshape(shift, &aligned)?;
        let scaled = self.mul(batch.normal, wide_scale)?;
        let y = self.add(scaled, wide_shift)?;
        let unbiased = count as f64 / (count - 1) as f64;
        let updated = running(self, mean, batch.mean, 1.0)?;
        self.set_state(mean, updated);
        let updated = running(self, variance, batch.variance, unbiased)?;
        self.set_state(variance, updated);
        let rule = Arc::new(move |b: &mut Builder, g: ValueId| backward(b, g, &batch, wide_scale, &axes, count));
        self.custom_gradient(y, &[x, scale, shift], rule);
        Ok(y)
    }
}

/// What the forward pass keeps.
struct Normalized {
    /// `[1, C, 1, …]`.
    mean: ValueId,
    /// `[1, C, 1, …]`, the biased one.
    variance: ValueId,
    /// `sqrt(variance + epsilon)`.
    deviation: ValueId,
    /// `(x - mean) / deviation`.
    normal: ValueId,
}

fn normalize(b: &mut Builder, x: ValueId, axes: &[i64]) -> Result<Normalized, OpError> {
    let mean = b.reduce_mean(x, axes, true)?;
    let centred = b.sub(x, mean)?;
    let square = b.mul(centred, centred)?;
    let variance = b.reduce_mean(square, axes, true)?;
    let epsilon = b.scalar_like(variance, f64::from(EPSILON))?;
    let sum = b.add(variance, epsilon)?;
    let deviation = b.sqrt(sum)?;
    let normal = b.div(centred, deviation)?;
    Ok(Normalized { mean, variance, deviation, normal })
}

/// `old * momentum + new * (1 - momentum) * factor`, of the shape of `old`.
fn running(b: &mut Builder, old: ValueId, new: ValueId, factor: f64) -> Result<ValueId, OpError> {
    let shape: Vec<i64> = b.shape(old)?.iter().map(|&n| n as i64).collect();
    let new = b.reshape(new, &shape)?;
    let keep = b.scalar_like(old, MOMENTUM)?;
    let part = b.scalar_like(old, (1.0 - MOMENTUM) * factor)?;
    let kept = b.mul(old, keep)?;
    let added = b.mul(new, part)?;
    b.add(kept, added)
}

/// The closed form: with `n` the normalised input, `dscale = Σ g n`, `dshift = Σ g`,
/// `dx = scale / deviation * (g - mean(g) - n * mean(g n))`. Half as many passes over the data as differentiating the
/// composition.
fn backward(
    b: &mut Builder,
    g: ValueId,
    batch: &Normalized,
    scale: ValueId,
    axes: &[i64],
    count: usize,
) -> Result<Vec<Option<ValueId>>, OpError> {
    let channels = [b.shape(scale)?.iter().product::<usize>() as i64];
    let product = b.mul(g, batch.normal)?;
    let along = b.reduce_sum(product, axes, true)?;
    let total = b.reduce_sum(g, axes, true)?;
    let part = b.scalar_like(g, 1.0 / count as f64)?;
    let mean_along = b.mul(along, part)?;
    let mean_total = b.mul(total, part)?;
    let pull = b.mul(batch.normal, mean_along)?;
    let rest = b.sub(g, pull)?;
    let rest = b.sub(rest, mean_total)?;
    let factor = b.div(scale, batch.deviation)?;
    let dx = b.mul(rest, factor)?;
    let dscale = b.reshape(along, &channels)?;
    let dshift = b.reshape(total, &channels)?;
    Ok(vec![Some(dx), Some(dscale), Some(dshift)])
}

#[cfg(test)]
mod tests {
    use ocellus_ops::check::numbers;
    use ocellus_ops::evaluate_values;

    use super::*;
    use crate::layers::check;

    #[test]
    fn gradients_on_random_and_constant_data() {
        let layer = |net: &mut NetworkBuilder, x| net.batch_norm_layer("bn", x);
        check::gradients(&layer, &Tensor::of(&[3, 2, 2, 2], numbers(24, 1)));
        check::gradients(&layer, &Tensor::of(&[4, 3], numbers(12, 2)));
        let mut tied = vec![0.5f64; 16];
        tied[3] = 0.25;
        tied[9] = -1.0;
        check::gradients(&layer, &Tensor::of(&[2, 2, 2, 2], tied));
    }

    #[test]
    fn running_figures_and_inference_agree_with_the_definition() {
        let mut net = NetworkBuilder::training("bn");
        let x = net.input("x", DataType::F32, &[4, 1]);
        net.batch_norm_layer("bn", x).unwrap();
        let given = [
            ("x", Tensor::of(&[4, 1], vec![1f32, 2.0, 3.0, 6.0])),
            ("bn.scale", Tensor::vector(&[1f32])),
            ("bn.shift", Tensor::vector(&[0f32])),
            ("bn.mean", Tensor::vector(&[10f32])),
            ("bn.variance", Tensor::vector(&[1f32])),
        ];
        let values = evaluate_values(net.graph(), &given).unwrap();
        let state = |i: usize| f64::from(values[&net.states[i].updated].to_f32()[0]);
        assert!((state(0) - (9.0 + 0.3)).abs() < 1e-5, "{}", state(0));
        assert!((state(1) - (0.9 + 0.1 * 14.0 / 3.0)).abs() < 1e-5, "{}", state(1));
    }

    #[test]
    fn one_value_per_channel_is_refused_in_training() {
        let mut net = NetworkBuilder::training("bn");
        let x = net.input("x", DataType::F32, &[1, 3]);
        assert!(net.batch_norm_layer("bn", x).unwrap_err().to_string().contains("several values"));
    }
}
