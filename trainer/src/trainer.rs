//! The training loop.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ocellus_backend::{Backend, Session};
use ocellus_graph::{Model, Tensor};

use crate::build_step::build_step;
use crate::checkpoint::{Store, load_checkpoint, save_checkpoint};
use crate::config::TrainerConfig;
use crate::data::{Batch, Dataset, Loader, LoaderConfig};
use crate::error::TrainError;
use crate::evaluate::{Evaluation, EvaluationConfig, evaluate_batches, evaluate_network};
use crate::events::EventWriter;
use crate::history::{EvaluationPoint, History, TrainingPoint};
use crate::network::{Network, inference_model};
use crate::objective::Objective;
use crate::progress::{Progress, RunPlan, StepReport};
use crate::run_state::{Identity, RunState};
use crate::step::TrainingStep;

/// Prefix of the best weights in a checkpoint.
const BEST: &str = "best/";

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// It no longer got better; the weights are those of the best evaluation.
    EarlyStop,
    /// The stop flag was set; the checkpoint, where one is configured, goes on from here.
    Interrupted,
}

/// What a run leaves.
pub struct Outcome {
    /// Why it ended.
    pub ending: Ending,
    /// Steps done.
    pub steps: u64,
    /// The weights and running figures by name.
    pub store: Store,
    /// The inference graph of one picture: input `input` `[1, C, H, W]`, output `output`, weights as constants.
    pub model: Model,
    /// What was measured on the way.
    pub history: History,
}

/// What a run is judged by on the way.
enum Test {
    /// Labelled pictures: loss and right answers.
    Pictures(Arc<dyn Dataset>),
    /// Batches of another task: the loss.
    Batches(Loader),
}

/// A network with its data, ready to learn.
pub struct Trainer<'a> {
    config: TrainerConfig,
    backend: &'a dyn Backend,
    network: &'a dyn Network,
    objective: &'a dyn Objective,
    loader: Loader,
    shape: [usize; 3],
    identity: Identity,
    test: Option<Test>,
    step: TrainingStep,
    session: Box<dyn Session>,
    state: RunState,
    best: Store,
    events: Option<EventWriter>,
}

impl<'a> Trainer<'a> {
    /// Builds the step graph, readies it on the backend and starts the weights by the seed.
    ///
    /// # Errors
    /// A network that does not build or has no gradient, a backend that refuses the graph, or settings that make no
    /// sense.
    pub fn new(
        backend: &'a dyn Backend,
        network: &'a dyn Network,
        objective: &'a dyn Objective,
        train: Arc<dyn Dataset>,
        test: Option<Arc<dyn Dataset>>,
        config: TrainerConfig,
    ) -> Result<Self, TrainError> {
        let shape = train.shape();
        if let Some(test) = test.as_ref().filter(|t| t.shape() != shape || t.classes() != train.classes()) {
            return Err(TrainError::Setting(format!(
                "training and test pictures differ: {shape:?} in {} classes, {:?} in {}",
                train.classes().len(),
                test.shape(),
                test.classes().len()
            )));
        }
        let loader = LoaderConfig {
            batch: config.batch,
            training: true,
            seed: config.seed,
            workers: config.workers,
            augmentations: config.augmentations.clone(),
            normalization: config.normalization.clone(),
        };
        Self::ready(backend, network, objective, Loader::new(train, loader)?, test.map(Test::Pictures), shape, config)
    }

    /// As [`Trainer::new`], for batches of any task. Batch, seed, workers, augmentation and normalisation are the
    /// loaders' own; pictures have the sizes `shape` (`[height, width, channels]`).
    ///
    /// # Errors
    /// As there.
    pub fn with_loaders(
        backend: &'a dyn Backend,
        network: &'a dyn Network,
        objective: &'a dyn Objective,
        train: Loader,
        test: Option<Loader>,
        shape: [usize; 3],
        config: TrainerConfig,
    ) -> Result<Self, TrainError> {
        Self::ready(backend, network, objective, train, test.map(Test::Batches), shape, config)
    }

    fn ready(
        backend: &'a dyn Backend,
        network: &'a dyn Network,
        objective: &'a dyn Objective,
        loader: Loader,
        test: Option<Test>,
        shape: [usize; 3],
        config: TrainerConfig,
    ) -> Result<Self, TrainError> {
        let config = TrainerConfig { batch: loader.batch_size(), ..config };
        let identity = Identity::new(&config, objective, loader.samples(), backend.name());
        let step = build_step(network, objective, shape, &config)?;
        let session = backend.prepare_with_feedback(&step.model, &step.feedback)?;
        let events = config.events.as_deref().map(EventWriter::create).transpose()?;
        let mut trainer = Self {
            config,
            backend,
            network,
            objective,
            loader,
            shape,
            identity,
            test,
            step,
            session,
            state: RunState::default(),
            best: Store::new(),
            events,
        };
        trainer.start_from(&Store::new())?;
        Ok(trainer)
    }

