//! From a [`Model`] to messages.

use std::collections::{BTreeSet, HashMap};

use super::attribute::write_attributes;
use super::error::OnnxProblem;
use super::order::order;
use super::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto};
use super::read::UNNAMED;
use super::tensor::write_tensor;
use super::types::write_value;
use crate::{Attribute, Graph, Model, ValueId};

/// The message of a model.
pub(super) fn write_model(model: &Model) -> Result<ModelProto, OnnxProblem> {
    let import = |domain: &str, version| OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(version) };
    let mut domains = BTreeSet::new();
    collect_domains(&model.graph, &mut domains);
    domains.remove("");
    let others = domains.into_iter().map(|d| import(d, model.domains.get(d).copied().unwrap_or(1)));
    let entry = |(key, value): (&String, &String)| StringStringEntryProto {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    Ok(ModelProto {
        ir_version: Some(ir_version(model.opset)),
        producer_name: (!model.producer.is_empty()).then(|| model.producer.clone()),
        graph: Some(Box::new(write_graph(&model.graph, false)?)),
        opset_import: std::iter::once(import("", model.opset)).chain(others).collect(),
        metadata_props: model.metadata.iter().map(entry).collect(),
        functions: Vec::new(),
    })
}

/// The least IR version that goes with an opset, but never one before 10 (ONNX's table of releases).
fn ir_version(opset: i64) -> i64 {
    match opset {
        ..=22 => 10,
        23 => 11,
        24 => 12,
        _ => 13,
    }
}

fn collect_domains<'a>(graph: &'a Graph, domains: &mut BTreeSet<&'a str>) {
    for node in &graph.nodes {
        domains.insert(&node.domain);
        for attribute in node.attributes.0.values() {
            if let Attribute::Graph(body) = attribute {
                collect_domains(body, domains);
            }
        }
    }
}

/// The message of a graph, in which every name means one value.
pub(super) fn write_graph(graph: &Graph, is_body: bool) -> Result<GraphProto, OnnxProblem> {
    let mut names = Names { graph, ids: HashMap::new() };
    let name = if graph.name.is_empty() { UNNAMED } else { &graph.name };
    let mut proto = GraphProto { name: Some(name.to_owned()), ..GraphProto::default() };
    for &id in &graph.inputs {
        names.of(id)?;
        proto.input.push(write_value(graph.value(id)));
    }
    for (&id, tensor) in &graph.initializers {
        proto.initializer.push(write_tensor(names.of(id)?, tensor));
    }
    let outputs: BTreeSet<ValueId> = graph.outputs.iter().copied().collect();
    for node in &graph.nodes {
        let (input, output) = (names.of_all(&node.inputs)?, names.of_all(&node.outputs)?);
        for &id in node.outputs.iter().flatten().filter(|id| !outputs.contains(id)) {
            let value = graph.value(id);
            if value.dtype.is_some() || value.shape.is_some() {
                proto.value_info.push(write_value(value));
            }
        }
        proto.node.push(NodeProto {
            input,
            output,
            name: (!node.name.is_empty()).then(|| node.name.clone()),
            op_type: Some(node.op.clone()),
            attribute: write_attributes(&node.attributes)?,
            domain: (!node.domain.is_empty()).then(|| node.domain.clone()),
            overload: None,
        });
    }
    for &id in &graph.outputs {
        names.of(id)?;
        proto.output.push(write_value(graph.value(id)));
    }
    // What is written can be read: the same check as after reading.
    order(&proto, is_body)?;
    Ok(proto)
}

/// The names of values that are written, each of which must stand for one value.
struct Names<'a> {
    graph: &'a Graph,
    ids: HashMap<&'a str, ValueId>,
}

impl<'a> Names<'a> {
    fn of(&mut self, id: ValueId) -> Result<&'a str, OnnxProblem> {
        let value = self.graph.values.get(id.index()).ok_or_else(|| {
            let expected = format!("a value of the {} in graph {:?}", self.graph.values.len(), self.graph.name);
            OnnxProblem::model(expected, format!("number {}", id.0))
        })?;
        if value.name.is_empty() {
            return Err(OnnxProblem::value("", "a name for every value that is written", "none"));
        }
        if *self.ids.entry(&value.name).or_insert(id) != id {
            return Err(OnnxProblem::value(&value.name, "one value of this name in the graph", "two"));
        }
        Ok(&value.name)
    }

    /// The names of a node's inputs or outputs; empty where one is left out.
    fn of_all(&mut self, ids: &[Option<ValueId>]) -> Result<Vec<String>, OnnxProblem> {
        ids.iter().map(|id| id.map_or(Ok(String::new()), |id| self.of(id).map(str::to_owned))).collect()
    }
}
