//! The error of every rule.

use ocellus_graph::Node;

/// What is wrong with a node: which node, and what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{node}: {problem}")]
pub struct OpError {
    /// Name and operator of the node.
    pub node: String,
    /// What is wrong, with what was expected and what was found.
    pub problem: String,
}

impl OpError {
    /// An error at this node.
    pub fn at(node: &Node, problem: impl Into<String>) -> Self {
        Self { node: node.label(), problem: problem.into() }
    }

    /// An error of the graph as a whole.
    pub fn graph(name: &str, problem: impl Into<String>) -> Self {
        Self { node: format!("graph {name:?}"), problem: problem.into() }
    }
}
