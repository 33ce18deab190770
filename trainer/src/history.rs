//! What a run has measured on its way.

use serde::{Deserialize, Serialize};

/// The figures of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Averages over the steps since the last entry.
    pub training: Vec<TrainingPoint>,
    /// One entry per evaluation.
    pub evaluation: Vec<EvaluationPoint>,
}

/// Averages over some training steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingPoint {
    /// Steps done by then.
    pub step: u64,
    /// Mean loss.
    pub loss: f64,
    /// Part of right answers, where the objective counts them.
    pub accuracy: Option<f64>,
    /// The learning rate of the last step.
    pub rate: f64,
}

/// One evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationPoint {
    /// Steps done by then.
    pub step: u64,
    /// Mean loss over the set.
    pub loss: f64,
    /// Right answers, where the objective counts them.
    pub correct: Option<u64>,
    /// Pictures in the set.
    pub total: u64,
}

impl EvaluationPoint {
    /// Part of right answers.
    pub fn accuracy(&self) -> Option<f64> {
        self.correct.map(|c| c as f64 / self.total.max(1) as f64)
    }
}
