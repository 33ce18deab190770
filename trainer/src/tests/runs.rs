use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ocellus_backend::open;
use ocellus_graph::{Tensor, ValueId};
use ocellus_ops::OpError;

use super::{bars, config, network};
use crate::checkpoint::{Store, load_checkpoint};
use crate::events::read_events;
use crate::{
    Classification, EarlyStop, Ending, EvaluationConfig, EvaluationPoint, Initializer, NetworkBuilder, Progress,
    RunPlan, Schedule, StepReport, TrainError, Trainer, TrainerConfig, evaluate_model,
};

const OBJECTIVE: Classification = Classification::CrossEntropy { smoothing: 0.0 };

#[derive(Default)]
struct Watch {
    plan: Option<RunPlan>,
    steps: Vec<u64>,
    evaluations: usize,
    checkpoints: usize,
}

impl Progress for Watch {
    fn start(&mut self, plan: &RunPlan) {
        self.plan = Some(*plan);
    }
    fn step(&mut self, report: &StepReport) {
        self.steps.push(report.step);
    }
    fn evaluated(&mut self, _: &EvaluationPoint) {
        self.evaluations += 1;
    }
    fn checkpoint(&mut self, _: &Path, _: u64) {
        self.checkpoints += 1;
    }
}

#[test]
fn a_network_learns_and_the_exported_model_agrees() {
    let backend = open("tract", 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = TrainerConfig { epochs: 15, events: Some(folder.path().join("events")), ..config() };
    let evaluation = EvaluationConfig { batch: 1, workers: 1, normalization: config.normalization.clone() };
    let test = bars(50, 2);
    let mut trainer =
        Trainer::new(backend.as_ref(), &network, &OBJECTIVE, bars(180, 1), Some(test.clone()), config).unwrap();
    let mut watch = Watch::default();
    let outcome = trainer.run(&mut watch, &AtomicBool::new(false)).unwrap();
    assert_eq!((outcome.ending, outcome.steps), (Ending::Finished, 225));
    assert_eq!((watch.steps.len(), watch.evaluations, watch.plan.unwrap().steps_per_epoch), (225, 15, 15));
    let first = outcome.history.training.first().unwrap();
    let last = outcome.history.evaluation.last().unwrap();
    assert!(first.loss > 0.6 && last.loss < 0.2, "{} {}", first.loss, last.loss);
    assert!(last.correct.unwrap() >= 47, "{last:?}");
    let exported = evaluate_model(backend.as_ref(), &outcome.model, &test, &evaluation).unwrap();
    assert_eq!(exported.metrics.unwrap().correct(), last.correct.unwrap());
    assert!(outcome.store.keys().all(|name| !name.contains("mean_square")), "{:?}", outcome.store.keys());
    assert!(outcome.model.graph.inputs.len() == 1 && outcome.store.contains_key("bn1.mean"));
    let file = folder.path().join("events").read_dir().unwrap().next().unwrap().unwrap().path();
    let events = read_events(&std::fs::read(file).unwrap()).unwrap();
    let tags = |tag: &str| {
        let values = events.iter().filter_map(|e| e.summary.as_ref()).flat_map(|s| &s.value);
        values.filter(|v| v.tag == tag).count()
    };
    assert_eq!((tags("train/loss"), tags("test/accuracy")), (45, 15));
}

#[test]
fn every_other_objective_learns() {
    let backend = open("tract", 1).unwrap();
    let objectives = [
        Classification::Hinge { squared: false },
        Classification::MultiClassHinge { squared: true },
        Classification::SquaredError,
        Classification::CrossEntropy { smoothing: 0.1 },
    ];
    for objective in objectives {
        let config = TrainerConfig { epochs: 4, ..config() };
        let mut trainer =
            Trainer::new(backend.as_ref(), &network, &objective, bars(180, 1), Some(bars(50, 2)), config).unwrap();
        let outcome = trainer.run(&mut (), &AtomicBool::new(false)).unwrap();
        let last = outcome.history.evaluation.last().unwrap();
        assert!(last.correct.unwrap() >= 40, "{objective:?}: {last:?}");
    }
}

#[test]
fn a_loss_that_is_no_number_stops_and_keeps_the_checkpoint() {
    let backend = open("tract", 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.ckpt");
    // 20 good steps, then a rate that throws the weights beyond all numbers.
    let schedule = Schedule::Step { rate: 1e-3, factor: 1e30, every: 20 };
    let config = TrainerConfig { schedule, checkpoint: Some(path.clone()), checkpoint_every: Some(4), ..config() };
    let mut trainer = Trainer::new(backend.as_ref(), &network, &OBJECTIVE, bars(180, 1), None, config).unwrap();
    let error = trainer.run(&mut (), &AtomicBool::new(false)).err().expect("no number");
    let TrainError::NotFinite { step, checkpoint, .. } = &error else { panic!("{error}") };
    assert!((21..=25).contains(step), "{error}");
    assert_eq!(checkpoint.as_deref(), Some(path.as_path()));
    assert!(error.to_string().contains(&format!("step {step}")) && error.to_string().contains("run.ckpt"), "{error}");
    let (_, store): (serde_json::Value, Store) = load_checkpoint(&path).unwrap();
    assert!(store.values().all(|t| t.to_f32().iter().all(|v| v.is_finite())));
}

/// Sets the stop flag after a step.
struct StopAfter<'a>(u64, &'a AtomicBool);

impl Progress for StopAfter<'_> {
    fn step(&mut self, report: &StepReport) {
        if report.step == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_interrupted_run_leaves_a_checkpoint() {
    let backend = open("tract", 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.ckpt");
    let config = TrainerConfig { checkpoint: Some(path.clone()), ..config() };
    let mut trainer = Trainer::new(backend.as_ref(), &network, &OBJECTIVE, bars(180, 1), None, config).unwrap();
    let stop = AtomicBool::new(false);
    let outcome = trainer.run(&mut StopAfter(7, &stop), &stop).unwrap();
    assert_eq!((outcome.ending, outcome.steps), (Ending::Interrupted, 7));
    assert!(path.is_file());
}

#[test]
fn a_run_that_gets_no_better_stops_with_its_best_weights() {
    let backend = open("tract", 1).unwrap();
    let config = TrainerConfig {
        epochs: 50,
        early_stop: Some(EarlyStop { patience: 2 }),
        schedule: Schedule::Constant { rate: 0.0 },
        ..config()
    };
    let evaluation = EvaluationConfig { batch: 1, workers: 1, normalization: config.normalization.clone() };
    let test = bars(20, 2);
    // Nothing moves without normalisation: every evaluation is the same.
    let linear = |net: &mut NetworkBuilder, x: ValueId| -> Result<ValueId, OpError> {
        let x = net.flatten(x, 1)?;
        net.dense_layer("dense", x, 3)
    };
    let mut trainer =
        Trainer::new(backend.as_ref(), &linear, &OBJECTIVE, bars(36, 1), Some(test.clone()), config).unwrap();
    let outcome = trainer.run(&mut (), &AtomicBool::new(false)).unwrap();
    assert_eq!((outcome.ending, outcome.steps, outcome.history.evaluation.len()), (Ending::EarlyStop, 9, 3));
    let found = evaluate_model(backend.as_ref(), &outcome.model, &test, &evaluation).unwrap();
    assert_eq!(Some(found.metrics.unwrap().correct()), outcome.history.evaluation[0].correct);
}

#[test]
fn frozen_parameters_stay_and_mistakes_are_named() {
    let backend = open("tract", 1).unwrap();
    let frozen = vec!["dense2.bias".to_owned()];
    let config1 = TrainerConfig { frozen, max_steps: Some(3), ..config() };
    let mut trainer = Trainer::new(backend.as_ref(), &network, &OBJECTIVE, bars(36, 1), None, config1).unwrap();
    let before = trainer.weights().unwrap();
    let mut start = Store::new();
    start.insert("dense2.bias".to_owned(), Tensor::vector(&[1.0f32, 2.0, 3.0]));
    trainer.start_from(&start).unwrap();
    trainer.run(&mut (), &AtomicBool::new(false)).unwrap();
    let after = trainer.weights().unwrap();
    assert_eq!(after["dense2.bias"], Tensor::vector(&[1.0f32, 2.0, 3.0]));
    assert_ne!(after["conv1.weight"], before["conv1.weight"]);
    start.insert("dense2.bias".to_owned(), Tensor::vector(&[1.0f32]));
    assert!(trainer.start_from(&start).unwrap_err().to_string().contains("dense2.bias"));
    let error = |config: TrainerConfig| {
        Trainer::new(backend.as_ref(), &network, &OBJECTIVE, bars(36, 1), None, config).err().unwrap().to_string()
    };
    assert!(error(TrainerConfig { frozen: vec!["conv9".to_owned()], ..config() }).contains("conv9"));
    assert!(error(TrainerConfig { batch: 37, ..config() }).contains("37"));
    let unused = |net: &mut NetworkBuilder, x: ValueId| -> Result<ValueId, OpError> {
        net.parameter("idle", &[2], Initializer::Zeros, (1, 1), false)?;
        network(net, x)
    };
    let unused = Trainer::new(backend.as_ref(), &unused, &OBJECTIVE, bars(36, 1), None, config());
    assert!(unused.err().unwrap().to_string().contains("idle"));
}
