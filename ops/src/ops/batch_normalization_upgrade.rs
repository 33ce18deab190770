//! `BatchNormalization` before opset 14, where the number of outputs told training from inference.

use ocellus_graph::{Attributes, Node, Shape, Tensor, ValueId};

use crate::{OpError, UpgradeContext};

/// The number of outputs since opset 14.
const OUTPUTS: usize = 3;

/// Opsets 6 to 13: five outputs mean training. `is_test` (6) is believed only where it says inference, because
/// exporters of that time left out the flag in models for inference, which have one output. `spatial=0` (6 and 7)
/// normalizes every element of a sample by itself: channels of a flat sample.
pub(super) fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    if ctx.opset >= 14 {
        return Ok(());
    }
    let test = ctx.opset < 7 && ctx.int("is_test", 0) != 0;
    let spatial = ctx.int("spatial", 1) != 0;
    for name in ["consumed_inputs", "is_test", "spatial"] {
        ctx.node.attributes.remove(name);
    }
    let training = !test && ctx.node.outputs.iter().skip(1).any(Option::is_some);
    if training {
        saved_statistics(ctx, spatial);
        ctx.node.outputs.truncate(OUTPUTS);
        ctx.node.attributes.set("training_mode", 1i64);
    } else {
        ctx.node.outputs.truncate(1);
    }
    if !spatial {
        flatten_samples(ctx);
    }
    Ok(())
}

fn fresh(ctx: &mut UpgradeContext, stem: &str) -> ValueId {
    let name = ctx.graph.fresh_name(&format!("{}_{stem}", ctx.node.name));
    ctx.graph.add_value(&name, None, None)
}

fn constant(ctx: &mut UpgradeContext, stem: &str, values: &[i64]) -> ValueId {
    let name = ctx.graph.fresh_name(&format!("{}_{stem}", ctx.node.name));
    ctx.graph.add_initializer(&name, Tensor::vector(values))
}

/// Outputs 3 and 4, which are gone since opset 14: the statistics of the batch. They stay unmade where the rank is
/// not known; a node that reads them then says so.
fn saved_statistics(ctx: &mut UpgradeContext, spatial: bool) {
    let saved = [ctx.node.output(3), ctx.node.output(4)];
    let Some(rank) = ctx.input_shape(0).map(Shape::rank).filter(|_| saved.iter().any(Option::is_some)) else { return };
    let reduced: Vec<i64> = (0..rank as i64).filter(|&i| i == 0 || (spatial && i != 1)).collect();
    let axes = Some(constant(ctx, "axes", &reduced));
    let x = ctx.node.input(0);
    let dropped = || Attributes::new().with("keepdims", 0i64);
    if let Some(mean) = saved[0] {
        ctx.after.push(Node::new("ReduceMean", [x, axes], [Some(mean)]).with_attributes(dropped()));
    }
    if let Some(variance) = saved[1] {
        let (mean, centered, square) = (fresh(ctx, "mean"), fresh(ctx, "centered"), fresh(ctx, "square"));
        ctx.after.push(Node::new("ReduceMean", [x, axes], [Some(mean)]));
        ctx.after.push(Node::new("Sub", [x, Some(mean)], [Some(centered)]));
        ctx.after.push(Node::new("Mul", [Some(centered); 2], [Some(square)]));
        ctx.after.push(Node::new("ReduceMean", [Some(square), axes], [Some(variance)]).with_attributes(dropped()));
    }
}

