//! Weights in 16 bits, for files that ship: standard ONNX, half as large.

use ocellus_graph::{Attributes, DataType, Model, Node, Tensor, ValueId};

/// Tensors with fewer numbers stay as they are.
const LEAST: usize = 64;

/// The model with every large float constant in 16 bits and a `Cast` behind it.
#[must_use]
pub fn halved(mut model: Model) -> Model {
    let graph = &mut model.graph;
    let large = |(_, t): &(&ValueId, &Tensor)| t.dtype() == DataType::F32 && t.len() >= LEAST;
    let large: Vec<ValueId> = graph.initializers.iter().filter(large).map(|(&id, _)| id).collect();
    let mut casts = Vec::new();
    for id in large {
        let Some(tensor) = graph.initializers.remove(&id) else { continue };
        let name = graph.fresh_name(&format!("{}.half", graph.value(id).name));
        let half = graph.add_initializer(&name, tensor.cast(DataType::F16));
        let to = Attributes::new().with("to", i64::from(DataType::F32.onnx_code()));
        casts.push(Node::new("Cast", [Some(half)], [Some(id)]).with_attributes(to));
    }
    casts.append(&mut graph.nodes);
    graph.nodes = casts;
    model
}

/// The model with the constants behind a `Cast` from 16 bits as 32 bits again.
#[must_use]
pub fn widened(mut model: Model) -> Model {
    let graph = &mut model.graph;
    for node in std::mem::take(&mut graph.nodes) {
        let half = node.input(0).and_then(|id| graph.initializers.get(&id)).filter(|t| t.dtype() == DataType::F16);
        let wide = half.filter(|_| node.op == "Cast").map(|t| t.cast(DataType::F32));
        match (wide, node.output(0)) {
            (Some(wide), Some(id)) => {
                graph.initializers.insert(id, wide);
            }
            _ => graph.nodes.push(node),
        }
    }
    graph.remove_dead();
    model
}

#[cfg(test)]
mod tests {
    use ocellus_ops::{Builder, evaluate};

    use super::*;

    #[test]
    fn half_the_bytes_and_the_same_model_again() {
        let mut b = Builder::new("net");
        let x = b.input("x", DataType::F32, &[1, 8]);
        let numbers: Vec<f32> = (0..1024).map(|n| n as f32 * 0.037 - 20.0).collect();
        let w = b.constant("w", Tensor::of(&[8, 128], numbers));
        let y = b.matmul(x, w).unwrap();
        b.output(y, "y");
        let model = b.finish();
        let half = halved(model.clone());
        let bytes = half.to_bytes().unwrap();
        assert!(bytes.len() + 200 < model.to_bytes().unwrap().len());
        let wide = widened(Model::from_bytes(&bytes, None).unwrap());
        assert_eq!((wide.graph.nodes.len(), wide.graph.initializers.len()), (1, 1));
        let given = [("x", Tensor::of(&[1, 8], vec![0.5f32; 8]))];
        let found = evaluate(&wide, &given).unwrap();
        assert_eq!(evaluate(&half, &given).unwrap(), found);
        // A second round changes nothing.
        assert_eq!(evaluate(&halved(wide), &given).unwrap(), found);
    }
}
