//! What can go wrong between a float model and an integer one.

use ocellus_backend::BackendError;
use ocellus_ops::OpError;

/// An error of the quantizer: where, what was found, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// A rule of an operator refuses a node.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The engine that runs the model fails.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The source of calibration data fails.
    #[error("calibration batch {index}: {source}")]
    Batch {
        /// Which batch, from 0.
        index: usize,
        /// What the source said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no calibration data.
    #[error("model {model:?}: no calibration batch was given; at least one is needed to choose scales")]
    NoBatches {
        /// Name of the model's graph.
        model: String,
    },
    /// A switch has no meaning.
    #[error("option {option} is {found}; {expected}")]
    Option {
        /// The switch.
        option: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The model cannot be quantized as it is.
    #[error("model {model:?}: {problem}")]
    Model {
        /// Name of the model's graph.
        model: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A value of the model cannot be quantized.
    #[error("tensor {tensor:?} of calibration batch {batch}: {problem}")]
    Tensor {
        /// Name of the value.
        tensor: String,
        /// Which batch, from 0.
        batch: usize,
        /// What is wrong.
        problem: String,
    },
    /// An output channel of a node cannot be computed in integers.
    #[error("{node}, output channel {channel}: {problem}")]
    Channel {
        /// Name and operator of the node.
        node: String,
        /// The output channel.
        channel: usize,
        /// What is wrong, and what to do.
        problem: String,
    },
}
