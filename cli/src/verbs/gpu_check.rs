//! Training steps on CPU and CUDA against each other, where a GPU and ONNX Runtime's GPU library are found.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use ocellus_backend::Backend;
use ocellus_graph::{DataType, Tensor};
use ocellus_models::{ZooModel, samples};
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::data::{Dataset, IdxPart, Loader, LoaderConfig};
use ocellus_trainer::{Classification, NetworkBuilder, Objective, StepConfig, TrainerConfig, TrainingStep};
use serde_json::{Value, json};

use crate::output::{Ending, Output};

/// Relative distance of all weights, as one vector, that is allowed between the two after all steps: float sums in
/// another order, steps after each other.
const BOUND: f64 = 2e-2;
/// Difference of the first loss allowed, relative: one forward pass from the same weights.
const FIRST_LOSS: f64 = 1e-3;

/// `ocellus gpu-check`
#[derive(Args)]
pub struct GpuCheck {
    /// Steps that are compared.
    #[arg(long, default_value_t = 10)]
    steps: u64,
    /// Steps that are timed.
    #[arg(long, default_value_t = 100)]
    timed: u64,
    /// Pictures in a batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
}

/// What one backend did.
struct Trial {
    losses: Vec<f64>,
    weights: Store,
    steps_per_second: f64,
    device_copies: Option<usize>,
}

impl GpuCheck {
    /// Checks, or says why not.
    ///
    /// # Errors
    /// A step that fails on a backend that is there.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let cuda = match ocellus_backend::open("ort-cuda", 1) {
            Ok(backend) => backend,
            Err(reason) => {
                output.answer(format!("skipped: {reason}"), &json!({ "skipped": reason.to_string() }));
                return Ok(Ending::Fine);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = ocellus_backend::open("ort-cpu", threads)?;
        let (mut lines, mut list, mut fine) = (Vec::new(), Vec::new(), true);
        for model in ocellus_models::ALL {
            let on_gpu = match self.trial(model, cuda.as_ref()) {
                Ok(trial) => trial,
                Err(reason) if list.is_empty() => {
                    output.answer(format!("skipped: {reason:#}"), &json!({ "skipped": format!("{reason:#}") }));
                    return Ok(Ending::Fine);
                }
                Err(e) => return Err(e.context(format!("{} on CUDA", model.name))),
            };
            let on_cpu = self.trial(model, cpu.as_ref()).with_context(|| format!("{} on CPU", model.name))?;
            let (text, value, ok) = judge(model.name, &on_cpu, &on_gpu);
            lines.push(text);
            list.push(value);
            fine &= ok;
        }
        output.answer(lines.join("\n"), &json!({ "ok": fine, "models": list }));
        Ok(if fine { Ending::Fine } else { Ending::Failed })
    }

    fn trial(&self, model: &ZooModel, backend: &dyn Backend) -> Result<Trial> {
        let set: Arc<dyn Dataset> = Arc::new(samples::fashion_mnist(IdxPart::Train)?);
        let config = TrainerConfig { batch: self.batch, ..(model.recipe)(1) };
        let step = step_graph(model, &set, &config)?;
        let mut session = backend.prepare_with_feedback(&step.model, &step.feedback)?;
        step.write_state(session.as_mut(), &step.initial_state(1, &Store::new())?)?;
        let loader = LoaderConfig {
            batch: self.batch,
            training: true,
            seed: 1,
            workers: 1,
            augmentations: Vec::new(),
            normalization: config.normalization.clone(),
        };
        let batches = Loader::new(set, loader)?.epoch(0, 0).take(16).collect::<Result<Vec<_>, _>>()?;
        let mut run = |number: u64| -> Result<f64> {
            let batch = &batches[number as usize % batches.len()];
            let extra = step.inputs(number, 0.01, 1);
            let mut given: Vec<(&str, &Tensor)> = vec![("input", &batch.images), ("target", &batch.labels)];
            given.extend(extra.iter().map(|(name, tensor)| (name.as_str(), tensor)));
            let outputs = session.run(&given)?;
            outputs[0].to_f64().first().copied().context("the step has no loss")
        };
        let losses = (1..=self.steps).map(&mut run).collect::<Result<Vec<_>>>()?;
        let weights = step.read_state(session.as_ref())?;
        let device_copies = session.device_copies();
        let mut run = |number: u64| -> Result<()> {
            let batch = &batches[number as usize % batches.len()];
            let extra = step.inputs(number, 0.01, 1);
            let mut given: Vec<(&str, &Tensor)> = vec![("input", &batch.images), ("target", &batch.labels)];
            given.extend(extra.iter().map(|(name, tensor)| (name.as_str(), tensor)));
            session.run(&given)?;
            Ok(())
        };
        let start = Instant::now();
        (self.steps + 1..=self.steps + self.timed).try_for_each(&mut run)?;
        let steps_per_second = self.timed as f64 / start.elapsed().as_secs_f64().max(1e-9);
        Ok(Trial { losses, weights, steps_per_second, device_copies })
    }
}