    /// Starts from these weights, as far as their names are in the network; the others start by the seed.
    ///
    /// # Errors
    /// A tensor with other sizes.
    pub fn start_from(&mut self, store: &Store) -> Result<(), TrainError> {
        let state = self.step.initial_state(self.config.seed, store)?;
        self.step.write_state(self.session.as_mut(), &state)
    }

    /// Goes on from a checkpoint. On the same backend the run ends with the same weights, to the bit, as one that was
    /// never interrupted.
    ///
    /// # Errors
    /// A file that is broken, or that belongs to a run with other settings.
    pub fn resume(&mut self, path: &Path) -> Result<(), TrainError> {
        let (state, store): (RunState, Store) = load_checkpoint(path)?;
        if let Some(problem) = state.identity.difference(&self.identity) {
            return Err(TrainError::Checkpoint { path: path.to_owned(), problem });
        }
        let (best, kept): (Store, Store) = store.into_iter().partition(|(name, _)| name.starts_with(BEST));
        self.best = best.into_iter().map(|(name, tensor)| (name[BEST.len()..].to_owned(), tensor)).collect();
        self.step.write_state(self.session.as_mut(), &kept)?;
        self.state = state;
        Ok(())
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        let all = self.config.epochs * self.loader.batches() as u64;
        self.config.max_steps.map_or(all, |most| most.min(all))
    }

    /// The graph of one step.
    pub fn step_model(&self) -> &Model {
        &self.step.model
    }

    /// The weights and running figures now.
    ///
    /// # Errors
    /// A failure of the engine.
    pub fn weights(&self) -> Result<Store, TrainError> {
        self.step.read_state(self.session.as_ref())
    }

    /// Runs to the end, or until `stop` is set: then the step is finished and a checkpoint written.
    ///
    /// # Errors
    /// A loss that is no longer a number, broken data, a full disk, or a failure of the engine.
    pub fn run(&mut self, progress: &mut dyn Progress, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let (total, per_epoch) = (self.total_steps(), self.loader.batches() as u64);
        progress.start(&RunPlan {
            total,
            done: self.state.done,
            steps_per_epoch: per_epoch,
            batch: self.config.batch,
            parameters: self.step.parameters.iter().map(|p| p.shape.iter().product::<usize>()).sum(),
        });
        let ending = loop {
            let done = self.state.done;
            if stop.load(Ordering::Relaxed) {
                break Ending::Interrupted;
            }
            let boundary = done > 0 && (done.is_multiple_of(per_epoch) || done >= total);
            if boundary && self.state.evaluated != done {
                self.evaluate_and_keep(progress)?;
            }
            if self.state.stopped_early {
                break Ending::EarlyStop;
            }
            if done >= total {
                break Ending::Finished;
            }
            self.run_epoch(total, progress, stop)?;
        };
        if ending == Ending::Interrupted {
            self.write_checkpoint(progress)?;
        }
        self.outcome(ending)
    }

