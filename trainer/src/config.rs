//! The settings of a run.

use std::path::PathBuf;
use std::sync::Arc;

use crate::data::{Augmentation, Normalization};
use crate::optimizers::{Clipping, Optimizer};
use crate::schedules::Schedule;

/// Stops a run that no longer gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlyStop {
    /// Evaluations without an improvement after which the run stops and goes back to its best weights.
    pub patience: u32,
}

/// The settings of a run.
pub struct TrainerConfig {
    /// Name of the network, for graphs and titles.
    pub name: String,
    /// Times that every picture is seen.
    pub epochs: u64,
    /// Steps after which the run ends, where that comes first.
    pub max_steps: Option<u64>,
    /// Pictures in a training batch.
    pub batch: usize,
    /// Pictures in an evaluation batch.
    pub evaluation_batch: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// The learning rate.
    pub schedule: Schedule,
    /// The update rule.
    pub optimizer: Arc<dyn Optimizer>,
    /// How gradients are limited.
    pub clipping: Option<Clipping>,
    /// Parameters and layers that do not learn, by name; a layer's name stands for all that is in it.
    pub frozen: Vec<String>,
    /// Factors to the learning rate, by names of parameters and layers; where several fit, the first counts.
    pub rates: Vec<(String, f64)>,
    /// Whether it learns for 8 bits: weights and activations are rounded on the way.
    pub eight_bits: bool,
    /// Changes to training pictures.
    pub augmentations: Vec<Augmentation>,
    /// From bytes to numbers.
    pub normalization: Normalization,
    /// Threads that make batches.
    pub workers: usize,
    /// When to stop early.
    pub early_stop: Option<EarlyStop>,
    /// The file of the checkpoint; written after every evaluation, at the end and when the run is interrupted.
    pub checkpoint: Option<PathBuf>,
    /// Steps between two checkpoints inside an epoch.
    pub checkpoint_every: Option<u64>,
    /// The folder of TensorBoard's event files.
    pub events: Option<PathBuf>,
    /// Steps over which a point of the curve is averaged.
    pub log_every: u64,
}

impl TrainerConfig {
    /// Usual settings: 10 epochs, batches of 64, one worker, a point of the curve every 20 steps, nothing on disk.
    pub fn new(name: &str, optimizer: Arc<dyn Optimizer>, schedule: Schedule, normalization: Normalization) -> Self {
        Self {
            name: name.to_owned(),
            epochs: 10,
            max_steps: None,
            batch: 64,
            evaluation_batch: 250,
            seed: 0,
            schedule,
            optimizer,
            clipping: None,
            frozen: Vec::new(),
            rates: Vec::new(),
            eight_bits: false,
            augmentations: Vec::new(),
            normalization,
            workers: 1,
            early_stop: None,
            checkpoint: None,
            checkpoint_every: None,
            events: None,
            log_every: 20,
        }
    }
}
