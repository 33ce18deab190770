//! The gradient rules on ONNX's conformance cases: what they emit, run by the reference and by an engine.
//!
//! Finite differences are the operators' own tests (`ocellus_ops::check`); they say whether a rule is the derivative of
//! the float meaning. This says whether the emitted nodes mean the same to another engine, also where values are tied
//! or all equal, which is where masks and indices go wrong, and whether CUDA has a kernel for every one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ocellus_graph::{DataType, Model, Tensor, ValueId};
use ocellus_ops::check::numbers;
use ocellus_ops::{Builder, OpError, find};
use ocellus_trainer::autograd::{GradientTable, gradients_from};

use crate::conformance::{Prepared, prepare_with};

/// A case whose gradients with respect to its float inputs are the outputs of a model.
pub struct GradientCase {
    /// From the case's inputs to the gradients of `Σ output * cotangent` over its float outputs.
    pub model: Model,
    /// The operators that rules emitted, each with the type of its first operand that is no truth value.
    pub emitted: BTreeSet<(String, DataType)>,
    /// The case's inputs.
    pub inputs: Vec<(String, Tensor)>,
}

/// The values that the inputs of a case take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// Those of the case.
    Given,
    /// Rounded to halves, so that many are equal.
    Tied,
    /// All of a float tensor equal.
    Constant,
}

/// The case of one node in a folder with its gradients, and its operator; `None` where the operator has no gradient
/// rule, or no gradient flows.
pub fn differentiated(folder: &Path) -> Option<(String, GradientCase)> {
    let model = Model::load(folder.join("model.onnx")).ok()?;
    // What is no float is no variable: shapes, axes and indices are constants; then bounds and scales too.
    let choices: [fn(&Tensor) -> bool; 2] = [|t| !t.dtype().is_float(), |t| !t.dtype().is_float() || t.rank() <= 1];
    choices.into_iter().find_map(|constant| {
        let case = prepare_with(&model, &folder.join("test_data_set_0"), &[constant]).ok()?;
        let [node] = case.model.graph.nodes.as_slice() else { return None };
        find(&node.domain, &node.op)?.grad?;
        Some((node.op.clone(), gradient_case(&case).ok()??))
    })
}

/// Appends the gradients to a case; `None` where no input or output is f32, or no gradient flows.
///
/// # Errors
/// A rule that refuses the node.
fn gradient_case(case: &Prepared) -> Result<Option<GradientCase>, OpError> {
    let graph = &case.model.graph;
    let is_f32 = |v: &ValueId| graph.value(*v).dtype == Some(DataType::F32);
    let wrt: Vec<ValueId> = graph.inputs.iter().copied().filter(is_f32).collect();
    let outputs: Vec<ValueId> = graph.outputs.iter().copied().filter(is_f32).collect();
    if wrt.is_empty() || outputs.is_empty() {
        return Ok(None);
    }
    let mut b = Builder::from_graph(graph.clone());
    let mut seeds = Vec::with_capacity(outputs.len());
    for (k, &output) in outputs.iter().enumerate() {
        let shape = b.shape(output)?;
        let values: Vec<f32> = numbers(shape.iter().product(), 31 + k as u64).into_iter().map(|v| v as f32).collect();
        seeds.push((output, b.constant("cotangent", Tensor::of(&shape, values))));
    }
    let own = b.graph().nodes.len();
    let found = gradients_from(&mut b, &seeds, &wrt, &GradientTable::new())?;
    b.graph_mut().outputs.clear();
    for (k, gradient) in found.into_iter().flatten().enumerate() {
        // A gradient may be a constant or an input itself, which no engine gives out under another name.
        let gradient = b.identity(gradient)?;
        b.output(gradient, &format!("gradient_{k}"));
    }
    if b.graph().outputs.is_empty() {
        return Ok(None);
    }
    let mut emitted = BTreeSet::new();
    for node in &b.graph().nodes[own..] {
        let types = node.inputs.iter().flatten().map(|&v| b.dtype(v)).collect::<Result<Vec<_>, _>>()?;
        let main = types.iter().find(|t| **t != DataType::Bool).or(types.first());
        emitted.extend(main.map(|t| (node.op.clone(), *t)));
    }
    Ok(Some(GradientCase { model: b.finish(), emitted, inputs: case.inputs.clone() }))
}

impl GradientCase {
    /// The inputs that the model still has, with these values.
    pub fn inputs(&self, values: Values) -> Vec<(String, Tensor)> {
        let graph = &self.model.graph;
        let kept: BTreeSet<&str> = graph.inputs.iter().map(|&v| graph.value(v).name.as_str()).collect();
        let kept = self.inputs.iter().filter(|(name, _)| kept.contains(name.as_str()));
        kept.map(|(name, tensor)| (name.clone(), varied(tensor, values))).collect()
    }
}

fn varied(tensor: &Tensor, values: Values) -> Tensor {
    if tensor.dtype() != DataType::F32 {
        return tensor.clone();
    }
    let change = |v: f32| match values {
        Values::Given => v,
        Values::Tied => (v * 2.0).round() / 2.0,
        Values::Constant => 0.5,
    };
    Tensor::of(tensor.shape(), tensor.to_f32().into_iter().map(change).collect::<Vec<f32>>())
}

/// The greatest difference between two tensors, relative to the greatest size in the right one or 1; infinite where
/// shapes differ or only one has a NaN or an infinity at a place.
pub fn distance(right: &Tensor, found: &Tensor) -> f64 {
    if right.shape() != found.shape() {
        return f64::INFINITY;
    }
    let (a, b) = (right.to_f64(), found.to_f64());
    let size = a.iter().filter(|v| v.is_finite()).fold(1.0, |m: f64, v| m.max(v.abs()));
    let one = |(a, b): (&f64, &f64)| {
        let alike = a == b || (!a.is_finite() && !b.is_finite());
        if alike {
            0.0
        } else if a.is_finite() && b.is_finite() {
            (a - b).abs() / size
        } else {
            f64::INFINITY
        }
    };
    a.iter().zip(&b).map(one).fold(0.0, f64::max)
}

/// The element types for which ONNX Runtime has a CUDA kernel at opset 21, by operator.
pub fn cuda_kernels() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let lines = include_str!("../gradients/cuda_kernels.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).map(|(op, types)| (op, types.split(' ').collect())).collect()
}