    /// Steps until the epoch, the run or the caller's patience ends.
    fn run_epoch(&mut self, total: u64, progress: &mut dyn Progress, stop: &AtomicBool) -> Result<(), TrainError> {
        let per_epoch = self.loader.batches() as u64;
        let (epoch, first) = (self.state.done / per_epoch, self.state.done % per_epoch);
        for batch in self.loader.epoch(epoch, first as usize) {
            let report = self.train_on(&batch?, epoch, total)?;
            self.log(&report)?;
            progress.step(&report);
            let due =
                self.config.checkpoint_every.is_some_and(|every| every > 0 && self.state.done.is_multiple_of(every));
            if due {
                self.write_checkpoint(progress)?;
            }
            if self.state.done >= total || stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    fn train_on(&mut self, batch: &Batch, epoch: u64, total: u64) -> Result<StepReport, TrainError> {
        let step = self.state.done + 1;
        let rate = self.config.schedule.rate(self.state.done, total);
        let mut given: Vec<(&str, &Tensor)> = vec![("input", &batch.images), ("target", &batch.labels)];
        let inputs = self.step.inputs(step, rate, self.config.seed);
        given.extend(inputs.iter().chain(&batch.more).map(|(name, tensor)| (name.as_str(), tensor)));
        let outputs = self.session.run(&given)?;
        let loss = outputs[0].to_f32().first().copied().unwrap_or(f32::NAN);
        if !loss.is_finite() {
            return Err(self.not_finite(step, loss));
        }
        let correct = outputs.get(1).and_then(|t| t.to_f64().first().copied());
        self.state.done = step;
        self.state.partial.add(loss, correct, batch.valid);
        let accuracy = correct.map(|c| c / batch.valid.max(1) as f64);
        Ok(StepReport { step, epoch, loss, accuracy, rate })
    }

    fn log(&mut self, report: &StepReport) -> Result<(), TrainError> {
        if self.state.partial.steps < self.config.log_every.max(1) {
            return Ok(());
        }
        let (loss, accuracy) = self.state.partial.take();
        self.state.history.training.push(TrainingPoint { step: report.step, loss, accuracy, rate: report.rate });
        let Some(events) = &mut self.events else { return Ok(()) };
        let mut values = vec![("train/loss", loss), ("train/learning_rate", report.rate)];
        values.extend(accuracy.map(|a| ("train/accuracy", a)));
        events.scalars(report.step, &values)
    }

    fn evaluate_and_keep(&mut self, progress: &mut dyn Progress) -> Result<(), TrainError> {
        self.state.evaluated = self.state.done;
        if let Some(test) = &self.test {
            let weights = self.weights()?;
            let found = self.evaluation(test, &weights)?;
            let correct = found.metrics.as_ref().map(|m| m.correct());
            let point = EvaluationPoint { step: self.state.done, loss: found.loss, correct, total: found.total };
            if let Some(events) = &mut self.events {
                let mut values = vec![("test/loss", point.loss)];
                values.extend(point.accuracy().map(|a| ("test/accuracy", a)));
                events.scalars(point.step, &values)?;
            }
            self.state.history.evaluation.push(point.clone());
            self.judge(&point, weights);
            progress.evaluated(&point);
        }
        self.write_checkpoint(progress)
    }

    fn evaluation(&self, test: &Test, weights: &Store) -> Result<Evaluation, TrainError> {
        let test = match test {
            Test::Pictures(test) => test,
            Test::Batches(loader) => {
                return evaluate_batches(self.backend, self.network, self.objective, weights, loader, self.shape);
            }
        };
        let config = EvaluationConfig {
            batch: self.config.evaluation_batch,
            workers: self.config.workers,
            normalization: self.config.normalization.clone(),
        };
        evaluate_network(self.backend, self.network, self.objective, weights, test, &config)
    }

    /// Keeps the best weights and counts the evaluations since, where the run may stop early.
    fn judge(&mut self, point: &EvaluationPoint, weights: Store) {
        let Some(early) = self.config.early_stop else { return };
        if self.state.improves(point) {
            let parameters = &self.step.parameters;
            let model_state = |name: &String| !self.is_slot(name, parameters.iter().map(|p| p.name.as_str()));
            self.best = weights.into_iter().filter(|(name, _)| model_state(name)).collect();
        } else if self.state.waited >= early.patience {
            self.state.stopped_early = true;
        }
    }

    /// Whether a tensor belongs to the optimiser: a parameter's name with the name of a slot behind it.
    fn is_slot<'n>(&self, name: &str, mut parameters: impl Iterator<Item = &'n str>) -> bool {
        let slots = self.config.optimizer.slots();
        parameters
            .any(|p| name.strip_prefix(p).and_then(|rest| rest.strip_prefix('.')).is_some_and(|s| slots.contains(&s)))
    }

    fn not_finite(&self, step: u64, loss: f32) -> TrainError {
        TrainError::NotFinite { step, loss, checkpoint: self.state.kept.clone() }
    }

    /// Writes the checkpoint, where one is configured and every weight is a number.
    fn write_checkpoint(&mut self, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let Some(path) = self.config.checkpoint.clone() else { return Ok(()) };
        let mut store = self.weights()?;
        if store.values().any(|t| t.to_f32().iter().any(|v| !v.is_finite())) {
            return Err(self.not_finite(self.state.done, f32::NAN));
        }
        store.extend(self.best.iter().map(|(name, tensor)| (format!("{BEST}{name}"), tensor.clone())));
        self.state.identity = self.identity.clone();
        save_checkpoint(&path, &self.state, &store)?;
        self.state.kept = Some(path.clone());
        progress.checkpoint(&path, self.state.done);
        Ok(())
    }

    fn outcome(&self, ending: Ending) -> Result<Outcome, TrainError> {
        let mut store = self.weights()?;
        store.retain(|name, _| !self.is_slot(name, self.step.parameters.iter().map(|p| p.name.as_str())));
        if ending == Ending::EarlyStop && !self.best.is_empty() {
            store = self.best.clone();
        }
        let [height, width, channels] = self.shape;
        let model = inference_model(self.network, &self.config.name, &store, &[1, channels, height, width])?;
        let history = self.state.history.clone();
        Ok(Outcome { ending, steps: self.state.done, store, model, history })
    }
}
