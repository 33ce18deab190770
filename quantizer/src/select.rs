//! Which nodes compute in integers, and what each of their inputs is.

use std::collections::{HashMap, HashSet};

use ocellus_graph::{DataType, Graph, Node, Tensor, ValueId};
use ocellus_ops::{Fold, FoldContext, InputRole, OpDef, OutputScale, ValueType, find};

/// What an input of an integer node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A value computed at run time, on 8 bits.
    Activation,
    /// A constant on 8 bits with one scale.
    Constant,
    /// Constant weights with one scale per index of this axis.
    Weight(usize),
    /// A constant bias on 32 bits.
    Bias,
    /// Left as it is.
    Other,
}

/// How a node is treated.
#[derive(Clone, Debug, PartialEq)]
pub enum Treatment {
    /// It stays float, for this reason.
    Float(String),
    /// It computes in integers.
    Integer(Vec<Operand>, OutputScale),
    /// A clamp in the last step of the integer node before it: nothing is quantized in between.
    Clamp,
}

impl Treatment {
    fn is_integer(&self) -> bool {
        matches!(self, Self::Integer(..))
    }
}

fn def_of(node: &Node) -> Option<&'static OpDef> {
    find(&node.domain, &node.op)
}

fn is_f32(graph: &Graph, v: ValueId) -> bool {
    graph.value(v).dtype == Some(DataType::F32)
}

/// The treatment of every node, in order. `exclude` names nodes that stay float.
pub fn select(graph: &Graph, exclude: &HashSet<&str>) -> Vec<Treatment> {
    let treat = |node: &Node| {
        if exclude.contains(crate::node_name(graph, node)) {
            return Treatment::Float("excluded by the caller".to_owned());
        }
        match operands(graph, node) {
            Ok((operands, output)) => Treatment::Integer(operands, output),
            Err(reason) => Treatment::Float(reason),
        }
    };
    let mut treatments: Vec<_> = graph.nodes.iter().map(treat).collect();
    keep_float_between_floats(graph, &mut treatments);
    join_clamps(graph, &mut treatments);
    treatments
}

/// The operands of a node by its rule, or why it has to stay float.
fn operands(graph: &Graph, node: &Node) -> Result<(Vec<Operand>, OutputScale), String> {
    let def = def_of(node).ok_or("its operator is not known")?;
    let rule = def.quant.ok_or_else(|| format!("{} has no quantization rule", node.op))?;
    let roles = (rule.inputs)(node);
    if roles.is_empty() {
        return Err(format!("{} has no quantization rule for these attributes", node.op));
    }
    if rule.output != OutputScale::Float && !node.output(0).is_some_and(|v| is_f32(graph, v)) {
        return Err("its output is not f32".to_owned());
    }
    let mut operands = Vec::with_capacity(node.inputs.len());
    for (i, input) in node.inputs.iter().enumerate() {
        operands.push(match (input, roles.get(i)) {
            (None, _) | (_, None | Some(InputRole::Other)) => Operand::Other,
            (Some(v), Some(InputRole::Activation)) => activation(graph, *v, i)?,
            (Some(v), Some(InputRole::Weight { axis })) => weight(graph, def, *v, i, *axis)?,
            (Some(v), Some(InputRole::Bias)) => bias(graph, node, &operands, *v, i)?,
        });
    }
    if operands.first() != Some(&Operand::Activation) && rule.output == OutputScale::SameAsInput {
        return Err("input 0 is a constant".to_owned());
    }
    if !operands.contains(&Operand::Activation) {
        return Err("no input is computed at run time".to_owned());
    }
    if operands.iter().any(|o| matches!(o, Operand::Weight(_))) && operands[0] != Operand::Activation {
        return Err("input 0 is a constant".to_owned());
    }
    Ok((operands, rule.output))
}

fn activation(graph: &Graph, v: ValueId, i: usize) -> Result<Operand, String> {
    if !is_f32(graph, v) {
        return Err(format!("input {i} is not f32"));
    }
    match graph.initializers.get(&v) {
        None => Ok(Operand::Activation),
        Some(t) if t.to_f32().iter().all(|x| x.is_finite()) => Ok(Operand::Constant),
        Some(_) => Err(format!("constant input {i} is not finite")),
    }
}

/// Constant weights have a scale per channel where the operator's channels are certain: matrices, and operators that can
/// absorb a factor per channel. A product of two computed tensors has two activations.
fn weight(graph: &Graph, def: &OpDef, v: ValueId, i: usize, axis: usize) -> Result<Operand, String> {
    let constant = graph.initializers.get(&v);
    match constant {
        Some(t) if is_f32(graph, v) && axis < t.rank() && (t.rank() == 2 || def.absorb.is_some()) => {
            Ok(Operand::Weight(axis))
        }
        _ if def.absorb.is_some() => Err(format!("input {i} (the weights) is not a constant of type f32")),
        _ => activation(graph, v, i),
    }
}

