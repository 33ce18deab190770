//! The reference interpreter: every node by its float evaluation, in f64, slow and obviously right.

use std::collections::{BTreeMap, HashMap};

use ocellus_graph::{Graph, Model, Node, Tensor, ValueId};

use crate::{EvalContext, OpError, find};

/// The values of a run, by id.
pub type Values = HashMap<ValueId, Tensor>;

/// Evaluates one node.
///
/// # Errors
/// An unknown operator, one without an evaluation, or inputs that it refuses.
pub fn evaluate_node(node: &Node, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
    let def = find(&node.domain, &node.op).ok_or_else(|| OpError::at(node, "is not a supported operator"))?;
    let eval = def.eval.ok_or_else(|| OpError::at(node, "has no evaluation"))?;
    eval(&EvalContext { node, inputs })
}

/// Evaluates every node and returns all values, inputs and initializers among them.
///
/// # Errors
/// A missing input, or the first node that fails.
pub fn evaluate_values(graph: &Graph, inputs: &[(&str, Tensor)]) -> Result<Values, OpError> {
    let mut values: Values = graph.initializers.iter().map(|(&k, v)| (k, v.clone())).collect();
    for &id in &graph.inputs {
        let name = &graph.value(id).name;
        let given = inputs.iter().find(|(n, _)| n == name);
        let (_, tensor) = given.ok_or_else(|| OpError::graph(&graph.name, format!("input {name:?} is not given")))?;
        values.insert(id, tensor.clone());
    }
    for node in &graph.nodes {
        let inputs: Vec<_> = node.inputs.iter().map(|v| v.and_then(|v| values.get(&v))).collect();
        let outputs = evaluate_node(node, &inputs)?;
        for (id, tensor) in node.outputs.iter().zip(outputs) {
            if let Some(id) = id {
                values.insert(*id, tensor);
            }
        }
    }
    Ok(values)
}

/// Evaluates a model and returns its outputs by name.
///
/// # Errors
/// As [`evaluate_values`].
pub fn evaluate(model: &Model, inputs: &[(&str, Tensor)]) -> Result<BTreeMap<String, Tensor>, OpError> {
    let graph = &model.graph;
    let values = evaluate_values(graph, inputs)?;
    let output = |&id: &ValueId| {
        let name = graph.value(id).name.clone();
        let tensor = values.get(&id).cloned();
        tensor.map(|t| (name.clone(), t)).ok_or_else(|| OpError::graph(&graph.name, format!("nothing makes {name:?}")))
    };
    graph.outputs.iter().map(output).collect()
}
