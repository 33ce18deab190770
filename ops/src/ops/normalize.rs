//! What the normalizations share: statistics over some axes, and their gradient.

use ocellus_graph::{DataType, ValueId};

use crate::{Builder, OpError};

/// Mean and population variance.
pub(super) fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (mean, values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / count)
}

/// A tensor normalized over some axes, as values of a graph.
pub(super) struct Normalized {
    /// The mean, with axes of size 1.
    pub mean: ValueId,
    /// The population variance, with axes of size 1.
    pub variance: ValueId,
    /// `x - mean`.
    pub centered: ValueId,
    /// `1 / sqrt(variance + epsilon)`.
    pub inverse: ValueId,
    /// `centered * inverse`.
    pub value: ValueId,
}

/// Emits the normalization of `x` over `axes`.
pub(super) fn normalized(b: &mut Builder, x: ValueId, axes: &[i64], epsilon: f32) -> Result<Normalized, OpError> {
    let mean = b.reduce_mean(x, axes, true)?;
    let centered = b.sub(x, mean)?;
    let square = b.mul(centered, centered)?;
    let variance = b.reduce_mean(square, axes, true)?;
    let inverse = inverse_deviation(b, variance, epsilon)?;
    let value = b.mul(centered, inverse)?;
    Ok(Normalized { mean, variance, centered, inverse, value })
}

/// `1 / sqrt(variance + epsilon)`.
pub(super) fn inverse_deviation(b: &mut Builder, variance: ValueId, epsilon: f32) -> Result<ValueId, OpError> {
    let epsilon = b.scalar_like(variance, f64::from(epsilon))?;
    let shifted = b.add(variance, epsilon)?;
    let deviation = b.sqrt(shifted)?;
    b.reciprocal(deviation)
}

/// The gradient of `x` from the gradient `g` of the normalized value:
/// `inverse * (g - mean(g) - value * mean(g * value))`.
pub(super) fn normalized_gradient(
    b: &mut Builder,
    g: ValueId,
    n: &Normalized,
    axes: &[i64],
) -> Result<ValueId, OpError> {
    let mean = b.reduce_mean(g, axes, true)?;
    let product = b.mul(g, n.value)?;
    let along = b.reduce_mean(product, axes, true)?;
    let along = b.mul(n.value, along)?;
    let rest = b.sub(g, mean)?;
    let rest = b.sub(rest, along)?;
    b.mul(n.inverse, rest)
}

/// A vector of one number per channel, shaped to broadcast over `[N, C, ...]` of this rank.
pub(super) fn per_channel(b: &mut Builder, vector: ValueId, rank: usize) -> Result<ValueId, OpError> {
    let shape: Vec<i64> = [-1].into_iter().chain(vec![1; rank.saturating_sub(2)]).collect();
    if shape.len() == 1 { Ok(vector) } else { b.reshape(vector, &shape) }
}

/// `x` as `dtype`; itself where it has that type.
pub(super) fn converted(b: &mut Builder, x: ValueId, dtype: DataType) -> Result<ValueId, OpError> {
    if b.dtype(x)? == dtype { Ok(x) } else { b.cast(x, dtype) }
}
