//! A prepared model cut into layers, each a small model of its own.
//!
//! A layer ends where the device keeps a tensor: behind a quantization, or behind a computation that nothing is fused to.
//! What the compiler fuses (a clamp and the quantization behind a computation) stays inside one layer. No operator is
//! named: where a layer ends follows from the operators' records.

use std::collections::{BTreeSet, HashMap, HashSet};

use ocellus_graph::{Graph, Model, Node, ValueId};
use ocellus_ops::{Fold, OpDef, Role, find};

/// A part of a model with the values of the whole that it begins and ends with.
pub struct Layer {
    /// Name and operator of the node that computes.
    pub name: String,
    /// The part as a model; its inputs and outputs have the names of the whole.
    pub model: Model,
    /// The values that it reads, in the order of its inputs.
    pub inputs: Vec<ValueId>,
    /// The value that it makes.
    pub output: ValueId,
}

fn def(node: &Node) -> Option<&'static OpDef> {
    find(&node.domain, &node.op)
}

fn role(node: &Node) -> Option<Role> {
    def(node).map(|d| d.role)
}

/// Cuts a model into its layers, in order.
pub fn layers(model: &Model) -> Vec<Layer> {
    let graph = &model.graph;
    let producers = graph.producers();
    let ends = ends(graph);
    let mut layers = Vec::new();
    for node in &graph.nodes {
        for &value in node.outputs.iter().flatten().filter(|v| ends.contains(v)) {
            layers.extend(cut(model, value, &producers, &ends));
        }
    }
    layers
}

/// The values that layers end with.
fn ends(graph: &Graph) -> HashSet<ValueId> {
    let consumers = graph.consumers();
    let reader = |v: ValueId| match consumers.get(&v).map(Vec::as_slice) {
        Some(&[one]) if !graph.outputs.contains(&v) => Some(&graph.nodes[one]),
        _ => None,
    };
    let fused = |v: ValueId| {
        let Some(next) = reader(v) else { return false };
        let clamps = def(next).is_some_and(|d| matches!(d.fold, Fold::Clamp(_)));
        role(next) == Some(Role::Quantize) || clamps
    };
    let outputs = graph.nodes.iter().flat_map(|n| n.outputs.iter().flatten().map(move |&v| (n, v)));
    let is_end = |&(node, v): &(&Node, ValueId)| match role(node) {
        _ if graph.outputs.contains(&v) => true,
        Some(Role::Quantize) => true,
        Some(Role::Dequantize) => false,
        Some(Role::Compute) | None => consumers.contains_key(&v) && !fused(v),
    };
    outputs.filter(is_end).map(|(_, v)| v).collect()
}

/// The model from the ends before `output` to it; `None` where nothing but constants leads to it.
fn cut(model: &Model, output: ValueId, producers: &HashMap<ValueId, usize>, ends: &HashSet<ValueId>) -> Option<Layer> {
    let graph = &model.graph;
    let (mut nodes, mut inputs, mut waiting) = (BTreeSet::new(), Vec::new(), vec![output]);
    while let Some(value) = waiting.pop() {
        let begins = graph.inputs.contains(&value) || value != output && ends.contains(&value);
        if begins {
            if !inputs.contains(&value) {
                inputs.push(value);
            }
        } else if let Some(&index) = producers.get(&value)
            && nodes.insert(index)
        {
            waiting.extend(graph.nodes[index].inputs.iter().flatten());
        }
    }
    inputs.sort();
    if inputs.is_empty() {
        return None;
    }
    let mut part = graph.clone();
    part.nodes = nodes.iter().map(|&i| graph.nodes[i].clone()).collect();
    part.inputs = inputs.clone();
    part.outputs = vec![output];
    part.remove_dead();
    let name = nodes.iter().map(|&i| &graph.nodes[i]).find(|n| role(n) == Some(Role::Compute)).or_else(|| {
        // A quantization or dequantization by itself.
        nodes.last().map(|&i| &graph.nodes[i])
    })?;
    let name = name.label();
    Some(Layer { name, model: Model { graph: part, ..model.clone() }, inputs, output })
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, DataType, Tensor};
    use ocellus_ops::Builder;

    use super::*;

    fn quantized(b: &mut Builder, x: ValueId, scale: f32) -> ValueId {
        let s = b.constant("scale", Tensor::scalar(scale));
        let z = b.constant("zero", Tensor::scalar(0u8));
        let q = b.apply_named("QuantizeLinear", &[Some(x), Some(s), Some(z)], Attributes::new(), 1).unwrap()[0];
        b.apply_named("DequantizeLinear", &[Some(q), Some(s), Some(z)], Attributes::new(), 1).unwrap()[0]
    }

    #[test]
    fn a_clamp_and_a_quantization_belong_to_the_layer_before_them() {
        let mut b = Builder::new("net");
        let x = b.input("x", DataType::F32, &[1, 4]);
        let x = quantized(&mut b, x, 0.5);
        let y = b.mul(x, x).unwrap();
        let y = b.relu(y).unwrap();
        let y = quantized(&mut b, y, 0.25);
        let z = b.exp(y).unwrap();
        b.output(z, "z");
        let model = b.finish();
        let layers = layers(&model);
        let ops: Vec<Vec<&str>> =
            layers.iter().map(|l| l.model.graph.nodes.iter().map(|n| n.op.as_str()).collect()).collect();
        assert_eq!(ops[0], ["QuantizeLinear"]);
        assert_eq!(ops[1], ["DequantizeLinear", "Mul", "Relu", "QuantizeLinear"]);
        assert_eq!(ops[2], ["DequantizeLinear", "Exp"]);
        assert_eq!(layers.len(), 3);
        assert_eq!(layers[1].inputs, [layers[0].output]);
        let integers = layers[1].model.graph.value(layers[1].inputs[0]).dtype;
        assert_eq!(integers, Some(DataType::U8));
    }

    #[test]
    fn float_layers_end_behind_every_computation() {
        let mut b = Builder::new("net");
        let x = b.input("x", DataType::F32, &[1, 4]);
        let y = b.exp(x).unwrap();
        let a = b.relu(y).unwrap();
        let z = b.add(a, y).unwrap();
        b.output(z, "z");
        let model = b.finish();
        let names: Vec<usize> = layers(&model).iter().map(|l| l.model.graph.nodes.len()).collect();
        assert_eq!(names, [1, 1, 1]);
        assert_eq!(layers(&model)[2].inputs.len(), 2);
    }
}
