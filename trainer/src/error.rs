//! What can go wrong while a graph learns.

use std::path::{Path, PathBuf};

use ocellus_backend::BackendError;
use ocellus_ops::OpError;

/// An error of the trainer.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A node of the network, loss or optimiser does not build, or has no gradient.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The engine refuses the step graph or fails.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A data set is broken.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint is broken or belongs to another run.
    #[error("checkpoint {}: {problem}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss of step {step} is {loss}: training stops. {}. A lower learning rate or gradient clipping may help",
        kept(checkpoint.as_deref())
    )]
    NotFinite {
        /// The step, counted from 1.
        step: u64,
        /// The loss: NaN or an infinity.
        loss: f32,
        /// The last good checkpoint, where one was written.
        checkpoint: Option<PathBuf>,
    },
    /// A setting that makes no sense.
    #[error("{0}")]
    Setting(String),
}

fn kept(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => format!("The last good checkpoint is {}", path.display()),
        None => "No checkpoint was written before".to_owned(),
    }
}

impl TrainError {
    /// An error about a file.
    pub(crate) fn file(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// A data set that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// A file is not what its format says.
    #[error("{}: {what}: expected {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: String,
        /// What the format asks for.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A file or folder cannot be read.
    #[error("{}: {problem}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// A sample does not fit the rest, or a request does not fit the set.
    #[error("{0}")]
    Sample(String),
}

impl DataError {
    pub(crate) fn format(path: &Path, what: &str, expected: impl ToString, found: impl ToString) -> Self {
        let (what, expected, found) = (what.to_owned(), expected.to_string(), found.to_string());
        Self::Format { path: path.to_owned(), what, expected, found }
    }

    pub(crate) fn read(path: &Path, problem: impl ToString) -> Self {
        Self::Read { path: path.to_owned(), problem: problem.to_string() }
    }
}
