//! Simplification before quantizing and compiling: what is linear per channel goes into the weights before it.

mod bias;

use ocellus_graph::{DataType, Graph, Model, Node, Tensor, ValueId};

use crate::infer::value_type;
use crate::{Affine, Fold, FoldContext, OpDef, OpError, ValueType, find, infer};

/// Gives every value its type, drops nodes that only pass their input on, merges every operator that is
/// `x * scale + shift` per channel (batch normalization, products and sums with constants) into the weights of the
/// operator before it where that one is read by nobody else, does the same with pointwise convolutions behind others where
/// that takes fewer products, joins products of matrices with the sums after them, and drops what no output needs.
///
/// Inputs and outputs of the model keep their names and order. The model has to be at opset 21 (see
/// [`upgrade`](crate::upgrade())), and is meant for inference: a `Dropout` goes too.
///
/// # Errors
/// As [`infer`](crate::infer()).
pub fn simplify(model: &mut Model) -> Result<(), OpError> {
    infer(model)?;
    let graph = &mut model.graph;
    drop_identities(graph);
    while let Some(step) = next_absorption(graph, affine_absorbed) {
        step.apply(graph);
    }
    while let Some(step) = next_absorption(graph, mixture_absorbed) {
        step.apply(graph);
    }
    bias::join(graph);
    graph.remove_dead();
    Ok(())
}

fn def_of(node: &Node) -> Option<&'static OpDef> {
    find(&node.domain, &node.op)
}

/// The constants and types of a node's inputs, for a [`FoldContext`].
fn facts(graph: &Graph, node: &Node) -> (Vec<Option<Tensor>>, Vec<Option<ValueType>>) {
    let constant = |v: &Option<ValueId>| v.and_then(|v| graph.initializers.get(&v).cloned());
    let known = |v: &Option<ValueId>| v.and_then(|v| value_type(graph, v));
    (node.inputs.iter().map(constant).collect(), node.inputs.iter().map(known).collect())
}

/// Drops every identity whose output can be replaced by its input.
fn drop_identities(graph: &mut Graph) {
    let mut kept = Vec::with_capacity(graph.nodes.len());
    let mut waiting: std::collections::VecDeque<Node> = std::mem::take(&mut graph.nodes).into();
    while let Some(node) = waiting.pop_front() {
        let passes = def_of(&node).is_some_and(|d| matches!(d.fold, Fold::Identity));
        let ends = node.input(0).zip(node.output(0)).filter(|_| passes && !reads_other_outputs(graph, &waiting, &node));
        let Some((from, to)) = ends else {
            kept.push(node);
            continue;
        };
        if !graph.outputs.contains(&to) {
            rename_uses(waiting.iter_mut(), to, from);
        } else if kept.iter().any(|n| n.outputs.contains(&Some(from))) && !graph.outputs.contains(&from) {
            // The output's name has to stay: its producer makes it directly.
            for v in kept.iter_mut().flat_map(|n| n.outputs.iter_mut().flatten()).filter(|v| **v == from) {
                *v = to;
            }
            rename_uses(kept.iter_mut().chain(waiting.iter_mut()), from, to);
        } else {
            kept.push(node);
        }
    }
    graph.nodes = kept;
}

/// Whether anybody wants an output of the node beside the first, such as the mask of a `Dropout`.
fn reads_other_outputs(graph: &Graph, rest: &std::collections::VecDeque<Node>, node: &Node) -> bool {
    let read = |v: &ValueId| graph.outputs.contains(v) || rest.iter().any(|n| n.inputs.contains(&Some(*v)));
    node.outputs.iter().skip(1).flatten().any(read)
}

fn rename_uses<'a>(nodes: impl Iterator<Item = &'a mut Node>, from: ValueId, to: ValueId) {
    for v in nodes.flat_map(|n| n.inputs.iter_mut().flatten()).filter(|v| **v == from) {
        *v = to;
    }
}

