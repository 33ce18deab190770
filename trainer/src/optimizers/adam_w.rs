//! AdamW: Adam with decoupled weight decay (Loshchilov and Hutter 2019).

use ocellus_ops::{Builder, OpError};

use super::adam::{change, corrections};
use super::{Adam, Optimizer, Update, Updated, scaled};

/// As [`Adam`], with `p` first multiplied by `1 - rate * weight_decay`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Part of the mean that is kept.
    pub beta1: f32,
    /// Part of the mean square that is kept.
    pub beta2: f32,
    /// Keeps the division finite.
    pub epsilon: f32,
    /// Decay of the weights per step, in units of the learning rate.
    pub weight_decay: f32,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

impl Optimizer for AdamW {
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
        let constants = Adam { beta1: self.beta1, beta2: self.beta2, epsilon: self.epsilon, weight_decay: 0.0 };
        let (change, slots) = change(b, u, u.gradient, &constants)?;
        let mut parameter = u.parameter;
        if u.decay && self.weight_decay != 0.0 {
            let pull = scaled(b, u.rate, self.weight_decay)?;
            let pull = b.mul(parameter, pull)?;
            parameter = b.sub(parameter, pull)?;
        }
        Ok(Updated { parameter: b.sub(parameter, change)?, slots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::tests::check;

    #[test]
    fn the_paper() {
        check(&AdamW { weight_decay: 0.3, ..AdamW::default() }, |t, p, g, s| {
            s[0] = 0.9 * s[0] + 0.1 * g;
            s[1] = 0.999 * s[1] + 0.001 * g * g;
            let (m, v) = (s[0] / (1.0 - 0.9f64.powi(t as i32)), s[1] / (1.0 - 0.999f64.powi(t as i32)));
            p * (1.0 - 0.1 * 0.3) - 0.1 * m / (v.sqrt() + 1e-8)
        });
    }
}
