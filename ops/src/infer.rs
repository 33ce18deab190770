//! The walk that gives every value its type, folding what is constant.

use std::collections::HashMap;

use ocellus_graph::{Dim, Graph, Model, Node, Shape, Tensor, ValueId};

use crate::{InferContext, OpError, Role, ValueType, evaluate_node, find};

/// Constants up to this many elements are computed on the way (shapes, axes, small tables), larger ones are not.
const FOLD_LIMIT: usize = 4096;

/// The type of a value, where both parts of it are known.
pub(crate) fn value_type(graph: &Graph, value: ValueId) -> Option<ValueType> {
    let v = graph.value(value);
    Some(ValueType { dtype: v.dtype?, shape: v.shape.clone()? })
}

/// Replaces symbols by numbers: `bindings` are shapes of inputs by name. A symbol that no binding fixes becomes 1.
///
/// Returns the symbols that became 1, so that the caller can say so.
///
/// # Errors
/// A binding that names no input, or contradicts the model's own sizes.
pub fn bind_shapes(model: &mut Model, bindings: &[(String, Vec<usize>)]) -> Result<Vec<String>, OpError> {
    let graph = &mut model.graph;
    let mut symbols: HashMap<String, usize> = HashMap::new();
    for (name, sizes) in bindings {
        let id = graph.inputs.iter().copied().find(|&v| graph.value(v).name == *name).ok_or_else(|| {
            let names: Vec<_> = graph.inputs.iter().map(|&v| graph.value(v).name.clone()).collect();
            OpError::graph(&graph.name, format!("no input is called {name:?}; the inputs are {}", names.join(", ")))
        })?;
        let old = graph.value(id).shape.clone().unwrap_or_else(|| Shape::fixed(sizes));
        let fits = old.rank() == sizes.len() && old.iter().zip(sizes).all(|(d, &n)| d.known().is_none_or(|k| k == n));
        if !fits {
            return Err(OpError::graph(
                &graph.name,
                format!("input {name:?} has shape {old}, which {sizes:?} contradicts"),
            ));
        }
        for (d, &n) in old.iter().zip(sizes) {
            if let Dim::Symbol(s) = d {
                symbols.insert(s.clone(), n);
            }
        }
        graph.value_mut(id).shape = Some(Shape::fixed(sizes));
    }
    let mut assumed = Vec::new();
    for id in graph.inputs.clone() {
        let name = graph.value(id).name.clone();
        let Some(shape) = graph.value_mut(id).shape.as_mut() else { continue };
        for (axis, d) in shape.0.iter_mut().enumerate() {
            *d = match d {
                Dim::Known(n) => Dim::Known(*n),
                Dim::Symbol(s) => Dim::Known(symbols.get(s).copied().unwrap_or_else(|| {
                    assumed.push(format!("{s} of {name}"));
                    1
                })),
                Dim::Unknown => {
                    assumed.push(format!("axis {axis} of {name}"));
                    Dim::Known(1)
                }
            };
        }
    }
    Ok(assumed)
}

/// Gives every value of the graph its type. Nodes whose inputs are all small constants (or that only look at known
/// shapes) become initializers, so that shapes computed in the graph are known.
///
/// # Errors
/// The first node whose operator is unknown or whose rule refuses its inputs.
pub fn infer(model: &mut Model) -> Result<(), OpError> {
    let opset = model.opset;
    let graph = &mut model.graph;
    for (&id, tensor) in &graph.initializers {
        let value = &mut graph.values[id.index()];
        value.dtype = Some(tensor.dtype());
        value.shape = Some(Shape::fixed(tensor.shape()));
    }
    let nodes = std::mem::take(&mut graph.nodes);
    let mut kept = Vec::with_capacity(nodes.len());
    for node in nodes {
        let (types, value) = infer_one(graph, &node, opset)?;
        for (t, id) in types.into_iter().zip(&node.outputs) {
            if let Some(id) = *id {
                merge(graph, id, t, &node)?;
            }
        }
        match fold(graph, &node, value)? {
            Some(tensors) => {
                for (tensor, id) in tensors.into_iter().zip(&node.outputs) {
                    if let Some(id) = *id {
                        graph.value_mut(id).shape = Some(Shape::fixed(tensor.shape()));
                        graph.initializers.insert(id, tensor);
                    }
                }
            }
            None => kept.push(node),
        }
    }
    graph.nodes = kept;
    Ok(())
}

/// The types of a node's outputs, and the value of the first where it follows from types alone.
fn infer_one(graph: &Graph, node: &Node, opset: i64) -> Result<(Vec<ValueType>, Option<Tensor>), OpError> {
    let def = find(&node.domain, &node.op).ok_or_else(|| OpError::at(node, "is not a supported operator"))?;
    let mut types = Vec::with_capacity(node.inputs.len());
    for id in &node.inputs {
        types.push(match id {
            None => None,
            Some(id) => Some(value_type(graph, *id).ok_or_else(|| {
                OpError::at(node, format!("the type or rank of its input {:?} is not known", graph.value(*id).name))
            })?),
        });
    }
    let constants: Vec<_> = node.inputs.iter().map(|v| v.and_then(|v| graph.initializers.get(&v).cloned())).collect();
    let context = InferContext { node, types: &types, constants: &constants, opset };
    let value = def.static_value.and_then(|rule| rule(&context));
    Ok(((def.infer)(&context)?, value))
}

/// Keeps what the file said where the rule knows less, and refuses a contradiction.
fn merge(graph: &mut Graph, id: ValueId, t: ValueType, node: &Node) -> Result<(), OpError> {
    let is_output = graph.outputs.contains(&id);
    let value = graph.value_mut(id);
    if let Some(old) = value.dtype.filter(|&old| is_output && old != t.dtype) {
        let name = &value.name;
        let problem = format!("output {name:?} is declared {old}, but the operator makes {}", t.dtype);
        return Err(OpError::at(node, problem));
    }
    value.dtype = Some(t.dtype);
    value.shape = Some(t.shape);
    Ok(())
}

fn fold(graph: &Graph, node: &Node, value: Option<Tensor>) -> Result<Option<Vec<Tensor>>, OpError> {
    // Integer weights have to stay integers: a constant behind a Dequantize is how they are written.
    if find(&node.domain, &node.op).is_some_and(|d| d.role != Role::Compute) {
        return Ok(None);
    }
    // A node without inputs is a constant written as a node: it is an initializer whatever its size.
    if node.inputs.is_empty() && value.is_some() {
        return Ok(value.map(|tensor| vec![tensor]));
    }
    let known = |id: &Option<ValueId>| id.is_none_or(|v| graph.initializers.contains_key(&v));
    let small =
        |id: &ValueId| graph.value(*id).shape.as_ref().and_then(Shape::elements).is_some_and(|n| n <= FOLD_LIMIT);
    if !node.outputs.iter().flatten().all(small) || node.outputs.iter().flatten().any(|v| graph.outputs.contains(v)) {
        return Ok(None);
    }
    if let Some(tensor) = value {
        return Ok(Some(vec![tensor]));
    }
    if node.inputs.iter().all(known) {
        let inputs: Vec<_> = node.inputs.iter().map(|v| v.and_then(|v| graph.initializers.get(&v))).collect();
        if !inputs.iter().flatten().all(|t| t.len() <= FOLD_LIMIT) {
            return Ok(None);
        }
        return evaluate_node(node, &inputs).map(Some);
    }
    Ok(None)
}
