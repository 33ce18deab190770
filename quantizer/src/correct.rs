//! Bias correction (Nagel et al. 2019): rounded weights move the mean of what a layer makes; its bias takes that back.
//!
//! The shift of a layer is what it would make of the same inputs with the rounding errors for weights. So one run of the
//! float model with such a twin beside every layer measures all of them.

use std::collections::HashMap;

use ocellus_graph::{Model, Tensor, ValueId};

use crate::QuantizeError;
use crate::executor::{Batch, Executor};

/// The rounding of a layer's weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounding {
    /// The place of the node in the float graph.
    pub node: usize,
    /// Which of its inputs the weights are.
    pub weights: usize,
    /// Which of its inputs the bias is.
    pub bias: usize,
    /// What the integer weights stand for, less the weights.
    pub error: Tensor,
}

/// The biases, by their value, without the shifts that the roundings cause on the samples. A bias that several layers add
/// stays as it is.
///
/// # Errors
/// A failure of the executor.
pub fn corrected(
    float: &Model,
    roundings: &[Rounding],
    samples: &[Batch],
    executor: &dyn Executor,
) -> Result<HashMap<ValueId, Tensor>, QuantizeError> {
    let mut model = float.clone();
    let graph = &mut model.graph;
    let (mut biases, mut twins) = (Vec::new(), Vec::new());
    let readers = float.graph.consumers();
    for rounding in roundings {
        let node = &float.graph.nodes[rounding.node];
        let (Some(bias), Some(output)) = (node.input(rounding.bias), node.output(0)) else { continue };
        if readers.get(&bias).is_none_or(|r| r.len() != 1) {
            continue;
        }
        let made = float.graph.value(output);
        let name = graph.fresh_name(&format!("{}_shift", made.name));
        let shift = graph.add_value(&name, made.dtype, made.shape.clone());
        let name = graph.fresh_name(&format!("{}_rounding", made.name));
        let error = graph.add_initializer(&name, rounding.error.clone());
        let mut twin = node.clone();
        twin.name = graph.fresh_name(&format!("{}_twin", node.name));
        twin.inputs[rounding.weights] = Some(error);
        twin.inputs[rounding.bias] = None;
        while twin.inputs.last().is_some_and(Option::is_none) {
            twin.inputs.pop();
        }
        twin.outputs = vec![Some(shift)];
        twins.push(twin);
        biases.push((bias, shift));
    }
    graph.nodes.append(&mut twins);
    graph.outputs = biases.iter().map(|(_, shift)| *shift).collect();
    graph.remove_dead();
    let mut shifts: Vec<Vec<f64>> = vec![Vec::new(); biases.len()];
    if !biases.is_empty() {
        let mut runner = executor.open(&model)?;
        for sample in samples {
            for (sum, made) in shifts.iter_mut().zip(runner.run(sample)?) {
                add_means(sum, &made);
            }
        }
    }
    let count = samples.len().max(1) as f64;
    let mut found = HashMap::new();
    for ((bias, _), shift) in biases.into_iter().zip(shifts) {
        let old = &float.graph.initializers[&bias];
        if old.len() != shift.len() {
            continue;
        }
        let new = old.to_f32().iter().zip(shift).map(|(b, s)| (f64::from(*b) - s / count) as f32).collect();
        found.insert(bias, Tensor::of(old.shape(), new));
    }
    Ok(found)
}

/// Adds the mean of every channel: of axis 1 of maps `[N, C, …]`, of the last axis of rows.
fn add_means(sums: &mut Vec<f64>, made: &Tensor) {
    let shape = made.shape();
    let axis = if shape.len() > 2 { 1 } else { shape.len().saturating_sub(1) };
    let channels = shape.get(axis).copied().unwrap_or(1).max(1);
    let inner: usize = shape.get(axis + 1..).unwrap_or_default().iter().product();
    sums.resize(channels, 0.0);
    let part = channels as f64 / made.len().max(1) as f64;
    for (offset, value) in made.to_f32().into_iter().enumerate() {
        sums[offset / inner.max(1) % channels] += f64::from(value) * part;
    }
}
