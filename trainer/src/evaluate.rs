//! How good a network is on a data set.

use std::sync::Arc;

use ocellus_backend::Backend;
use ocellus_graph::{DataType, Model, Tensor};

use crate::checkpoint::Store;
use crate::data::{Dataset, Loader, LoaderConfig, Normalization};
use crate::error::TrainError;
use crate::metrics::ClassificationMetrics;
use crate::network::{Network, NetworkBuilder};
use crate::objective::Objective;

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean loss per picture.
    pub loss: f64,
    /// Answers by class, where the answers are scores of the data set's classes.
    pub metrics: Option<ClassificationMetrics>,
    /// Pictures.
    pub total: u64,
}

/// How an evaluation reads its data.
#[derive(Clone, Debug)]
pub struct EvaluationConfig {
    /// Pictures in a batch.
    pub batch: usize,
    /// Threads that make batches.
    pub workers: usize,
    /// From bytes to numbers; the one of training.
    pub normalization: Normalization,
}

/// Runs a network with the weights in `store` over every picture of a set, as it is exported: normalisation by its
/// running figures, nothing random.
///
/// # Errors
/// A network that does not build, a backend that fails, or broken data.
pub fn evaluate_network(
    backend: &dyn Backend,
    network: &dyn Network,
    objective: &dyn Objective,
    store: &Store,
    dataset: &Arc<dyn Dataset>,
    config: &EvaluationConfig,
) -> Result<Evaluation, TrainError> {
    let model = evaluation_graph(network, objective, store, config.batch, dataset.shape())?;
    run(backend, &model, dataset, config)
}

/// Runs a network with the weights in `store` over all batches of a loader, as [`evaluate_network`]; pictures have the
/// sizes `shape` (`[height, width, channels]`). Only the loss is known.
///
/// # Errors
/// As there.
pub fn evaluate_batches(
    backend: &dyn Backend,
    network: &dyn Network,
    objective: &dyn Objective,
    store: &Store,
    loader: &Loader,
    shape: [usize; 3],
) -> Result<Evaluation, TrainError> {
    let model = evaluation_graph(network, objective, store, loader.batch_size(), shape)?;
    run_batches(backend, &model, loader, None)
}

/// Forward pass and losses: inputs as in training, outputs `output` and `losses`.
fn evaluation_graph(
    network: &dyn Network,
    objective: &dyn Objective,
    store: &Store,
    batch: usize,
    [height, width, channels]: [usize; 3],
) -> Result<Model, TrainError> {
    let mut net = NetworkBuilder::inference("evaluation", store);
    let x = net.input("input", DataType::F32, &[batch, channels, height, width]);
    let (dtype, shape) = objective.target(batch);
    let target = net.input("target", dtype, &shape);
    let output = network.build(&mut net, x)?;
    let losses = objective.losses(&mut net, output, target)?;
    net.output(output, "output");
    net.output(losses, "losses");
    Ok(net.finish())
}

/// Runs an exported model with one input `[N, C, H, W]` and scores `[N, classes]` as its first output over every
/// picture of a set; `N` is the batch that the model was made for, whatever `config` says. The loss is not known
/// and 0.
///
/// # Errors
/// A model of another form, a backend that fails, or broken data.
pub fn evaluate_model(
    backend: &dyn Backend,
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    config: &EvaluationConfig,
) -> Result<Evaluation, TrainError> {
    let [input] = model.graph.inputs[..] else {
        let count = model.graph.inputs.len();
        return Err(TrainError::Setting(format!("the model has to have one input, found {count}")));
    };
    let shape = model.graph.value(input).shape.as_ref().and_then(ocellus_graph::Shape::known).unwrap_or_default();
    let [height, width, channels] = dataset.shape();
    if shape.len() != 4 || shape[1..] != [channels, height, width] {
        return Err(TrainError::Setting(format!(
            "the model takes {shape:?}, the pictures are [N, {channels}, {height}, {width}]"
        )));
    }
    run(backend, model, dataset, &EvaluationConfig { batch: shape[0], ..config.clone() })
}

fn run(
    backend: &dyn Backend,
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    config: &EvaluationConfig,
) -> Result<Evaluation, TrainError> {
    let loader = LoaderConfig {
        batch: config.batch,
        training: false,
        seed: 0,
        workers: config.workers,
        augmentations: Vec::new(),
        normalization: config.normalization.clone(),
    };
    run_batches(backend, model, &Loader::new(Arc::clone(dataset), loader)?, Some(dataset.classes().len()))
}

/// Runs a model over all batches; answers are judged where they are scores of `classes` classes.
fn run_batches(
    backend: &dyn Backend,
    model: &Model,
    loader: &Loader,
    classes: Option<usize>,
) -> Result<Evaluation, TrainError> {
    let mut session = backend.prepare(model)?;
    let names: Vec<String> = session.inputs().iter().map(|p| p.name.clone()).collect();
    let scored = |c: &usize| session.outputs()[0].shape == [loader.batch_size(), *c];
    let mut metrics = classes.filter(scored).map(|classes| ClassificationMetrics::new(classes, 5));
    let (mut loss, mut total) = (0.0, 0u64);
    for batch in loader.epoch(0, 0) {
        let batch = batch?;
        let main = names.iter().map(String::as_str).filter(|n| batch.more.iter().all(|(m, _)| m != n));
        let mut given: Vec<(&str, &Tensor)> = main.zip([&batch.images, &batch.labels]).collect();
        given.extend(batch.more.iter().map(|(name, tensor)| (name.as_str(), tensor)));
        let outputs = session.run(&given)?;
        if let Some(metrics) = &mut metrics {
            let labels = batch.labels.to_i64();
            metrics.add(&outputs[0].to_f32(), &labels[..batch.valid]);
        }
        if let Some(losses) = outputs.get(1) {
            loss += losses.to_f64()[..batch.valid].iter().sum::<f64>();
        }
        total += batch.valid as u64;
    }
    Ok(Evaluation { loss: loss / total.max(1) as f64, metrics, total })
}