fn step_graph(model: &ZooModel, set: &Arc<dyn Dataset>, config: &TrainerConfig) -> Result<TrainingStep> {
    let [height, width, channels] = set.shape();
    let objective = Classification::CrossEntropy { smoothing: 0.0 };
    let mut net = NetworkBuilder::training(model.name);
    let x = net.input("input", DataType::F32, &[config.batch, channels, height, width]);
    let (dtype, shape) = objective.target(config.batch);
    let target = net.input("target", dtype, &shape);
    let scores = (model.network)(set.classes().len()).build(&mut net, x)?;
    let losses = objective.losses(&mut net, scores, target)?;
    let loss = net.reduce_mean(losses, &[0], false)?;
    let settings = StepConfig {
        optimizer: Arc::clone(&config.optimizer),
        clipping: config.clipping,
        trainable: &|_| true,
        factor: &|_| 1.0,
    };
    Ok(TrainingStep::new(net, loss, &[(loss, "loss")], &settings)?)
}

/// The distance of all weights as one vector, relative to their length.
fn distance(a: &Store, b: &Store) -> f64 {
    let (mut apart, mut length) = (0.0, 0.0);
    for (name, tensor) in a {
        let other = b.get(name).map(Tensor::to_f64).unwrap_or_default();
        for (x, y) in tensor.to_f64().iter().zip(other) {
            apart += (x - y) * (x - y);
            length += x * x;
        }
    }
    (apart / f64::max(length, 1e-30)).sqrt()
}

fn judge(name: &str, cpu: &Trial, gpu: &Trial) -> (String, Value, bool) {
    let distance = distance(&cpu.weights, &gpu.weights);
    let first = (cpu.losses[0] - gpu.losses[0]).abs() / cpu.losses[0].abs().max(1e-9);
    let copies = gpu.device_copies.unwrap_or(0);
    let fine = distance <= BOUND && first <= FIRST_LOSS && copies == 0;
    let text = format!(
        "{} {name}: {:.1} steps/s on CUDA, {:.1} on CPU; first loss {:.5} and {:.5}; weights apart by {distance:.2e} after \
         {} steps; {copies} copies between host and device in the graph",
        if fine { "ok    " } else { "FAILED" },
        gpu.steps_per_second,
        cpu.steps_per_second,
        gpu.losses[0],
        cpu.losses[0],
        cpu.losses.len()
    );
    let value = json!({
        "model": name, "ok": fine, "cuda_steps_per_s": gpu.steps_per_second, "cpu_steps_per_s": cpu.steps_per_second,
        "weights_distance": distance, "first_loss_difference": first, "device_copies": copies,
    });
    (text, value, fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_backends_that_agree_pass_and_others_fail() {
        let check = GpuCheck { steps: 2, timed: 1, batch: 8 };
        let backend = ocellus_backend::open("tract", 1).unwrap();
        let model = ocellus_models::find("lenet5").unwrap();
        let trial = check.trial(model, backend.as_ref()).unwrap();
        assert_eq!(trial.losses.len(), 2);
        assert!(judge("lenet5", &trial, &trial).2);
        let mut other = Trial { losses: trial.losses.clone(), weights: trial.weights.clone(), ..trial };
        other.device_copies = Some(1);
        assert!(!judge("lenet5", &other, &other).2);
        other.device_copies = None;
        let mut moved = Trial { losses: other.losses.clone(), weights: other.weights.clone(), ..other };
        let first = moved.weights.values_mut().next().unwrap();
        *first = Tensor::full(DataType::F32, first.shape(), 9.0);
        assert!(!judge("lenet5", &other, &moved).2);
    }
}
