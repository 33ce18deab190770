//! `Scatter`: what ScatterElements was called before opset 11 (ONNX Scatter-9). It is rewritten to ScatterElements.

use crate::OpDef;

pub(crate) const OP: OpDef = OpDef {
    upgrade: Some(|ctx| {
        ctx.node.op = "ScatterElements".to_owned();
        Ok(())
    }),
    ..OpDef::new("Scatter", |ctx| {
        Err(ctx.error("is not part of opset 21; upgrade the model, which makes it a ScatterElements"))
    })
};

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model, Node, Shape, Tensor};

    #[test]
    fn becomes_scatter_elements() {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[3])));
        let indices = g.add_initializer("i", Tensor::vector(&[2i64]));
        let updates = g.add_initializer("u", Tensor::vector(&[9f32]));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        g.nodes.push(Node::new("Scatter", [Some(x), Some(indices), Some(updates)], [Some(y)]));
        let mut model = Model { opset: 9, ..Model::new(g) };
        assert!(crate::infer(&mut model.clone()).is_err(), "it is no operator of opset 21");
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        let y = crate::evaluate(&model, &[("x", Tensor::vector(&[1f32, 2., 3.]))]).unwrap().remove("y").unwrap();
        assert_eq!(y, Tensor::vector(&[1f32, 2., 9.]));
    }
}
