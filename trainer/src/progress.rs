//! What a run tells its caller on the way.

use std::path::Path;

use crate::history::EvaluationPoint;

/// The plan of a run, told before its first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// Steps of the whole run.
    pub total: u64,
    /// Steps already done, where the run resumes.
    pub done: u64,
    /// Steps of one epoch.
    pub steps_per_epoch: u64,
    /// Pictures of one batch.
    pub batch: usize,
    /// Numbers that are learnt.
    pub parameters: usize,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Steps done, this one among them.
    pub step: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// Mean loss of the batch.
    pub loss: f32,
    /// Part of right answers in the batch.
    pub accuracy: Option<f64>,
    /// The learning rate.
    pub rate: f64,
}

/// Watches a run. Every method does nothing unless it is written.
pub trait Progress {
    /// Before the first step.
    fn start(&mut self, plan: &RunPlan) {
        let _ = plan;
    }

    /// After every step.
    fn step(&mut self, report: &StepReport) {
        let _ = report;
    }

    /// After every evaluation.
    fn evaluated(&mut self, point: &EvaluationPoint) {
        let _ = point;
    }

    /// After every checkpoint.
    fn checkpoint(&mut self, path: &Path, step: u64) {
        let _ = (path, step);
    }
}

/// Nobody watches.
impl Progress for () {}
