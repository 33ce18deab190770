//! Errors of compilation.

use ocellus_kernels::half::Storage;
use ocellus_ops::OpError;

use crate::prepare::Unsupported;

/// Why a model cannot be compiled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompileError {
    /// Nodes that the device cannot run, all of them.
    #[error("{} of the model's nodes cannot run on the device:\n{}", .0.len(), list(.0))]
    Unsupported(Vec<Unsupported>),
    /// A rule refused a node.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The arena is larger than the limit.
    #[error("the arena needs {needed} bytes, --max-ram allows {limit}; the peak is at {}", peak.join(" and "))]
    MaxRam {
        /// Bytes needed.
        needed: usize,
        /// Bytes allowed.
        limit: usize,
        /// The steps that set the peak.
        peak: Vec<String>,
    },
    /// A weight that 16 bits do not hold.
    #[error("step {step}: a weight is {value}, which {} does not hold; compile with {}", name(*storage), other(*storage))]
    Storage {
        /// The step: its operation and its node.
        step: String,
        /// The weight.
        value: f32,
        /// What weights were to be stored in.
        storage: Storage,
    },
    /// The plan would not fit its 32-bit offsets.
    #[error("the {0} are larger than 4 GiB, which a plan cannot address")]
    TooLarge(&'static str),
    /// A bug of the compiler, found by its own checker.
    #[error("internal check failed: {0}; please report this model")]
    Internal(String),
}

fn name(storage: Storage) -> &'static str {
    match storage {
        Storage::F32 => "f32",
        Storage::F16 => "f16, whose greatest number is 65504,",
        Storage::Bf16 => "bf16",
    }
}

fn other(storage: Storage) -> &'static str {
    if storage == Storage::F16 { "bf16 or f32" } else { "f32" }
}

fn list(nodes: &[Unsupported]) -> String {
    nodes.iter().map(|n| format!("  {n}")).collect::<Vec<_>>().join("\n")
}
