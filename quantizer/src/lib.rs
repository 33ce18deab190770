//! Float graph to integer graph: observers, calibration, schemes, error report.
//!
//! [`quantize`] folds batch normalizations, runs the float model over calibration data, chooses a scale for every
//! activation and every output channel of the weights, and writes standard ONNX with QuantizeLinear and
//! DequantizeLinear pairs that any ONNX engine opens. What is done in detail is in `docs/quantization.md`.
//!
//! - Activations have 8 bits, asymmetric uint8 or symmetric int8 ([`Activations`]); ranges are chosen by a [`Method`].
//! - Weights are int8 within ±127, one scale per output channel, zero point 0; biases int32 in the accumulator's scale.
//! - Nodes without a quantization rule stay float, and the [`Report`] names them.
//!
//! It is not quantization-aware training: weights are rounded as they are. What their rounding does to the mean of a layer
//! can be taken back by its bias ([`Options::correction_batches`]); what neighbouring layers waste on channels of unlike
//! ranges, by [`Options::equalize`].
//!
//! ```
//! use ocellus_graph::{DataType, Tensor};
//! use ocellus_quantizer::{Options, Reference, quantize};
//! # fn main() -> Result<(), ocellus_quantizer::QuantizeError> {
//! let mut b = ocellus_ops::Builder::new("example");
//! let x = b.input("x", DataType::F32, &[1, 2]);
//! let w = b.constant("w", Tensor::of(&[2, 2], vec![0.5f32, -1.0, 0.25, 2.0]));
//! let y = b.matmul(x, w)?;
//! let y = b.relu(y)?;
//! b.output(y, "y");
//! let model = b.finish();
//! let batch = |v: [f32; 2]| Ok(vec![("x".to_owned(), Tensor::of(&[1, 2], v.to_vec()))]);
//! let mut batches = [batch([1.0, -1.0]), batch([0.5, 0.75])].into_iter();
//! let (int8, report) = quantize(&model, &Options::default(), &Reference, &mut batches)?;
//! println!("{report}");
//! let y = &ocellus_ops::evaluate(&int8, &[("x", Tensor::of(&[1, 2], vec![0.5f32, 0.75]))])?["y"];
//! assert!((y.to_f32()[1] - 1.0).abs() < 0.02);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod calibrate;
mod correct;
mod entropy;
mod equalize;
mod error;
mod executor;
mod histogram;
mod insert;
mod mean_square;
mod observer;
mod params;
mod recipe;
mod report;
#[cfg(test)]
mod samples;
mod scales;
mod select;
mod sensitivity;
#[cfg(test)]
mod tests;
mod weights;

use std::collections::{HashMap, HashSet};

pub use calibrate::{BatchError, Batches};
pub use error::QuantizeError;
pub use executor::{Batch, Executor, OnBackend, Reference, Runner};
pub use histogram::{BINS, Histogram};
pub use observer::{Method, Observer};
use ocellus_graph::{Graph, Model, Node, ValueId};
use ocellus_ops::Role;
pub use params::{Activations, Params};
pub use recipe::{Recipe, requantize};
pub use report::{Accuracy, FloatNode, Layer, Output, Report, accuracy};
use select::Treatment;
pub use sensitivity::{Sensitivity, sensitivities};
pub use weights::{IntegerWeights, Surroundings, quantize_weights};

/// The switches of [`quantize`].
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// How ranges of activations are chosen.
    pub method: Method,
    /// The layout of activations.
    pub activations: Activations,
    /// Names of nodes that stay float; a node without a name goes by that of its first output.
    pub exclude: Vec<String>,
    /// How many calibration batches are kept to compare both models layer by layer; 0 for none.
    pub report_batches: usize,
    /// How many calibration batches the biases are corrected by; 0 for none.
    pub correction_batches: usize,
    /// Whether the ranges of channels are shared between neighbouring layers before anything else.
    pub equalize: bool,
}

impl Default for Options {
    fn default() -> Self {
        let (method, activations) = (Method::default(), Activations::default());
        Self { method, activations, exclude: Vec::new(), report_batches: 2, correction_batches: 0, equalize: false }
    }
}

/// Quantizes a float model after training. Returns the integer model (opset 21, inputs and outputs as before) and what
/// it cost.
///
/// `batches` yields the inputs of one run after the other, as the model wants them; it is read once.
///
/// # Errors
/// A model that is quantized already, has unknown operators or nothing to quantize; no data; values that are not finite;
/// a channel that does not fit integers; or a failure of the executor or the data.
pub fn quantize(
    model: &Model,
    options: &Options,
    executor: &dyn Executor,
    batches: Batches,
) -> Result<(Model, Report), QuantizeError> {
    options.method.check()?;
    let mut float = prepared(model)?;
    let equalized = if options.equalize { equalize::equalize(&mut float) } else { 0 };
    let exclude: HashSet<&str> = options.exclude.iter().map(String::as_str).collect();
    check_names(&float, &exclude)?;
    let treatments = select::select(&float.graph, &exclude);
    let float_nodes = float_nodes(&float, &treatments);
    if float_nodes.len() == float.graph.nodes.len() {
        let reasons: Vec<_> = float_nodes.iter().map(|n| format!("{} ({}): {}", n.node, n.op, n.reason)).collect();
        return Err(refused(&float, format!("no node can be quantized; {}", reasons.join("; "))));
    }
    let sources = scales::Sources::new(&float.graph, &treatments);
    let finals = sources.finals(&float.graph);
    let found = calibrate::calibrate(&float, &sources.observed(), &finals, options, executor, batches)?;
    let params = sources.params(options.activations, &found.params);
    let mut inserted = insert::insert(&float.graph, &treatments, &params)?;
    let mut biases = HashMap::new();
    if options.correction_batches > 0 {
        let samples = &found.samples[..found.samples.len().min(options.correction_batches)];
        biases = correct::corrected(&float, &inserted.roundings, samples, executor)?;
        inserted = insert::insert(&with_biases(&float, &biases), &treatments, &params)?;
    }
    let integer = Model { graph: inserted.graph, producer: "ocellus".to_owned(), ..float.clone() };

    let parts = Parts { float: &float, integer: &integer, dequantized: &inserted.dequantized };
    let mut report = parts.report(inserted.layers, float_nodes, &found, options, executor)?;
    report.equalized = equalized;
    report.recipe = Recipe::new(&float, options, &found.params, &biases);
    Ok((integer, report))
}

