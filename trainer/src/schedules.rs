//! Learning rates over the steps of a run.

use serde::{Deserialize, Serialize};

/// The learning rate as a function of the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// The same rate throughout.
    Constant {
        /// The rate.
        rate: f64,
    },
    /// Multiplied by `factor` after every `every` steps.
    Step {
        /// The first rate.
        rate: f64,
        /// The factor.
        factor: f64,
        /// Steps between two changes.
        every: u64,
    },
    /// Half a cosine from `rate` to `last` over the whole run (Loshchilov and Hutter 2017, without restarts).
    Cosine {
        /// The first rate.
        rate: f64,
        /// The last rate.
        last: f64,
    },
    /// A linear rise from 0 over the first `steps` steps, then the inner schedule over the rest.
    Warmup {
        /// Steps of the rise.
        steps: u64,
        /// What follows.
        then: Box<Schedule>,
    },
    /// Cosine rise from `peak / 25` to `peak` over `rise` of the run, then cosine fall to `peak / 250000`
    /// (Smith and Topin 2018).
    OneCycle {
        /// The greatest rate.
        peak: f64,
        /// The part of the run that the rise takes, in `(0, 1)`; 0.3 is usual.
        rise: f64,
    },
}

impl Schedule {
    /// The rate of step `step` (from 0) of `total`.
    pub fn rate(&self, step: u64, total: u64) -> f64 {
        match self {
            Self::Constant { rate } => *rate,
            Self::Step { rate, factor, every } => rate * libm::pow(*factor, (step / (*every).max(1)) as f64),
            Self::Cosine { rate, last } => half_cosine(*rate, *last, part(step, total)),
            Self::Warmup { steps, then } if step < *steps => {
                then.rate(0, total.saturating_sub(*steps)) * (step + 1) as f64 / *steps as f64
            }
            Self::Warmup { steps, then } => then.rate(step - steps, total.saturating_sub(*steps)),
            Self::OneCycle { peak, rise } => {
                let (t, rise) = (part(step, total), rise.clamp(1e-6, 1.0 - 1e-6));
                if t < rise {
                    half_cosine(peak / 25.0, *peak, t / rise)
                } else {
                    half_cosine(*peak, peak / 250_000.0, (t - rise) / (1.0 - rise))
                }
            }
        }
    }
}

/// How far the run is: 0 at the first step, 1 at the last.
fn part(step: u64, total: u64) -> f64 {
    if total <= 1 { 0.0 } else { (step as f64 / (total - 1) as f64).min(1.0) }
}

fn half_cosine(from: f64, to: f64, t: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * t))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn rates_at_the_corners() {
        near(Schedule::Constant { rate: 0.1 }.rate(7, 10), 0.1);
        let step = Schedule::Step { rate: 1.0, factor: 0.5, every: 3 };
        near(step.rate(2, 10), 1.0);
        near(step.rate(3, 10), 0.5);
        near(step.rate(6, 10), 0.25);
        let cosine = Schedule::Cosine { rate: 1.0, last: 0.2 };
        near(cosine.rate(0, 11), 1.0);
        near(cosine.rate(5, 11), 0.6);
        near(cosine.rate(10, 11), 0.2);
        near(cosine.rate(50, 11), 0.2);
        let warmup = Schedule::Warmup { steps: 4, then: Box::new(cosine) };
        near(warmup.rate(0, 15), 0.25);
        near(warmup.rate(3, 15), 1.0);
        near(warmup.rate(4, 15), 1.0);
        near(warmup.rate(14, 15), 0.2);
        let cycle = Schedule::OneCycle { peak: 1.0, rise: 0.3 };
        near(cycle.rate(0, 101), 0.04);
        near(cycle.rate(30, 101), 1.0);
        near(cycle.rate(100, 101), 1.0 / 250_000.0);
    }
}
