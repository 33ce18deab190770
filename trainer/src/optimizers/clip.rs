//! Gradient clipping (Pascanu et al. 2013).

use ocellus_graph::ValueId;
use ocellus_ops::{Builder, OpError};
use serde::{Deserialize, Serialize};

/// How gradients are kept from being too large.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Clipping {
    /// Every element is clamped to `[-limit, limit]`.
    Value(f32),
    /// All gradients are scaled by one factor so that the norm over all of them is at most this.
    GlobalNorm(f32),
}

impl Clipping {
    /// Appends the nodes and returns the clipped gradients, in order.
    ///
    /// # Errors
    /// Operators that refuse the values.
    pub fn apply(self, b: &mut Builder, gradients: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        match self {
            Self::Value(limit) => gradients.iter().map(|&g| b.clip(g, Some(-limit), Some(limit))).collect(),
            Self::GlobalNorm(limit) => {
                let mut total: Option<ValueId> = None;
                for &g in gradients {
                    let square = b.mul(g, g)?;
                    let axes: Vec<i64> = (0..b.shape(g)?.len() as i64).collect();
                    let sum = if axes.is_empty() { square } else { b.reduce_sum(square, &axes, false)? };
                    total = Some(match total {
                        Some(total) => b.add(total, sum)?,
                        None => sum,
                    });
                }
                let Some(total) = total else { return Ok(Vec::new()) };
                let norm = b.sqrt(total)?;
                let limit = b.scalar_like(norm, f64::from(limit))?;
                let divisor = b.max(norm, limit)?;
                let factor = b.div(limit, divisor)?;
                gradients.iter().map(|&g| b.mul(g, factor)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;
    use ocellus_ops::evaluate_values;

    use super::*;

    fn clipped(clipping: Clipping, gradients: &[&[f64]]) -> Vec<Vec<f64>> {
        let mut b = Builder::new("clip");
        let ids: Vec<_> = gradients.iter().map(|g| b.constant("g", Tensor::vector::<f64>(g))).collect();
        let out = clipping.apply(&mut b, &ids).unwrap();
        let values = evaluate_values(b.graph(), &[]).unwrap();
        out.iter().map(|v| values[v].to_f64()).collect()
    }

    #[test]
    fn by_value_and_by_norm() {
        let gradients: [&[f64]; 2] = [&[3.0, 0.0], &[-4.0]];
        assert_eq!(clipped(Clipping::Value(1.0), &gradients), [vec![1.0, 0.0], vec![-1.0]]);
        assert_eq!(clipped(Clipping::GlobalNorm(10.0), &gradients), [vec![3.0, 0.0], vec![-4.0]]);
        let scaled = clipped(Clipping::GlobalNorm(1.0), &gradients);
        assert!((scaled[0][0] - 0.6).abs() < 1e-12 && (scaled[1][0] + 0.8).abs() < 1e-12, "{scaled:?}");
        assert_eq!(clipped(Clipping::GlobalNorm(1.0), &[&[0.0]]), [vec![0.0]]);
    }
}
