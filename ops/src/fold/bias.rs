//! Joins a product of matrices with the sum after it, so that both become one layer, also where weights and bias are
//! integers behind a DequantizeLinear.

use ocellus_graph::{Attributes, Graph, Node, Shape, Tensor, ValueId};

use super::def_of;
use crate::infer::value_type;
use crate::{Fold, FoldContext, Role, evaluate_node};

/// Joins all of them: the sum becomes the operator that the product names, and the product is dead.
pub(super) fn join(graph: &mut Graph) {
    while let Some((place, node)) = next(graph) {
        graph.nodes[place] = node;
        graph.remove_dead();
    }
}

/// The first sum that can be joined, and what it becomes.
fn next(graph: &Graph) -> Option<(usize, Node)> {
    let (producers, consumers) = (graph.producers(), graph.consumers());
    graph.nodes.iter().enumerate().find_map(|(place, sum)| {
        let (x, bias) = (sum.input(0)?, sum.input(1)?);
        let product = &graph.nodes[*producers.get(&x)?];
        let joined = def_of(product)?.with_bias?;
        let alone = consumers.get(&x).is_some_and(|c| c.len() == 1) && !graph.outputs.contains(&x);
        let shapes = [product.input(0)?, product.input(1)?, x, sum.output(0)?].map(|v| shape(graph, v));
        let [Some([_, _]), Some([_, columns]), Some(y), Some(z)] = shapes else { return None };
        let vector = shape_of(graph, bias).is_some_and(|s| s.iter().product::<usize>() == columns && s.len() <= 2);
        let types = [product.input(0)?, bias].map(|v| graph.value(v).dtype);
        if !alone || !vector || y != z || types[0] != types[1] || !only_adds(graph, sum, &producers) {
            return None;
        }
        let inputs = vec![product.inputs[0], product.inputs[1], Some(bias)];
        let node = Node { op: joined.to_owned(), inputs, attributes: Attributes::new(), ..sum.clone() };
        Some((place, node))
    })
}

fn shape_of(graph: &Graph, v: ValueId) -> Option<Vec<usize>> {
    graph.value(v).shape.as_ref().and_then(Shape::known)
}

/// The sizes of a matrix.
fn shape(graph: &Graph, v: ValueId) -> Option<[usize; 2]> {
    shape_of(graph, v)?.try_into().ok()
}

/// Whether the node adds one constant per channel.
fn only_adds(graph: &Graph, node: &Node, producers: &std::collections::HashMap<ValueId, usize>) -> bool {
    let Some(Fold::Affine(rule)) = def_of(node).map(|d| d.fold) else { return false };
    let constants: Vec<Option<Tensor>> =
        node.inputs.iter().map(|v| v.and_then(|v| constant(graph, v, producers))).collect();
    let types: Vec<_> = node.inputs.iter().map(|v| v.and_then(|v| value_type(graph, v))).collect();
    let affine = rule(&FoldContext { node, constants: &constants, types: &types });
    affine.is_some_and(|a| a.scale.iter().all(|&s| s == 1.0))
}

/// A constant, or one behind a DequantizeLinear.
fn constant(graph: &Graph, v: ValueId, producers: &std::collections::HashMap<ValueId, usize>) -> Option<Tensor> {
    if let Some(constant) = graph.initializers.get(&v) {
        return Some(constant.clone());
    }
    let node = &graph.nodes[*producers.get(&v)?];
    if def_of(node)?.role != Role::Dequantize {
        return None;
    }
    let inputs: Vec<Option<&Tensor>> = node.inputs.iter().map(|v| graph.initializers.get(v.as_ref()?)).collect();
    if inputs.iter().zip(&node.inputs).any(|(found, named)| named.is_some() && found.is_none()) {
        return None;
    }
    evaluate_node(node, &inputs).ok()?.into_iter().next()
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Model};

    use super::*;
    use crate::{Builder, evaluate, simplify};

    fn net(bias: &[usize], read_twice: bool) -> Model {
        let mut b = Builder::new("net");
        let x = b.input("x", DataType::F32, &[2, 3]);
        let w = b.constant("w", Tensor::of(&[3, 4], (0..12i8).collect::<Vec<_>>()));
        let scale = b.constant("s", Tensor::scalar(0.5f32));
        let w = b.dequantize_linear(w, scale, None, None).unwrap();
        let y = b.matmul(x, w).unwrap();
        let c = b.constant("c", Tensor::of(bias, vec![2i32; bias.iter().product()]));
        let c = b.dequantize_linear(c, scale, None, None).unwrap();
        let z = b.add(y, c).unwrap();
        b.output(z, "z");
        if read_twice {
            b.output(y, "y");
        }
        b.finish()
    }

    fn simplified(model: &Model) -> Vec<String> {
        let x = Tensor::of(&[2, 3], vec![1f32, -2.0, 3.0, 0.5, 0.0, 4.0]);
        let before = evaluate(model, &[("x", x.clone())]).unwrap();
        let mut simple = model.clone();
        simplify(&mut simple).unwrap();
        assert_eq!(evaluate(&simple, &[("x", x)]).unwrap(), before);
        let kept = simple.graph.nodes.iter().map(|n| n.op.clone());
        kept.filter(|op| op != "DequantizeLinear").collect()
    }

    #[test]
    fn a_product_and_a_sum_of_dequantized_constants_are_one() {
        assert_eq!(simplified(&net(&[4], false)), ["Gemm"]);
        assert_eq!(simplified(&net(&[1, 4], false)), ["Gemm"]);
    }

    #[test]
    fn what_is_read_twice_or_is_no_vector_stays() {
        assert_eq!(simplified(&net(&[4], true)), ["MatMul", "Add"]);
        assert_eq!(simplified(&net(&[2, 4], false)), ["MatMul", "Add"]);
    }
}