/// A node that goes, and the weight and bias that its producer gets instead.
struct Absorption {
    producer: usize,
    node: usize,
    weight: Tensor,
    bias: Tensor,
}

/// The weight and bias of the first node with the second one built in.
type Absorbed = fn(&Graph, [&Node; 2]) -> Option<(Tensor, Tensor)>;

/// The first node that its producer can absorb.
fn next_absorption(graph: &Graph, absorbed: Absorbed) -> Option<Absorption> {
    let (producers, consumers) = (graph.producers(), graph.consumers());
    graph.nodes.iter().enumerate().find_map(|(node, n)| {
        let x = n.input(0)?;
        let producer = *producers.get(&x)?;
        let alone = consumers.get(&x).is_some_and(|c| c.len() == 1) && !graph.outputs.contains(&x);
        let p = &graph.nodes[producer];
        if !alone || p.output(0) != Some(x) || p.outputs.iter().skip(1).any(Option::is_some) {
            return None;
        }
        let (weight, bias) = absorbed(graph, [p, n])?;
        finite(&weight, &bias).then_some(Absorption { producer, node, weight, bias })
    })
}

/// A factor and a summand per channel.
fn affine_absorbed(graph: &Graph, [p, n]: [&Node; 2]) -> Option<(Tensor, Tensor)> {
    let (absorb, affine) = (def_of(p)?.absorb?, affine_of(graph, n)?);
    let (constants, types) = facts(graph, p);
    absorb(&FoldContext { node: p, constants: &constants, types: &types }, &affine)
}

/// Sums of a pixel's channels.
fn mixture_absorbed(graph: &Graph, [p, n]: [&Node; 2]) -> Option<(Tensor, Tensor)> {
    let (absorb, mixture) = (def_of(p)?.absorb_mixture?, def_of(n)?.mixture?);
    let (constants, types) = facts(graph, n);
    let mixture = mixture(&FoldContext { node: n, constants: &constants, types: &types })?;
    let (constants, types) = facts(graph, p);
    absorb(&FoldContext { node: p, constants: &constants, types: &types }, &mixture)
}

/// Weights that overflow in the merge stay apart.
fn finite(weight: &Tensor, bias: &Tensor) -> bool {
    weight.to_f64().iter().chain(&bias.to_f64()).all(|v| v.is_finite())
}

fn affine_of(graph: &Graph, node: &Node) -> Option<Affine> {
    let Fold::Affine(rule) = def_of(node)?.fold else { return None };
    if node.outputs.iter().skip(1).any(Option::is_some) {
        return None;
    }
    let x = node.input(0)?;
    let types = [graph.value(x), graph.value(node.output(0)?)].map(|v| (v.dtype, v.shape.clone()));
    if types[0] != types[1] || types[0].0.is_none_or(|t: DataType| !t.is_float()) {
        return None;
    }
    let (constants, types) = facts(graph, node);
    rule(&FoldContext { node, constants: &constants, types: &types })
}

impl Absorption {
    fn apply(self, graph: &mut Graph) {
        let stem = |i| graph.nodes[self.producer].input(i).map(|v| graph.value(v).name.clone());
        let weight_stem = stem(1).unwrap_or_else(|| "weight".to_owned());
        let bias_stem = stem(2).unwrap_or_else(|| format!("{weight_stem}_bias"));
        let mut add = |name: String, tensor: Tensor| {
            let name = graph.fresh_name(&name);
            Some(graph.add_initializer(&name, tensor))
        };
        let (weight, bias) = (add(weight_stem + "_folded", self.weight), add(bias_stem + "_folded", self.bias));
        let outputs = graph.nodes[self.node].outputs.clone();
        let producer = &mut graph.nodes[self.producer];
        producer.inputs.resize(producer.inputs.len().max(3), None);
        (producer.inputs[1], producer.inputs[2]) = (weight, bias);
        producer.outputs = outputs;
        graph.nodes.remove(self.node);
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Shape};

    use super::*;
    use crate::{Builder, check, evaluate};

