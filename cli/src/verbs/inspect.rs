//! `ocellus inspect`: what is in a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use ocellus_graph::{Graph, Model, ValueId};
use ocellus_ops::{Role, find};
use ocellus_plan::{DeviceType, Plan, Port, Space, Step, Steps};
use ocellus_trainer::checkpoint::load_checkpoint;
use ocellus_trainer::data::read_idx;
use serde_json::{Value, json};

use crate::kernel::Kernel;
use crate::map::map_file;
use crate::model_file::is_plan;
use crate::npy;
use crate::output::{Ending, Output};

/// `ocellus inspect FILE`
#[derive(Args)]
pub struct Inspect {
    /// An ONNX file, a plan, a checkpoint, an array (.npy), or a file of the idx format.
    file: PathBuf,
}

impl Inspect {
    /// Shows.
    ///
    /// # Errors
    /// A file of no known kind, or a damaged one.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let path = &self.file;
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let (text, value) = if is_plan(path)? {
            plan(path)?
        } else if name.ends_with(".npy") {
            let tensor = npy::read(path)?;
            let text = format!("array of {} {:?}", tensor.dtype(), tensor.shape());
            (text, json!({ "kind": "array", "type": tensor.dtype().name(), "shape": tensor.shape() }))
        } else if name.contains("-ubyte") {
            let (sizes, bytes) = read_idx(path)?;
            let text = format!("idx file of bytes {sizes:?}, {} elements", bytes.len());
            (text, json!({ "kind": "idx", "shape": sizes }))
        } else if name.ends_with(".onnx") {
            onnx(&Model::load(path)?)
        } else if let Ok((state, tensors)) = load_checkpoint::<Value>(path) {
            let list: Vec<String> =
                tensors.iter().map(|(n, t)| format!("  {n} {} {:?}", t.dtype(), t.shape())).collect();
            let done = state["done"].clone();
            let text = format!("checkpoint after step {done}, {} tensors\n{}", tensors.len(), list.join("\n"));
            (text, json!({ "kind": "checkpoint", "step": done, "tensors": tensors.keys().collect::<Vec<_>>() }))
        } else if let Ok(model) = Model::load(path) {
            onnx(&model)
        } else {
            bail!("{} is no plan, ONNX file, checkpoint, .npy array or idx file", path.display());
        };
        output.answer(text, &value);
        Ok(Ending::Fine)
    }
}

fn value_text(graph: &Graph, id: ValueId) -> String {
    let value = graph.value(id);
    let dtype = value.dtype.map_or("?", |t| t.name());
    let shape = value.shape.as_ref().map_or("[?]".to_owned(), ToString::to_string);
    format!("{:?} {dtype} {shape}", value.name)
}

fn onnx(model: &Model) -> (String, Value) {
    let graph = &model.graph;
    let weights: usize = graph.initializers.values().map(|t| t.len()).sum();
    let mut lines = vec![format!(
        "ONNX model {:?} by {:?}, opset {}: {} nodes, {weights} numbers in {} constants",
        graph.name,
        model.producer,
        model.opset,
        graph.nodes.len(),
        graph.initializers.len()
    )];
    lines.extend(graph.inputs.iter().map(|&v| format!("input  {}", value_text(graph, v))));
    lines.extend(graph.outputs.iter().map(|&v| format!("output {}", value_text(graph, v))));
    lines.extend(model.metadata.iter().map(|(k, v)| format!("metadata {k}: {v}")));
    let integer = integers(graph);
    for (node, exact) in graph.nodes.iter().zip(&integer) {
        let outputs: Vec<String> = node.outputs.iter().flatten().map(|&v| value_text(graph, v)).collect();
        let mark = if *exact { "bit-equal" } else { "bounded  " };
        lines.push(format!("{mark} {} -> {}", node.label(), outputs.join(", ")));
    }
    if integer.iter().any(|&e| !e) {
        lines.push(
            "bit-equal: integer arithmetic, the same bits everywhere; bounded: float, within stated bounds".to_owned(),
        );
    }
    let names = |ids: &[ValueId]| ids.iter().map(|&v| graph.value(v).name.clone()).collect::<Vec<_>>();
    let node = |(n, exact): (&ocellus_graph::Node, &bool)| json!({ "name": n.name, "op": n.op, "bit_equal": exact });
    let nodes: Vec<_> = graph.nodes.iter().zip(&integer).map(node).collect();
    let value = json!({
        "kind": "onnx", "name": graph.name, "producer": model.producer, "opset": model.opset,
        "inputs": names(&graph.inputs), "outputs": names(&graph.outputs), "metadata": model.metadata,
        "weights": weights, "nodes": nodes,
    });
    (lines.join("\n"), value)
}

