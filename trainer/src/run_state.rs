//! What a run remembers beside its tensors.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::TrainerConfig;
use crate::history::{EvaluationPoint, History};
use crate::objective::Objective;

/// The state of a run as its checkpoint keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunState {
    /// Steps done; the position in the data follows from it.
    pub done: u64,
    /// Steps done at the last evaluation.
    pub evaluated: u64,
    /// Right answers of the best evaluation, or the bits of its loss where nothing is right or wrong.
    pub best: Option<(Option<u64>, u64)>,
    /// Evaluations since the best.
    pub waited: u32,
    /// Whether the run has ended early.
    pub stopped_early: bool,
    /// Sums since the last point of the curve.
    pub partial: Partial,
    /// The curve.
    pub history: History,
    /// Which run this is.
    pub identity: Identity,
    /// The last good checkpoint of this process.
    #[serde(skip)]
    pub kept: Option<PathBuf>,
}

impl RunState {
    /// Whether this evaluation is the best so far; counts those that are not.
    pub fn improves(&mut self, point: &EvaluationPoint) -> bool {
        let better = match (self.best, point.correct) {
            (None, _) => true,
            (Some((Some(best), _)), Some(correct)) => correct > best,
            (Some((_, bits)), _) => point.loss < f64::from_bits(bits),
        };
        if better {
            self.best = Some((point.correct, point.loss.to_bits()));
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        better
    }
}

/// Sums over some steps; losses as bits, so that a checkpoint keeps them exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partial {
    loss_bits: u64,
    correct: Option<u64>,
    samples: u64,
    /// Steps since the last point.
    pub steps: u64,
}

impl Partial {
    /// Adds one step.
    pub fn add(&mut self, loss: f32, correct: Option<f64>, samples: usize) {
        self.loss_bits = (f64::from_bits(self.loss_bits) + f64::from(loss)).to_bits();
        if let Some(correct) = correct {
            self.correct = Some(self.correct.unwrap_or(0) + correct as u64);
        }
        self.samples += samples as u64;
        self.steps += 1;
    }

    /// Mean loss and part of right answers; the sums start again.
    pub fn take(&mut self) -> (f64, Option<f64>) {
        let sums = std::mem::take(self);
        let loss = f64::from_bits(sums.loss_bits) / sums.steps.max(1) as f64;
        (loss, sums.correct.map(|c| c as f64 / sums.samples.max(1) as f64))
    }
}

/// The settings that a resumed run has to share with the one that wrote the checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity(Vec<(String, String)>);

impl Identity {
    pub fn new(config: &TrainerConfig, objective: &dyn Objective, samples: usize, backend: &str) -> Self {
        let settings = [
            ("network", config.name.clone()),
            ("backend", backend.to_owned()),
            ("training pictures", samples.to_string()),
            ("batch", config.batch.to_string()),
            ("seed", config.seed.to_string()),
            ("objective", objective.describe()),
            ("optimiser", config.optimizer.describe()),
            ("schedule", format!("{:?}", config.schedule)),
            ("epochs", config.epochs.to_string()),
            ("steps", config.max_steps.map_or("all".to_owned(), |n| n.to_string())),
            ("clipping", format!("{:?}", config.clipping)),
            ("augmentation", format!("{:?}", config.augmentations)),
            ("normalisation", format!("{:?}", config.normalization)),
            ("frozen parameters", format!("{:?}", config.frozen)),
            ("rates", format!("{:?}", config.rates)),
            ("rounding to 8 bits", config.eight_bits.to_string()),
        ];
        Self(settings.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    /// What differs, as a text for the user.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let other = |key: &str| self.0.iter().find(|(k, _)| k == key).map_or("nothing", |(_, v)| v.as_str());
        let (key, value) = now.0.iter().find(|(key, value)| other(key) != value)?;
        Some(format!("belongs to a run whose {key} is {}; this run's is {value}. Use the same settings", other(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_by_right_answers_then_by_loss() {
        let mut state = RunState::default();
        let point = |loss, correct| EvaluationPoint { step: 1, loss, correct, total: 10 };
        assert!(state.improves(&point(1.0, Some(5))));
        assert!(!state.improves(&point(0.5, Some(5))));
        assert!(state.improves(&point(0.7, Some(6))));
        assert_eq!(state.waited, 0);
        let mut state = RunState::default();
        assert!(state.improves(&point(1.0, None)));
        assert!(!state.improves(&point(1.0, None)));
        assert!(!state.improves(&point(f64::NAN, None)));
        assert!(state.improves(&point(0.9, None)));
    }

    #[test]
    fn partial_sums() {
        let mut p = Partial::default();
        p.add(1.0, Some(3.0), 4);
        p.add(2.0, Some(1.0), 4);
        assert_eq!(p.take(), (1.5, Some(0.5)));
        assert_eq!(p, Partial::default());
    }
}