    const INPUT: [usize; 4] = [2, 3, 6, 5];

    fn random(b: &mut Builder, shape: &[usize], seed: u64) -> ValueId {
        let values = check::numbers(shape.iter().product(), seed).into_iter().map(|v| v as f32).collect();
        b.constant("constant", Tensor::of(shape, values))
    }

    fn named(b: &mut Builder, op: &str, inputs: &[ValueId], attributes: Attributes) -> ValueId {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        b.apply_named(op, &inputs, attributes, 1).expect(op)[0]
    }

    fn batch_norm(b: &mut Builder, x: ValueId, channels: usize, seed: u64) -> ValueId {
        let [scale, bias, mean] = [0, 1, 2].map(|k| random(b, &[channels], seed + k));
        let var = check::numbers(channels, seed + 3).into_iter().map(|v| v as f32 + 1.5).collect();
        let var = b.constant("var", Tensor::of(&[channels], var));
        b.batch_normalization(x, scale, bias, mean, var, 1e-3).unwrap()
    }

    /// Simplifies, checks that the output stays within 1e-5 of its size, and returns the operators that are left.
    fn left_of(model: &Model) -> Vec<String> {
        let shape = model.graph.value(model.graph.inputs[0]).shape.as_ref().and_then(Shape::known).unwrap();
        let x: Vec<f32> = check::numbers(shape.iter().product(), 5).into_iter().map(|v| v as f32).collect();
        let x = Tensor::of(&shape, x);
        let mut simple = model.clone();
        simplify(&mut simple).unwrap();
        let before = evaluate(model, &[("x", x.clone())]).unwrap();
        let after = evaluate(&simple, &[("x", x)]).unwrap();
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        for (name, a) in &before {
            assert_eq!(a.shape(), after[name].shape());
            for (a, b) in a.to_f64().iter().zip(after[name].to_f64()) {
                assert!((a - b).abs() <= 1e-5 * (1.0 + a.abs()), "{name}: {a} before, {b} after");
            }
        }
        simple.graph.nodes.iter().map(|n| n.op.clone()).collect()
    }

    fn model(build: impl Fn(&mut Builder, ValueId) -> ValueId) -> Model {
        let mut b = Builder::new("net");
        let x = b.input("x", DataType::F32, &INPUT);
        let y = build(&mut b, x);
        b.output(y, "y");
        b.finish()
    }

    #[test]
    fn batch_normalization_products_and_sums_go_into_a_convolution() {
        let chain = model(|b, x| {
            let w = random(b, &[4, 3, 3, 3], 1);
            let y = named(b, "Conv", &[x, w], Attributes::new());
            let y = batch_norm(b, y, 4, 10);
            let factor = random(b, &[4, 1, 1], 20);
            let y = b.mul(y, factor).unwrap();
            let shift = random(b, &[1, 4, 1, 1], 21);
            let y = b.add(y, shift).unwrap();
            b.relu(y).unwrap()
        });
        assert_eq!(left_of(&chain), ["Conv", "Relu"]);
    }

    #[test]
    fn depthwise_transposed_and_dense_producers() {
        let depthwise = model(|b, x| {
            let (w, bias) = (random(b, &[6, 1, 2, 2], 1), random(b, &[6], 2));
            let y = named(b, "Conv", &[x, w, bias], Attributes::new().with("group", 3i64));
            batch_norm(b, y, 6, 10)
        });
        assert_eq!(left_of(&depthwise), ["Conv"]);
        let transposed = model(|b, x| {
            let w = random(b, &[3, 5, 2, 2], 1);
            let y = named(b, "ConvTranspose", &[x, w], Attributes::new());
            batch_norm(b, y, 5, 10)
        });
        assert_eq!(left_of(&transposed), ["ConvTranspose"]);
        let dense = model(|b, x| {
            let x = b.reshape(x, &[2, 90]).unwrap();
            let (w, c) = (random(b, &[7, 90], 1), random(b, &[7], 2));
            let y = named(b, "Gemm", &[x, w, c], Attributes::new().with("transB", 1i64));
            batch_norm(b, y, 7, 10)
        });
        assert_eq!(left_of(&dense), ["Reshape", "Gemm"]);
    }