/// For every node, whether what it makes is the same to the bit on every machine: it passes between floats and integers,
/// reads nothing but dequantized values and is quantized right behind (perhaps behind a clamp), or makes no floats.
fn integers(graph: &Graph) -> Vec<bool> {
    let (producers, consumers) = (graph.producers(), graph.consumers());
    let role = |index: usize| find(&graph.nodes[index].domain, &graph.nodes[index].op).map(|d| d.role);
    let dequantized = |v: &ValueId| match producers.get(v) {
        Some(&p) => role(p) == Some(Role::Dequantize),
        None => graph.initializers.get(v).is_some_and(|t| !t.dtype().is_float()),
    };
    let quantized = |v: &ValueId| {
        let readers = consumers.get(v).map_or(&[][..], Vec::as_slice);
        !graph.outputs.contains(v) && !readers.is_empty() && readers.iter().all(|&r| role(r) == Some(Role::Quantize))
    };
    let mut exact: Vec<bool> = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        let clamp = find(&node.domain, &node.op).is_some_and(|d| matches!(d.fold, ocellus_ops::Fold::Clamp(_)));
        let given: Vec<&ValueId> =
            node.inputs.iter().flatten().filter(|v| !graph.initializers.contains_key(v)).collect();
        let behind = clamp && given.iter().all(|v| producers.get(v).is_some_and(|&p| exact.get(p) == Some(&true)));
        let ends =
            node.outputs.iter().flatten().all(|v| quantized(v) || before_clamp(graph, &consumers, v, &quantized));
        let made_floats = node.outputs.iter().flatten().any(|v| graph.value(*v).dtype.is_none_or(|t| t.is_float()));
        exact.push(match role(index) {
            Some(Role::Quantize | Role::Dequantize) => true,
            _ => !made_floats || ends && (behind || given.iter().all(|v| dequantized(v))),
        });
    }
    exact
}

/// Whether the one reader of a value is a clamp whose output is quantized.
fn before_clamp(
    graph: &Graph,
    consumers: &std::collections::HashMap<ValueId, Vec<usize>>,
    value: &ValueId,
    quantized: &dyn Fn(&ValueId) -> bool,
) -> bool {
    let Some(&[reader]) = consumers.get(value).map(Vec::as_slice) else { return false };
    let node = &graph.nodes[reader];
    let clamp = find(&node.domain, &node.op).is_some_and(|d| matches!(d.fold, ocellus_ops::Fold::Clamp(_)));
    clamp && node.outputs.iter().flatten().all(quantized)
}

fn port_text(port: &Port<'_>) -> String {
    let device = match port.device {
        DeviceType::Same => port.host.name().to_owned(),
        DeviceType::Quantized => format!("int8, scale {}, zero point {}", port.scale, port.zero_point),
    };
    format!(
        "{:?} {} {:?}; on the device {device}, {:?} order, {} bytes at {}",
        port.name,
        port.host.name(),
        port.shape(),
        port.axes,
        port.len,
        port.offset
    )
}

fn step_text(name: &str, step: &Step<'_>) -> String {
    let operand = |o: ocellus_plan::Operand| match o.space {
        Space::Arena => format!("arena {}+{}", o.offset, o.len),
        Space::Weights => format!("weights {}+{}", o.offset, o.len),
        Space::InPlace => "in place".to_owned(),
        Space::Absent => "none".to_owned(),
    };
    let (reads, writes): (Vec<_>, Vec<_>) = (step.reads().map(operand).collect(), step.writes().map(operand).collect());
    let kernel = Kernel::of(step).map_or_else(String::new, |k| format!(" [{}]", k.text()));
    format!("{name}: {} -> {}{kernel}", reads.join(", "), writes.join(", "))
}

fn plan(path: &Path) -> Result<(String, Value)> {
    let map = map_file(path).with_context(|| format!("{} cannot be mapped", path.display()))?;
    let plan = Plan::parse(&map).with_context(|| path.display().to_string())?;
    let mut words = vec![0; plan.step_words()];
    let words = plan.copy_steps(&mut words).context("the step table is damaged")?;
    let steps: Vec<Step<'_>> = Steps::new(words).collect::<Result<_, _>>().map_err(|e| {
        anyhow::anyhow!("{}: the step table is damaged ({e:?}): compile the model again", path.display())
    })?;
    let names: Vec<&str> = plan.step_names().collect();
    let mut lines = vec![format!(
        "plan of {} bytes: arena {} bytes aligned to {}, weights {} bytes, step table {} bytes, {} steps",
        map.len(),
        plan.arena_bytes(),
        plan.arena_align(),
        plan.weights().len(),
        plan.step_words() * 4,
        steps.len()
    )];
    lines.extend(plan.inputs().map(|p| format!("input  {}", port_text(&p))));
    lines.extend(plan.outputs().map(|p| format!("output {}", port_text(&p))));
    let named = |i: usize| names.get(i).copied().unwrap_or("?");
    lines.extend(steps.iter().enumerate().map(|(i, s)| format!("step {i:3} {}", step_text(named(i), s))));
    lines.push(format!("metadata {}", plan.metadata()));
    let port = |p: Port<'_>| {
        json!({
            "name": p.name, "type": p.host.name(), "shape": p.shape(), "bytes": p.len, "offset": p.offset,
            "quantized": p.device == DeviceType::Quantized, "scale": p.scale, "zero_point": p.zero_point,
        })
    };
    let metadata: Value = serde_json::from_str(plan.metadata()).unwrap_or_default();
    let value = json!({
        "kind": "plan", "plan_bytes": map.len(), "arena_bytes": plan.arena_bytes(),
        "weights_bytes": plan.weights().len(), "step_table_bytes": plan.step_words() * 4, "steps": names,
        "layouts": steps.iter().map(|s| Kernel::of(s).map(|k| k.layout)).collect::<Vec<_>>(),
        "inputs": plan.inputs().map(port).collect::<Vec<_>>(), "outputs": plan.outputs().map(port).collect::<Vec<_>>(),
        "metadata": metadata,
    });
    Ok((lines.join("\n"), value))
}
