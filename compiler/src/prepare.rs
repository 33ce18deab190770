//! From a model as read to a model that can be lowered.

use std::fmt;

use ocellus_graph::Model;
use ocellus_ops::{OpError, bind_shapes, find, infer, simplify, upgrade};

/// A node that the device cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The node.
    pub node: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node, self.reason)
    }
}

/// A model at opset 21 with known shapes, simplified.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The model.
    pub model: Model,
    /// Symbolic sizes that nobody fixed and that are 1 now.
    pub assumed: Vec<String>,
}

/// Brings a model to opset 21, fixes its shapes by `shapes` (by input name), types every value and simplifies it.
///
/// # Errors
/// An opset that is not read, a contradiction of shapes, or a node that its rule refuses. Nodes of unknown operators are
/// no error here as long as nothing behind them needs their type: ask [`check`] first.
pub fn prepare(mut model: Model, shapes: &[(String, Vec<usize>)]) -> Result<Prepared, OpError> {
    upgrade(&mut model)?;
    let assumed = bind_shapes(&mut model, shapes)?;
    infer(&mut model)?;
    simplify(&mut model)?;
    model.graph.remove_dead();
    Ok(Prepared { model, assumed })
}

/// Every node that the device cannot run: unknown operators, and operators without a lowering rule.
pub fn check(model: &Model) -> Vec<Unsupported> {
    let reason = |domain: &str, op: &str| match find(domain, op) {
        None if domain.is_empty() => Some(format!("{op} is not a supported operator")),
        None => Some(format!("{op} of domain {domain} is not a supported operator")),
        Some(def) if def.lower.is_none() && def.role == ocellus_ops::Role::Compute => {
            Some(format!("{op} has no form on the device"))
        }
        Some(_) => None,
    };
    let nodes = model.graph.nodes.iter();
    nodes.filter_map(|n| Some(Unsupported { node: n.label(), reason: reason(&n.domain, &n.op)? })).collect()
}
