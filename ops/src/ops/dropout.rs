//! `Dropout` at inference: its input (ONNX Dropout-13). Training draws its mask outside the graph, so that a step can be
//! repeated; a node in training mode is refused.

use ocellus_graph::{Attribute, Attributes, DataType, Node, Tensor, ValueId};

use super::movement::MOVES;
use crate::{Builder, EvalContext, Fold, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(|ctx| {
        let g = ctx.grad()?;
        Ok((0..ctx.node.inputs.len()).map(|i| (i == 0).then_some(g)).collect())
    }),
    quant: Some(MOVES),
    upgrade: Some(upgrade),
    fold: Fold::Identity,
    lower: Some(crate::lower::moves::reshape),
    ..OpDef::new("Dropout", infer)
};

/// Whether elements are dropped: in training mode, unless the ratio is 0.
fn drops(ratio: Option<&Tensor>, training: Option<&Tensor>) -> bool {
    let on = training.is_some_and(|t| t.to_i64().first().is_some_and(|&v| v != 0));
    on && ratio.is_none_or(|r| r.to_f64().first().is_none_or(|&r| r != 0.0))
}

const IN_TRAINING: &str =
    "is in training mode, which draws random numbers; set training_mode to false, or train with the trainer's dropout";

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    if ctx.optional(2).is_some() && ctx.constant(2).is_none() {
        return Err(ctx.error("training_mode has to be a constant"));
    }
    if drops(ctx.constant(1), ctx.constant(2)) {
        return Err(ctx.error(IN_TRAINING));
    }
    Ok(vec![x.clone(), ValueType::new(DataType::Bool, x.shape.clone())])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    if drops(ctx.optional(1), ctx.optional(2)) {
        return Err(ctx.error(IN_TRAINING));
    }
    Ok(vec![x.clone(), Tensor::of(x.shape(), vec![true; x.len()])])
}

/// Opset 12 made the ratio an input and training a mode; opset 7 to 11 knew inference only; opset 6 trains unless
/// `is_test` is set. Before opset 10 the mask had the type of the data.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    if ctx.opset >= 12 {
        return Ok(());
    }
    if let Some(Attribute::Float(ratio)) = ctx.node.attributes.remove("ratio") {
        ctx.set_constant(1, "ratio", Tensor::scalar(ratio));
    }
    let testing = matches!(ctx.node.attributes.remove("is_test"), Some(Attribute::Int(v)) if v != 0);
    if ctx.opset < 7 && !testing {
        ctx.set_constant(2, "training_mode", Tensor::scalar(true));
    }
    if let (Some(mask), true) = (ctx.node.output(1), ctx.opset < 10) {
        let name = ctx.graph.fresh_name(&format!("{}_kept", ctx.node.name));
        let kept = ctx.graph.add_value(&name, Some(DataType::Bool), None);
        ctx.after.push(Node::new("CastLike", [Some(kept), ctx.node.input(0)], [Some(mask)]));
        ctx.node.outputs[1] = Some(kept);
    }
    Ok(())
}

impl Builder {
    /// A node that marks where training drops elements; at inference it is `x`.
    pub fn dropout_inference(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Graph, Model, Shape};

    use crate::check;

    use super::*;

    #[test]
    fn inference_passes_its_input_and_keeps_all() {
        let x = Tensor::vector(&[1f32, -2.]);
        assert_eq!(check::eval(|b, v| b.dropout_inference(v[0]), std::slice::from_ref(&x)), x);
        let mask = check::eval(
            |b, v| {
                let y = b.dropout_inference(v[0])?;
                b.other_output(y, 1)
            },
            &[x],
        );
        assert_eq!(mask, Tensor::vector(&[true, true]));
    }

    #[test]
    fn training_mode_is_refused_unless_nothing_is_dropped() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[2]);
        let [half, none] = [0.5f32, 0.0].map(|r| b.constant("ratio", Tensor::scalar(r)));
        let on = b.constant("on", Tensor::scalar(true));
        assert!(b.apply(&OP, &[x, half, on], Attributes::new()).unwrap_err().to_string().contains("training mode"));
        assert!(b.apply(&OP, &[x, none, on], Attributes::new()).is_ok());
        let late = b.input("t", DataType::Bool, &[]);
        assert!(b.apply(&OP, &[x, half, late], Attributes::new()).is_err());
    }

    fn old(opset: i64, attributes: Attributes, mask: bool) -> Result<Model, OpError> {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[2])));
        let (y, m) = (g.add_value("y", None, None), g.add_value("m", None, None));
        (g.inputs, g.outputs) = (vec![x], if mask { vec![y, m] } else { vec![y] });
        g.nodes.push(Node::new("Dropout", [Some(x)], [Some(y), mask.then_some(m)]).with_attributes(attributes));
        let mut model = Model { opset, ..Model::new(g) };
        crate::upgrade(&mut model)?;
        crate::infer(&mut model)?;
        Ok(model)
    }

    #[test]
    fn older_forms() {
        let ratio = Attributes::new().with("ratio", 0.4f32);
        let model = old(7, ratio.clone(), true).unwrap();
        let outputs = crate::evaluate(&model, &[("x", Tensor::vector(&[1f32, 2.]))]).unwrap();
        assert_eq!(outputs["m"], Tensor::vector(&[1f32, 1.]), "a mask of the data's type before opset 10");
        assert!(old(10, ratio.clone(), true).is_ok());
        assert!(old(6, ratio.clone(), false).is_err());
        assert!(old(6, ratio.with("is_test", 1i64), false).is_ok());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.dropout_inference(v[0]), &[&[3]]);
    }
}
