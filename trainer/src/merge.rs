//! Merges nodes that compute the same thing, and equal small constants.

use std::collections::HashMap;

use ocellus_graph::{Graph, Node, ValueId};

/// Constants up to this many elements are compared.
const LIMIT: usize = 64;

/// Makes every value that is computed twice be computed once. Gradient and update rules work one value at a time and
/// repeat each other: the same learning rate is corrected for every parameter, the same mask made for every input.
pub(crate) fn merge_equal(graph: &mut Graph) {
    let mut same: HashMap<ValueId, ValueId> = constants(graph);
    let mut seen: HashMap<String, Vec<Option<ValueId>>> = HashMap::new();
    let outputs: Vec<ValueId> = graph.outputs.clone();
    for node in &mut graph.nodes {
        for input in node.inputs.iter_mut().flatten() {
            *input = same.get(input).copied().unwrap_or(*input);
        }
        let key = key(node);
        match seen.get(&key) {
            // An output of the graph keeps its own node, because it carries a name.
            Some(first) if !node.outputs.iter().flatten().any(|v| outputs.contains(v)) => {
                let pairs = node.outputs.iter().zip(first).filter_map(|(own, first)| Some(((*own)?, (*first)?)));
                same.extend(pairs);
            }
            Some(_) => {}
            None => {
                seen.insert(key, node.outputs.clone());
            }
        }
    }
    graph.remove_dead();
}

/// Everything that decides what a node computes, and which of its outputs are there.
fn key(node: &Node) -> String {
    let wanted: Vec<bool> = node.outputs.iter().map(Option::is_some).collect();
    format!("{}\0{}\0{:?}\0{:?}\0{wanted:?}", node.domain, node.op, node.inputs, node.attributes)
}

fn constants(graph: &Graph) -> HashMap<ValueId, ValueId> {
    let mut first = HashMap::new();
    let mut same = HashMap::new();
    for (&id, tensor) in graph.initializers.iter().filter(|(_, t)| t.len() <= LIMIT) {
        let Some(bytes) = tensor.to_le_bytes() else { continue };
        let known = *first.entry((tensor.dtype(), tensor.shape().to_vec(), bytes)).or_insert(id);
        if known != id {
            same.insert(id, known);
        }
    }
    same
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};
    use ocellus_ops::{Builder, evaluate};

    use super::*;

    #[test]
    fn repeated_values_are_computed_once() {
        let mut b = Builder::new("twice");
        let x = b.input("x", DataType::F32, &[2]);
        let mut sums = Vec::new();
        for _ in 0..3 {
            let two = b.scalar_like(x, 2.0).unwrap();
            let y = b.mul(x, two).unwrap();
            let z = b.exp(y).unwrap();
            sums.push(b.add(z, y).unwrap());
        }
        b.output(sums[0], "a");
        b.output(sums[1], "b");
        let negative = b.neg(sums[2]).unwrap();
        b.output(negative, "c");
        let mut model = b.finish();
        let inputs = [("x", Tensor::vector(&[0.5f32, -1.0]))];
        let expected = evaluate(&model, &inputs).unwrap();
        merge_equal(&mut model.graph);
        // One Mul, one Exp, two Adds that are outputs, one Neg.
        assert_eq!((model.graph.nodes.len(), model.graph.initializers.len()), (5, 1));
        assert_eq!(evaluate(&model, &inputs).unwrap(), expected);
    }
}
