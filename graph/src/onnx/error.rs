//! What can be wrong with an ONNX file.

use std::io;
use std::path::{Path, PathBuf};

/// An ONNX file that cannot be read or written: which file, and what is wrong with it.
#[derive(Debug)]
pub struct OnnxError {
    /// The file, where the model came from one or was to be written to one.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub problem: Box<OnnxProblem>,
}

/// What is wrong with an ONNX file: the place in it, what was expected there, and what was found.
#[derive(Debug, thiserror::Error)]
pub enum OnnxProblem {
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    /// The file could not be written.
    #[error("cannot be written: {0}")]
    Write(#[source] io::Error),
    /// The bytes are not the protobuf messages of ONNX.
    #[error("is not an ONNX file, or is damaged: {0}")]
    Protobuf(#[source] prost::DecodeError),
    /// The model as a whole.
    #[error("expected {expected}, found {found}")]
    Model {
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A node.
    #[error("{node}: expected {expected}, found {found}")]
    Node {
        /// Name and operator of the node.
        node: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// An attribute of a node.
    #[error("attribute {attribute:?} of {node}: expected {expected}, found {found}")]
    Attribute {
        /// Name and operator of the node.
        node: String,
        /// The attribute's name.
        attribute: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A dense tensor: an initializer or an attribute.
    #[error("tensor {tensor:?}: expected {expected}, found {found}")]
    Tensor {
        /// The tensor's name.
        tensor: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The declared type of an input, an output or an inner value.
    #[error("value {value:?}: expected {expected}, found {found}")]
    Value {
        /// The value's name.
        value: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Two makers of one value.
    #[error("value {value:?} is made twice: by {first} and by {second}")]
    MadeTwice {
        /// The value's name.
        value: String,
        /// One maker.
        first: String,
        /// The other.
        second: String,
    },
    /// A value without a maker.
    #[error("value {value:?}, read by {reader}, is made by no input, initializer or node")]
    Undefined {
        /// The value's name.
        value: String,
        /// Who reads it.
        reader: String,
    },
    /// Nodes that wait for each other.
    #[error("the graph has a cycle: {}", .nodes.join(" <- "))]
    Cycle {
        /// The nodes of one cycle, each reading from the next.
        nodes: Vec<String>,
    },
}

impl OnnxError {
    /// The problem in this file.
    pub(super) fn of(file: Option<&Path>, problem: OnnxProblem) -> Self {
        Self { file: file.map(Path::to_path_buf), problem: Box::new(problem) }
    }
}

impl std::fmt::Display for OnnxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        write!(f, "{}", self.problem)
    }
}

impl std::error::Error for OnnxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.problem)
    }
}

/// Short forms for the places that are named most.
impl OnnxProblem {
    pub(super) fn model(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Model { expected: expected.into(), found: found.into() }
    }

    pub(super) fn node(node: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Node { node: node.into(), expected: expected.into(), found: found.into() }
    }

    pub(super) fn tensor(tensor: &str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Tensor { tensor: tensor.to_owned(), expected: expected.into(), found: found.into() }
    }

    pub(super) fn value(value: &str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Value { value: value.to_owned(), expected: expected.into(), found: found.into() }
    }
}