/// `[N, C, ...]` to `[N, C * ...]` before, and back after.
fn flatten_samples(ctx: &mut UpgradeContext) {
    let (sample, vector) = (constant(ctx, "sample", &[0, -1]), constant(ctx, "vector", &[-1]));
    let (x, statistic) = (ctx.node.input(0), ctx.node.input(3));
    for i in 0..ctx.node.inputs.len() {
        let flat = fresh(ctx, "flat");
        let shape = if i == 0 { sample } else { vector };
        ctx.before.push(Node::new("Reshape", [ctx.node.input(i), Some(shape)], [Some(flat)]));
        ctx.node.inputs[i] = Some(flat);
    }
    for i in 0..ctx.node.outputs.len() {
        let Some(output) = ctx.node.output(i) else { continue };
        let (flat, shape) = (fresh(ctx, "flat"), fresh(ctx, "shape"));
        let like = if i == 0 { x } else { statistic };
        ctx.node.outputs[i] = Some(flat);
        ctx.after.push(Node::new("Shape", [like], [Some(shape)]));
        ctx.after.push(Node::new("Reshape", [Some(flat), Some(shape)], [Some(output)]));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ocellus_graph::{DataType, Graph, Model};

    use super::*;

    /// Upgrades a node of this opset over `x` `[2, 2, 2]`, and evaluates its outputs.
    fn run(opset: i64, attributes: Attributes, outputs: usize, parameter: &[usize]) -> BTreeMap<String, Tensor> {
        let mut g = Graph::new("old");
        let mut inputs = Vec::new();
        let mut given = vec![("x", Tensor::of(&[2, 2, 2], vec![1f32, 3., 0., 0., 5., 7., 0., 4.]))];
        for (name, value) in [("scale", 2.0), ("bias", 1.0), ("mean", 0.0), ("var", 1.0)] {
            given.push((name, Tensor::full(DataType::F32, parameter, value)));
        }
        for (name, tensor) in &given {
            inputs.push(g.add_value(name, Some(DataType::F32), Some(Shape::fixed(tensor.shape()))));
        }
        g.inputs = inputs.clone();
        let names = ["y", "running_mean", "running_var", "saved_mean", "saved_var"];
        g.outputs = names[..outputs].iter().map(|n| g.add_value(n, None, None)).collect();
        let attributes = attributes.with("epsilon", 0f32).with("momentum", 0.5f32);
        let wanted: Vec<_> = g.outputs.iter().copied().map(Some).collect();
        let node = Node::new("BatchNormalization", inputs.into_iter().map(Some), wanted);
        g.nodes.push(node.with_attributes(attributes));
        let mut model = Model::new(g);
        model.opset = opset;
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        crate::evaluate(&model, &given).unwrap()
    }

    #[test]
    fn one_output_means_inference() {
        for (opset, attributes) in [
            (6, Attributes::new().with("is_test", 1i64).with("consumed_inputs", vec![0i64, 0, 0, 1, 1])),
            (6, Attributes::new()),
            (7, Attributes::new().with("spatial", 1i64)),
            (9, Attributes::new()),
            (14, Attributes::new()),
        ] {
            let y = &run(opset, attributes, 1, &[2])["y"];
            assert_eq!(y.to_f32(), [3., 7., 1., 1., 11., 15., 1., 9.], "opset {opset}");
        }
    }

    #[test]
    fn five_outputs_mean_training() {
        for opset in [6, 7, 9, 13] {
            let outputs = run(opset, Attributes::new(), 5, &[2]);
            assert_eq!(outputs["saved_mean"].to_f32(), [4., 1.], "opset {opset}");
            assert_eq!(outputs["saved_var"].to_f32(), [5., 3.], "opset {opset}");
            assert_eq!(outputs["running_mean"].to_f32(), [2., 0.5], "opset {opset}");
            assert_eq!(outputs["running_var"].to_f32(), [3., 2.], "opset {opset}");
            assert!((outputs["y"].to_f32()[7] - (1.0 + 2.0 * 3.0 / 3f32.sqrt())).abs() < 1e-6, "opset {opset}");
        }
    }

    #[test]
    fn statistics_of_every_element() {
        let outputs = run(7, Attributes::new().with("spatial", 0i64), 5, &[2, 2]);
        let y = outputs["y"].to_f32();
        assert_eq!((&y[..2], y[3], &y[4..6], y[7]), (&[-1f32, -1.][..], -1., &[3f32, 3.][..], 3.));
        assert!(y[2].is_nan(), "an element that never varies, without epsilon");
        assert_eq!(outputs["running_mean"], Tensor::of(&[2, 2], vec![1.5f32, 2.5, 0., 1.]));
        assert_eq!(outputs["saved_mean"], Tensor::of(&[2, 2], vec![3f32, 5., 0., 2.]));
        let y = &run(6, Attributes::new().with("spatial", 0i64).with("is_test", 1i64), 1, &[2, 2])["y"];
        assert_eq!(y.to_f32(), [3., 7., 1., 1., 11., 15., 1., 9.]);
    }
}
