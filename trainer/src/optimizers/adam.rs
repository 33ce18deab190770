//! Adam (Kingma and Ba 2015).

use ocellus_graph::ValueId;
use ocellus_ops::{Builder, OpError};

use super::{Optimizer, Update, Updated, decayed_gradient, moving_average};

/// `m' = beta1 m + (1 - beta1) g`; `v' = beta2 v + (1 - beta2) g²`;
/// `p' = p - rate * (m' / (1 - beta1^t)) / (sqrt(v' / (1 - beta2^t)) + epsilon)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Part of the mean that is kept.
    pub beta1: f32,
    /// Part of the mean square that is kept.
    pub beta2: f32,
    /// Keeps the division finite.
    pub epsilon: f32,
    /// L2 regularisation, added to the gradient; [`AdamW`](super::AdamW) decays the weights themselves.
    pub weight_decay: f32,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Optimizer for Adam {
    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn slots(&self) -> &'static [&'static str] {
        &["mean", "mean_square"]
    }

    fn scalars(&self) -> &'static [&'static str] {
        &["correction1", "correction2"]
    }

    fn scalar_values(&self, step: u64) -> Vec<f64> {
        corrections(self.beta1, self.beta2, step)
    }

    fn update(&self, b: &mut Builder, u: &Update) -> Result<Updated, OpError> {
        let gradient = decayed_gradient(b, u, self.weight_decay)?;
        let (change, slots) = change(b, u, gradient, self)?;
        Ok(Updated { parameter: b.sub(u.parameter, change)?, slots })
    }
}

/// `1 - beta1^step` and `1 - beta2^step`.
pub(super) fn corrections(beta1: f32, beta2: f32, step: u64) -> Vec<f64> {
    [beta1, beta2].map(|beta| 1.0 - libm::pow(f64::from(beta), step as f64)).to_vec()
}

/// What is taken from the parameter, and the new mean and mean square.
pub(super) fn change(
    b: &mut Builder,
    u: &Update,
    gradient: ValueId,
    constants: &Adam,
) -> Result<(ValueId, Vec<ValueId>), OpError> {
    let mean = moving_average(b, u.slots[0], gradient, constants.beta1)?;
    let square = b.mul(gradient, gradient)?;
    let mean_square = moving_average(b, u.slots[1], square, constants.beta2)?;
    let corrected = b.div(mean_square, u.scalars[1])?;
    let root = b.sqrt(corrected)?;
    let epsilon = b.scalar_like(root, f64::from(constants.epsilon))?;
    let root = b.add(root, epsilon)?;
    let direction = b.div(mean, root)?;
    // The scalar quotient is made once per step and parameter, the product over all elements.
    let rate = b.div(u.rate, u.scalars[0])?;
    Ok((b.mul(direction, rate)?, vec![mean, mean_square]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::tests::check;

    #[test]
    fn the_paper() {
        check(&Adam { weight_decay: 0.2, ..Adam::default() }, |t, p, g, s| {
            let g = g + 0.2 * p;
            s[0] = 0.9 * s[0] + 0.1 * g;
            s[1] = 0.999 * s[1] + 0.001 * g * g;
            let (m, v) = (s[0] / (1.0 - 0.9f64.powi(t as i32)), s[1] / (1.0 - 0.999f64.powi(t as i32)));
            p - 0.1 * m / (v.sqrt() + 1e-8)
        });
    }
}
