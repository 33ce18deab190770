//! What every layer's 8 bits alone do to the outputs of a model.

use std::collections::HashSet;

use ocellus_graph::{Model, Node};

use crate::executor::{Batch, Executor};
use crate::select::{Treatment, is_light, select};
use crate::{Options, QuantizeError, node_name, prepared, quantize};

/// A layer, and how much noise it brings when it is the only one in 8 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Name of the node.
    pub node: String,
    /// Noise over signal, in power, summed over the outputs of the model.
    pub noise: f64,
}

/// Every layer that computes in integers, the noisiest first: each in turn is quantized alone, and the outputs are compared
/// with those of the float model on the samples, which its ranges are chosen by as well.
///
/// Layers that only move or clamp have no entry: they follow the layer before them. `seen` is told how many of how many
/// layers are done.
///
/// # Errors
/// As [`quantize`].
pub fn sensitivities(
    model: &Model,
    options: &Options,
    executor: &dyn Executor,
    samples: &[Batch],
    seen: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Sensitivity>, QuantizeError> {
    let names = layers(&prepared(model)?, &options.exclude);
    let mut found = Vec::with_capacity(names.len());
    for (index, node) in names.iter().enumerate() {
        let others = names.iter().filter(|&other| other != node).cloned();
        let alone = Options {
            exclude: options.exclude.iter().cloned().chain(others).collect(),
            report_batches: samples.len(),
            correction_batches: 0,
            ..options.clone()
        };
        let (_, report) = quantize(model, &alone, executor, &mut samples.iter().cloned().map(Ok))?;
        let noise = report.outputs.iter().filter_map(|o| o.sqnr_db).map(|db| 10f64.powf(-db / 10.0)).sum();
        found.push(Sensitivity { node: node.clone(), noise });
        seen(index + 1, names.len());
    }
    found.sort_by(|a, b| b.noise.total_cmp(&a.noise));
    Ok(found)
}

/// The names of the nodes that compute in integers by themselves.
fn layers(float: &Model, exclude: &[String]) -> Vec<String> {
    let exclude: HashSet<&str> = exclude.iter().map(String::as_str).collect();
    let graph = &float.graph;
    let computes = |(n, t): &(&Node, Treatment)| matches!(t, Treatment::Integer(..)) && !is_light(graph, n, t);
    let nodes = graph.nodes.iter().zip(select(graph, &exclude)).filter(computes);
    nodes.map(|(n, _)| node_name(graph, n).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use super::*;
    use crate::Reference;
    use crate::samples::normal;

    /// Two matrices in turn; what comes out of the first has one huge column, so that its 8 bits lose the others, which are
    /// all that the second one sees.
    #[test]
    fn the_layer_that_loses_most_comes_first() {
        let mut b = ocellus_ops::Builder::new("two");
        let x = b.input("x", DataType::F32, &[1, 8]);
        let mut coarse = normal(64, 3);
        coarse.iter_mut().step_by(8).for_each(|v| *v *= 1000.0);
        let coarse = b.constant("coarse", Tensor::of(&[8, 8], coarse));
        let fine = b.constant("fine", Tensor::of(&[7, 8], normal(56, 4)));
        let y = b.matmul(x, coarse).unwrap();
        let y = b.slice(y, &[1], &[8], &[1], &[1]).unwrap();
        let y = b.matmul(y, fine).unwrap();
        b.output(y, "y");
        let model = b.finish();
        let sample = |seed| vec![("x".to_owned(), Tensor::of(&[1, 8], normal(8, seed)))];
        let samples = [sample(1), sample(2)];
        let mut calls = Vec::new();
        let options = Options::default();
        let found = sensitivities(&model, &options, &Reference, &samples, &mut |i, n| calls.push((i, n))).unwrap();
        assert_eq!(calls, [(1, 2), (2, 2)]);
        assert!(found[0].noise > 10.0 * found[1].noise, "{found:?}");
        let first = model.graph.nodes[0].clone();
        assert_eq!(found[0].node, node_name(&model.graph, &first));
    }
}