/// A bias is a constant with one number per output channel, or a single one.
fn bias(graph: &Graph, node: &Node, operands: &[Operand], v: ValueId, i: usize) -> Result<Operand, String> {
    let channels = operands.iter().zip(&node.inputs).find_map(|(o, input)| match o {
        Operand::Weight(axis) => graph.initializers.get(&(*input)?)?.shape().get(*axis).copied(),
        _ => None,
    });
    let channels = channels.ok_or("it has a bias, but no constant weights")?;
    let fits = |t: &Tensor| t.len() == 1 || (t.len() == channels && t.shape().last() == Some(&channels));
    match graph.initializers.get(&v) {
        Some(t) if is_f32(graph, v) && fits(t) => Ok(Operand::Bias),
        Some(t) => Err(format!("input {i} (the bias) has shape {:?}; [{channels}] is expected", t.shape())),
        None => Err(format!("input {i} (the bias) is not a constant")),
    }
}

/// Whether the node only moves or clamps: in integers that is worth nothing by itself.
pub fn is_light(graph: &Graph, node: &Node, treatment: &Treatment) -> bool {
    matches!(treatment, Treatment::Integer(_, OutputScale::SameAsInput)) || clamps(graph, node)
}

/// A node that only moves or clamps follows its producer: between float nodes it would add rounding and save nothing.
/// One that reads an input of the model follows its readers.
fn keep_float_between_floats(graph: &Graph, treatments: &mut [Treatment]) {
    let (producers, consumers) = (graph.producers(), graph.consumers());
    let light: Vec<bool> = graph.nodes.iter().zip(&*treatments).map(|(n, t)| is_light(graph, n, t)).collect();
    let mut feeds_integer = vec![false; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        let readers = node.outputs.iter().flatten().filter_map(|v| consumers.get(v)).flatten();
        feeds_integer[i] = readers.copied().any(|c| treatments[c].is_integer() && (!light[c] || feeds_integer[c]));
    }
    for (i, node) in graph.nodes.iter().enumerate() {
        if !light[i] || !treatments[i].is_integer() {
            continue;
        }
        let integer = match node.input(0).and_then(|v| producers.get(&v)) {
            Some(&p) => treatments[p].is_integer(),
            None => feeds_integer[i],
        };
        if !integer {
            treatments[i] = Treatment::Float("it lies between float nodes".to_owned());
        }
    }
}

/// Whether a node clamps to constant limits.
fn clamps(graph: &Graph, node: &Node) -> bool {
    let Some(Fold::Clamp(rule)) = def_of(node).map(|d| d.fold) else { return false };
    let constants: Vec<_> = node.inputs.iter().map(|v| v.and_then(|v| graph.initializers.get(&v).cloned())).collect();
    let typed = |v: &Option<ValueId>| {
        let value = graph.value((*v)?);
        Some(ValueType { dtype: value.dtype?, shape: value.shape.clone()? })
    };
    let types: Vec<_> = node.inputs.iter().map(typed).collect();
    rule(&FoldContext { node, constants: &constants, types: &types }).is_some()
}

/// Finds the clamps that an integer node with an accumulator or several operands computes in its last step.
fn join_clamps(graph: &Graph, treatments: &mut [Treatment]) {
    let consumers: HashMap<_, _> = graph.consumers();
    for (i, node) in graph.nodes.iter().enumerate() {
        let Treatment::Integer(operands, OutputScale::Calibrated) = &treatments[i] else { continue };
        if operands.iter().filter(|o| !matches!(o, Operand::Other | Operand::Bias)).count() < 2 {
            continue;
        }
        let Some(y) = node.output(0).filter(|y| !graph.outputs.contains(y)) else { continue };
        let Some(&[reader]) = consumers.get(&y).map(Vec::as_slice) else { continue };
        let clamp = &graph.nodes[reader];
        if clamp.input(0) == Some(y) && treatments[reader].is_integer() && clamps(graph, clamp) {
            treatments[reader] = Treatment::Clamp;
        }
    }
}

/// The value that carries the scale of an integer node's output 0: that of the clamp after it, where one is joined.
pub fn scaled_output(graph: &Graph, treatments: &[Treatment], node: usize) -> Option<ValueId> {
    let y = graph.nodes[node].output(0)?;
    let reader = graph.nodes.iter().zip(treatments).find(|(n, t)| **t == Treatment::Clamp && n.input(0) == Some(y));
    reader.map_or(Some(y), |(clamp, _)| clamp.output(0))
}