    #[test]
    fn a_pointwise_convolution_goes_into_the_one_before_where_that_is_less_work() {
        let pair = |middle: usize, outputs: usize| {
            left_of(&model(|b, x| {
                let (w, bias) = (random(b, &[middle, 3, 3, 3], 1), random(b, &[middle], 2));
                let y = named(b, "Conv", &[x, w, bias], Attributes::new().with("pads", vec![1i64; 4]));
                let y = batch_norm(b, y, middle, 10);
                let (w, bias) = (random(b, &[outputs, middle, 1, 1], 3), random(b, &[outputs], 4));
                let y = named(b, "Conv", &[y, w, bias], Attributes::new());
                batch_norm(b, y, outputs, 20)
            }))
        };
        assert_eq!(pair(8, 5), ["Conv"]);
        assert_eq!(pair(2, 40), ["Conv", "Conv"]);
    }

    #[test]
    fn a_value_that_somebody_else_reads_is_left_alone() {
        let shared = model(|b, x| {
            let w = random(b, &[3, 3, 1, 1], 1);
            let y = named(b, "Conv", &[x, w], Attributes::new());
            let z = batch_norm(b, y, 3, 10);
            b.add(y, z).unwrap()
        });
        assert_eq!(left_of(&shared), ["Conv", "BatchNormalization", "Add"]);
        let mut output = model(|b, x| {
            let w = random(b, &[3, 3, 1, 1], 1);
            let y = named(b, "Conv", &[x, w], Attributes::new());
            batch_norm(b, y, 3, 10)
        });
        let middle = output.graph.nodes[0].output(0).unwrap();
        output.graph.outputs.push(middle);
        assert_eq!(left_of(&output), ["Conv", "BatchNormalization"]);
    }

    #[test]
    fn shared_weights_are_copied_for_the_node_that_absorbs() {
        let shared = model(|b, x| {
            let w = random(b, &[3, 3, 1, 1], 1);
            let y = named(b, "Conv", &[x, w], Attributes::new());
            let y = batch_norm(b, y, 3, 10);
            let y = b.relu(y).unwrap();
            named(b, "Conv", &[y, w], Attributes::new())
        });
        assert_eq!(left_of(&shared), ["Conv", "Relu", "Conv"]);
    }

    #[test]
    fn what_is_not_per_channel_stays() {
        let plane = model(|b, x| {
            let w = random(b, &[3, 3, 1, 1], 1);
            let y = named(b, "Conv", &[x, w], Attributes::new());
            let map = random(b, &[6, 5], 2);
            b.mul(y, map).unwrap()
        });
        assert_eq!(left_of(&plane), ["Conv", "Mul"]);
    }

    #[test]
    fn identities_go_and_outputs_keep_their_names() {
        let inner = model(|b, x| {
            let y = named(b, "Identity", &[x], Attributes::new());
            let y = b.relu(y).unwrap();
            let y = named(b, "Dropout", &[y], Attributes::new());
            named(b, "Identity", &[y], Attributes::new())
        });
        assert_eq!(left_of(&inner), ["Relu"]);
        let whole = model(|b, x| named(b, "Identity", &[x], Attributes::new()));
        assert_eq!(left_of(&whole), ["Identity"], "an output cannot be an input");
    }

    #[test]
    fn an_identity_between_two_outputs_stays() {
        let mut twice = model(|b, x| {
            let y = b.relu(x).unwrap();
            named(b, "Identity", &[y], Attributes::new())
        });
        let inner = twice.graph.nodes[0].output(0).unwrap();
        twice.graph.outputs.push(inner);
        assert_eq!(left_of(&twice), ["Relu", "Identity"]);
    }
}
