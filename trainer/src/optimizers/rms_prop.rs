//! RMSProp (Tieleman and Hinton 2012), with optional momentum.

use ocellus_ops::{Builder, OpError};

use super::{Optimizer, Update, Updated, decayed_gradient, moving_average, scaled};

/// `s' = decay * s + (1 - decay) * g²`; `d = g / (sqrt(s') + epsilon)`; `p' = p - rate * d`, or through a velocity
/// `v' = momentum * v + d`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// Part of the mean square that is kept.
    pub decay: f32,
    /// Keeps the division finite.
    pub epsilon: f32,
    /// Part of the velocity that is kept; 0 keeps none.
    pub momentum: f32,
    /// L2 regularisation, added to the gradient.
    pub weight_decay: f32,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { decay: 0.99, epsilon: 1e-8, momentum: 0.0, weight_decay: 0.0 }
    }
}

impl Optimizer for RmsProp {
    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn slots(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &["mean_square"] } else { &["mean_square", "velocity"] }
    }

    fn update(&self, b: &mut Builder, u: &Update) -> Result<Updated, OpError> {
        let gradient = decayed_gradient(b, u, self.weight_decay)?;
        let square = b.mul(gradient, gradient)?;
        let mean_square = moving_average(b, u.slots[0], square, self.decay)?;
        let root = b.sqrt(mean_square)?;
        let epsilon = b.scalar_like(root, f64::from(self.epsilon))?;
        let root = b.add(root, epsilon)?;
        let mut direction = b.div(gradient, root)?;
        let mut slots = vec![mean_square];
        if let Some(&velocity) = u.slots.get(1) {
            let kept = scaled(b, velocity, self.momentum)?;
            direction = b.add(kept, direction)?;
            slots.push(direction);
        }
        let change = b.mul(direction, u.rate)?;
        Ok(Updated { parameter: b.sub(u.parameter, change)?, slots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::tests::check;

    #[test]
    fn with_and_without_momentum() {
        check(&RmsProp::default(), |_, p, g, s| {
            s[0] = 0.99 * s[0] + 0.01 * g * g;
            p - 0.1 * g / (s[0].sqrt() + 1e-8)
        });
        check(&RmsProp { momentum: 0.5, weight_decay: 0.1, ..RmsProp::default() }, |_, p, g, s| {
            let g = g + 0.1 * p;
            s[0] = 0.99 * s[0] + 0.01 * g * g;
            s[1] = 0.5 * s[1] + g / (s[0].sqrt() + 1e-8);
            p - 0.1 * s[1]
        });
    }
}