/// Both models, and which value of the one is which of the other.
struct Parts<'a> {
    float: &'a Model,
    integer: &'a Model,
    dequantized: &'a HashMap<ValueId, ValueId>,
}

impl Parts<'_> {
    /// Compares both models on the samples and writes everything down.
    fn report(
        &self,
        scales: Vec<report::LayerScale>,
        float_nodes: Vec<FloatNode>,
        found: &calibrate::Calibration,
        options: &Options,
        executor: &dyn Executor,
    ) -> Result<Report, QuantizeError> {
        let graph = &self.float.graph;
        let samples = &found.samples[..found.samples.len().min(options.report_batches)];
        let outputs = graph.outputs.iter().copied().zip(self.integer.graph.outputs.iter().copied());
        let pair = |l: &report::LayerScale| Some((l.value, *self.dequantized.get(&l.value)?));
        let mut pairs: Vec<_> = scales.iter().filter_map(pair).chain(outputs).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let figures = report::compare(self.float, self.integer, &pairs, samples, executor)?;
        let figure = |v: ValueId| figures.get(&v).copied().flatten();
        let name = |v: ValueId| graph.value(v).name.clone();
        let layer = |l: report::LayerScale| Layer {
            tensor: name(l.value),
            scale: l.params.scale,
            zero_point: l.params.zero_point,
            range: l.params.range(),
            sqnr_db: figure(l.value),
            weights_sqnr_db: l.weights_sqnr_db,
            node: l.node,
            op: l.op,
        };
        let mut layers: Vec<_> = scales.into_iter().map(layer).collect();
        report::sort_worst_first(&mut layers);
        Ok(Report {
            method: options.method.to_string(),
            activations: options.activations,
            batches: found.batches,
            compared: samples.len(),
            layers,
            outputs: graph.outputs.iter().map(|&v| Output { name: name(v), sqnr_db: figure(v) }).collect(),
            float_nodes,
            accuracy: None,
            equalized: 0,
            recipe: Recipe::default(),
        })
    }
}

/// The graph with other biases.
fn with_biases(float: &Model, biases: &HashMap<ValueId, ocellus_graph::Tensor>) -> Graph {
    let mut graph = float.graph.clone();
    graph.initializers.extend(biases.iter().map(|(&id, tensor)| (id, tensor.clone())));
    graph
}

/// The name of a node, or that of its first output where the file gives it none.
fn node_name<'a>(graph: &'a Graph, node: &'a Node) -> &'a str {
    let output = || node.outputs.iter().flatten().next().map_or("", |&v| graph.value(v).name.as_str());
    if node.name.is_empty() { output() } else { &node.name }
}

fn refused(model: &Model, problem: String) -> QuantizeError {
    QuantizeError::Model { model: model.graph.name.clone(), problem }
}

/// The model at opset 21 with everything folded that can be.
fn prepared(model: &Model) -> Result<Model, QuantizeError> {
    let unknown = ocellus_ops::unsupported(model);
    if !unknown.is_empty() {
        let list: Vec<_> = unknown.into_iter().map(|(node, _)| node).collect();
        return Err(refused(model, format!("operators that are not supported: {}", list.join(", "))));
    }
    let integer = |n: &&Node| ocellus_ops::find(&n.domain, &n.op).is_some_and(|d| d.role != Role::Compute);
    if let Some(node) = model.graph.nodes.iter().find(integer) {
        let problem = format!("it is quantized already: {}; the float model is expected", node.label());
        return Err(refused(model, problem));
    }
    let mut float = model.clone();
    if float.opset != Model::OPSET {
        ocellus_ops::upgrade(&mut float)?;
    }
    ocellus_ops::simplify(&mut float)?;
    Ok(float)
}

fn check_names(model: &Model, exclude: &HashSet<&str>) -> Result<(), QuantizeError> {
    let known: HashSet<&str> = model.graph.nodes.iter().map(|n| node_name(&model.graph, n)).collect();
    let mut missing: Vec<_> = exclude.difference(&known).collect();
    missing.sort_unstable();
    if missing.is_empty() {
        return Ok(());
    }
    Err(refused(model, format!("nodes to exclude that are not in the folded model: {missing:?}")))
}

fn float_nodes(model: &Model, treatments: &[Treatment]) -> Vec<FloatNode> {
    let float = |(n, t): (&Node, &Treatment)| match t {
        Treatment::Float(reason) => {
            Some(FloatNode { node: node_name(&model.graph, n).to_owned(), op: n.op.clone(), reason: reason.clone() })
        }
        _ => None,
    };
    model.graph.nodes.iter().zip(treatments).filter_map(float).collect()
}
