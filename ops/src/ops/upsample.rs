//! `Upsample`: what Resize was called before opset 10 (ONNX Upsample-9). It is rewritten to Resize.

use ocellus_graph::{Attribute, Tensor};

use super::resize::place_like_opset_10;
use crate::{OpDef, OpError, UpgradeContext};

pub(crate) const OP: OpDef = OpDef {
    upgrade: Some(upgrade),
    ..OpDef::new(
        "Upsample",
        |ctx| Err(ctx.error("is not part of opset 21; upgrade the model, which makes it a Resize")),
    )
};

/// Opset 9 made the scales an input; opset 6 had those of the height and the width only, and called linear bilinear.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let factor = |attribute: Option<Attribute>| match attribute {
        Some(Attribute::Float(factor)) => Some(factor),
        _ => None,
    };
    let height = factor(ctx.node.attributes.remove("height_scale"));
    let width = factor(ctx.node.attributes.remove("width_scale"));
    match (ctx.node.attributes.remove("scales"), height, width) {
        (Some(Attribute::Floats(scales)), ..) => ctx.set_constant(1, "scales", Tensor::vector(&scales)),
        (_, Some(height), Some(width)) => ctx.set_constant(1, "scales", Tensor::vector(&[1.0, 1.0, height, width])),
        _ if ctx.node.input(1).is_some() => {}
        _ => return Err(ctx.error("has no scales")),
    }
    if ctx.node.attributes.string("mode") == Some("bilinear") {
        ctx.node.attributes.set("mode", "linear");
    }
    ctx.node.op = "Resize".to_owned();
    place_like_opset_10(ctx);
    Ok(())
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, DataType, Graph, Model, Node, Shape};

    use super::*;

    fn run(opset: i64, attributes: Attributes, scales: Option<Tensor>) -> Result<Tensor, OpError> {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[1, 1, 1, 2])));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        let scales = scales.map(|t| g.add_initializer("s", t));
        let inputs = [Some(x)].into_iter().chain(scales.map(Some));
        g.nodes.push(Node::new("Upsample", inputs, [Some(y)]).with_attributes(attributes));
        let mut model = Model { opset, ..Model::new(g) };
        crate::upgrade(&mut model)?;
        crate::infer(&mut model)?;
        let x = Tensor::of(&[1, 1, 1, 2], vec![1f32, 3.]);
        Ok(crate::evaluate(&model, &[("x", x)])?.remove("y").unwrap())
    }

    #[test]
    fn every_form_of_the_scales() {
        let nearest = Tensor::of(&[1, 1, 1, 4], vec![1f32, 1., 3., 3.]);
        let linear = Tensor::of(&[1, 1, 1, 4], vec![1f32, 2., 3., 3.]);
        let mode = Attributes::new().with("mode", "linear");
        let scales = vec![1f32, 1., 1., 2.];
        assert_eq!(run(9, Attributes::new(), Some(Tensor::vector(&scales))).unwrap(), nearest);
        assert_eq!(run(9, mode.clone(), Some(Tensor::vector(&scales))).unwrap(), linear);
        assert_eq!(run(7, mode.with("scales", scales), None).unwrap(), linear);
        let old = Attributes::new().with("mode", "bilinear").with("height_scale", 1f32).with("width_scale", 2f32);
        assert_eq!(run(6, old, None).unwrap(), linear);
        assert!(run(7, Attributes::new(), None).unwrap_err().to_string().contains("no scales"));
    }
}
