//! Errors of compilation.

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
    /// The plan would not fit its 32-bit offsets.
    #[error("the {0} are larger than 4 GiB, which a plan cannot address")]
    TooLarge(&'static str),
    /// A bug of the compiler, found by its own checker.
    #[error("internal check failed: {0}; please report this model")]
    Internal(String),
}

fn list(nodes: &[Unsupported]) -> String {
    nodes.iter().map(|n| format!("  {n}")).collect::<Vec<_>>().join("\n")
}
