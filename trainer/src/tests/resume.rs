use std::sync::atomic::{AtomicBool, Ordering};

use ocellus_backend::{Backend, open};

use super::{bars, config, network};
use crate::checkpoint::Store;
use crate::{Classification, Ending, History, Progress, StepReport, Trainer, TrainerConfig};

const OBJECTIVE: Classification = Classification::CrossEntropy { smoothing: 0.1 };

struct StopAfter<'a>(u64, &'a AtomicBool);

impl Progress for StopAfter<'_> {
    fn step(&mut self, report: &StepReport) {
        if report.step == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

fn trainer<'a>(backend: &'a dyn Backend, config: TrainerConfig) -> Trainer<'a> {
    Trainer::new(backend, &network, &OBJECTIVE, bars(60, 1), Some(bars(20, 2)), config).unwrap()
}

fn bits(store: &Store) -> Vec<(String, Vec<u8>)> {
    store.iter().map(|(k, v)| (k.clone(), v.to_le_bytes().unwrap())).collect()
}

fn check(backend: &dyn Backend) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.ckpt");
    let settings = || TrainerConfig { checkpoint: Some(path.clone()), epochs: 4, ..config() };
    let mut whole = trainer(backend, TrainerConfig { checkpoint: None, ..settings() });
    let expected = whole.run(&mut (), &AtomicBool::new(false)).unwrap();
    let expected_state = bits(&whole.weights().unwrap());
    // In the middle of an epoch, at the end of one before its evaluation, and after 0 steps.
    for at in [7, 10, 0] {
        let stop = AtomicBool::new(at == 0);
        let mut first = trainer(backend, settings());
        let stopped = first.run(&mut StopAfter(at, &stop), &stop).unwrap();
        assert_eq!((stopped.ending, stopped.steps), (Ending::Interrupted, at));
        let mut second = trainer(backend, TrainerConfig { seed: config().seed, workers: 1, ..settings() });
        second.resume(&path).unwrap();
        let resumed = second.run(&mut (), &AtomicBool::new(false)).unwrap();
        assert_eq!(bits(&second.weights().unwrap()), expected_state, "stopped after {at}");
        assert_eq!(bits(&resumed.store), bits(&expected.store));
        let points = |h: &History| h.evaluation.iter().map(|e| (e.step, e.correct)).collect::<Vec<_>>();
        assert_eq!(points(&resumed.history), points(&expected.history));
        assert_eq!(resumed.history.training.len(), expected.history.training.len());
    }
}

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    check(open("tract", 1).unwrap().as_ref());
}

#[test]
fn a_resumed_run_ends_with_the_same_bits_on_onnx_runtime() {
    match open("ort-cpu", 1) {
        Ok(backend) => check(backend.as_ref()),
        Err(e) => eprintln!("skipped: {e}"),
    }
}

#[test]
fn another_run_or_a_broken_file_is_refused() {
    let backend = open("tract", 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.ckpt");
    let settings = || TrainerConfig { checkpoint: Some(path.clone()), max_steps: Some(2), ..config() };
    trainer(backend.as_ref(), settings()).run(&mut (), &AtomicBool::new(false)).unwrap();
    let refused = |config: TrainerConfig| trainer(backend.as_ref(), config).resume(&path).unwrap_err().to_string();
    let message = refused(TrainerConfig { seed: 8, ..settings() });
    assert!(message.contains("seed is 7; this run's is 8"), "{message}");
    assert!(refused(TrainerConfig { batch: 10, ..settings() }).contains("batch is 12"));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let message = refused(settings());
    assert!(message.contains("run.ckpt") && message.contains("truncated"), "{message}");
}
