//! Stochastic gradient descent, with momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013).

use ocellus_ops::{Builder, OpError};

use super::{Optimizer, Update, Updated, decayed_gradient, scaled};

/// `v' = momentum * v + g`; `p' = p - rate * v'`, or `p - rate * (g + momentum * v')` with Nesterov.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Part of the velocity that is kept; 0 is plain descent and keeps no state.
    pub momentum: f32,
    /// Whether the gradient is taken ahead.
    pub nesterov: bool,
    /// L2 regularisation, added to the gradient.
    pub weight_decay: f32,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { momentum: 0.9, nesterov: false, weight_decay: 0.0 }
    }
}

impl Optimizer for Sgd {
    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn slots(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["velocity"] }
    }

    fn update(&self, b: &mut Builder, u: &Update) -> Result<Updated, OpError> {
        let gradient = decayed_gradient(b, u, self.weight_decay)?;
        let (direction, slots) = match *u.slots {
            [velocity] => {
                let kept = scaled(b, velocity, self.momentum)?;
                let velocity = b.add(kept, gradient)?;
                let direction = if self.nesterov {
                    let ahead = scaled(b, velocity, self.momentum)?;
                    b.add(gradient, ahead)?
                } else {
                    velocity
                };
                (direction, vec![velocity])
            }
            _ => (gradient, Vec::new()),
        };
        let change = b.mul(direction, u.rate)?;
        Ok(Updated { parameter: b.sub(u.parameter, change)?, slots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::tests::check;

    #[test]
    fn plain_momentum_and_nesterov() {
        check(&Sgd { momentum: 0.0, ..Sgd::default() }, |_, p, g, _| p - 0.1 * g);
        for nesterov in [false, true] {
            check(&Sgd { momentum: 0.9, nesterov, weight_decay: 0.25 }, |_, p, g, s| {
                let g = g + 0.25 * p;
                s[0] = 0.9 * s[0] + g;
                p - 0.1 * if nesterov { g + 0.9 * s[0] } else { s[0] }
            });
        }
    }
}
