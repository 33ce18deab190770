//! How a graph learns: autograd, losses, optimisers, data, metrics, checkpoints.
//!
//! Training is itself a graph. [`Network::build`] describes a network once; [`TrainingStep`] turns it into a graph that
//! does one step (forward, loss, backward, update), which any [backend](ocellus_backend) runs; [`Trainer`] runs it over
//! a [data set](data::Dataset). What comes out is a plain inference graph with the weights in it.
//!
//! - [`autograd`] appends gradients to a graph; [`losses`] and [`optimizers`] are compositions of operators.
//! - Nothing in a graph is random: masks and shuffles come from a [counter-based generator](random), so that a run
//!   resumes from its [checkpoint] to the same bits.
//! - [`events`] and [`curve`] show a run, [`metrics`] judge it.
#![forbid(unsafe_code)]

pub mod autograd;
mod backbone;
mod build_step;
pub mod captioning;
pub mod checkpoint;
mod config;
pub mod curve;
pub mod data;
pub mod detection;
mod error;
mod evaluate;
pub mod events;
mod history;
mod imported;
mod initializers;
mod layers;
pub mod losses;
mod merge;
pub mod metrics;
mod network;
mod objective;
pub mod optimizers;
mod progress;
pub mod random;
mod run_state;
mod schedules;
pub mod segmentation;
mod step;
mod trainer;
pub mod weights;

pub use backbone::{Backbone, Feature};
pub use build_step::within;
pub use config::{EarlyStop, TrainerConfig};
pub use error::{DataError, TrainError};
pub use evaluate::{Evaluation, EvaluationConfig, evaluate_batches, evaluate_model, evaluate_network};
pub use history::{EvaluationPoint, History, TrainingPoint};
pub use imported::ImportedNetwork;
pub use initializers::{Initializer, conv_fans, dense_fans};
pub use layers::ConvLayer;
pub use network::{Draw, Network, NetworkBuilder, Parameter, RandomInput, RunningState, inference_model, name_nodes};
pub use objective::{Classification, Objective};
pub use progress::{Progress, RunPlan, StepReport};
pub use schedules::Schedule;
pub use step::{StepConfig, TrainingStep};
pub use trainer::{Ending, Outcome, Trainer};

#[cfg(test)]
mod tests;
