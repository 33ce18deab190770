//! The walk that brings a model of any opset to opset 21.

use ocellus_graph::Model;

use crate::{OpError, UpgradeContext, find};

/// The opsets that are read.
pub const READABLE: std::ops::RangeInclusive<i64> = 6..=25;

/// Rewrites every node to opset 21 by its operator's rule, and sets the model's opset.
/// Nodes of unknown operators stay as they are: `unsupported` names them all.
///
/// # Errors
/// An opset outside 6 to 25, or a node that cannot be expressed in opset 21.
pub fn upgrade(model: &mut Model) -> Result<(), OpError> {
    let opset = model.opset;
    if !READABLE.contains(&opset) {
        let range = format!("{} to {}", READABLE.start(), READABLE.end());
        return Err(OpError::graph(&model.graph.name, format!("opset {opset} is not supported; {range} are")));
    }
    let graph = &mut model.graph;
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for node in std::mem::take(&mut graph.nodes) {
        match find(&node.domain, &node.op).and_then(|def| def.upgrade) {
            None => nodes.push(node),
            Some(rule) => {
                let mut context = UpgradeContext { node, opset, graph, before: Vec::new(), after: Vec::new() };
                rule(&mut context)?;
                let UpgradeContext { node, before, after, .. } = context;
                nodes.extend(before);
                nodes.push(node);
                nodes.extend(after);
            }
        }
    }
    graph.nodes = nodes;
    model.opset = Model::OPSET;
    Ok(())
}
