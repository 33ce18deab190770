//! From a network and an objective to the graph of a step.

use std::sync::Arc;

use ocellus_graph::DataType;

use crate::config::TrainerConfig;
use crate::error::TrainError;
use crate::network::{Network, NetworkBuilder};
use crate::objective::Objective;
use crate::step::{StepConfig, TrainingStep};

/// The step graph of a network under an objective: outputs the mean loss and the count of right answers.
pub fn build_step(
    network: &dyn Network,
    objective: &dyn Objective,
    [height, width, channels]: [usize; 3],
    config: &TrainerConfig,
) -> Result<TrainingStep, TrainError> {
    let mut net = NetworkBuilder::training(&format!("{} training step", config.name)).for_eight_bits(config.eight_bits);
    let x = net.input("input", DataType::F32, &[config.batch, channels, height, width]);
    let (dtype, shape) = objective.target(config.batch);
    let target = net.input("target", dtype, &shape);
    let output = network.build(&mut net, x)?;
    let losses = objective.losses(&mut net, output, target)?;
    let loss = net.reduce_mean(losses, &[0], false)?;
    let correct = objective.correct(&mut net, output, target)?;
    let mut outputs = vec![(loss, "loss")];
    outputs.extend(correct.map(|c| (c, "correct")));
    let named = config.frozen.iter().chain(config.rates.iter().map(|(name, _)| name));
    if let Some(unknown) = named.into_iter().find(|group| !net.parameters.iter().any(|p| within(&p.name, group))) {
        let known: Vec<&str> = net.parameters.iter().map(|p| p.name.as_str()).collect();
        return Err(TrainError::Setting(format!("no parameter is called {unknown:?}; there are {}", known.join(", "))));
    }
    let trainable = |name: &str| !config.frozen.iter().any(|group| within(name, group));
    let factor = |name: &str| config.rates.iter().find(|(group, _)| within(name, group)).map_or(1.0, |r| r.1);
    let step = StepConfig {
        optimizer: Arc::clone(&config.optimizer),
        clipping: config.clipping,
        trainable: &trainable,
        factor: &factor,
    };
    TrainingStep::new(net, loss, &outputs, &step)
}

/// Whether a parameter is the one of this name, or in the layer of this name: `stage1.conv.weight` is in `stage1`.
pub fn within(parameter: &str, group: &str) -> bool {
    parameter.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
