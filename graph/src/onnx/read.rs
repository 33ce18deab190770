//! From messages to a [`Model`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::READABLE;
use super::attribute::read_attributes;
use super::error::OnnxProblem;
use super::external::External;
use super::functions::inline_functions;
use super::order::order;
use super::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, canonical_domain};
use super::tensor::read_tensor;
use super::types::read_value;
use crate::{Graph, Model, Node, Value, ValueId};

/// The model of a message of `length` bytes; external data is looked for in `folder`.
pub(super) fn read_model(mut proto: ModelProto, length: usize, folder: Option<&Path>) -> Result<Model, OnnxProblem> {
    let mut graph = *proto.graph.take().ok_or_else(|| OnnxProblem::model("a graph", "none"))?;
    let mut domains = opsets(&proto.opset_import)?;
    inline_functions(&mut graph, &proto.functions, &mut domains, length)?;
    let used = used_domains(&graph)?;
    for (domain, node) in &used {
        if !domains.contains_key(*domain) {
            let expected = match *domain {
                "" => "an opset import of ONNX's own operators".to_owned(),
                _ => format!("an opset import of the domain {domain:?}"),
            };
            return Err(OnnxProblem::node(node, expected, "none"));
        }
    }
    // A file without any operator of ONNX's own need not say which version of them it does not use.
    let opset = domains.remove("").unwrap_or(Model::OPSET);
    if !READABLE.contains(&opset) {
        let expected = format!("an opset from {} to {}", READABLE.start(), READABLE.end());
        return Err(OnnxProblem::model(expected, format!("opset {opset}")));
    }
    domains.retain(|domain, _| used.contains_key(domain.as_str()));
    let metadata = read_metadata(proto.metadata_props)?;
    let producer = proto.producer_name.unwrap_or_default();
    let graph = read_graph(graph, false, &mut External::new(folder))?;
    Ok(Model { graph, opset, domains, producer, metadata })
}

/// The version of every imported operator set.
pub(super) fn opsets(imports: &[OperatorSetIdProto]) -> Result<BTreeMap<String, i64>, OnnxProblem> {
    let mut versions = BTreeMap::new();
    for import in imports {
        let domain = canonical_domain(import.domain.as_deref());
        let version = import.version.unwrap_or(0);
        if let Some(other) = versions.insert(domain.to_owned(), version).filter(|&other| other != version) {
            let found = format!("versions {other} and {version} of {domain:?}");
            return Err(OnnxProblem::model("one version of every operator set", found));
        }
    }
    Ok(versions)
}

fn read_metadata(entries: Vec<StringStringEntryProto>) -> Result<BTreeMap<String, String>, OnnxProblem> {
    let mut metadata = BTreeMap::new();
    for entry in entries {
        let key = entry.key.unwrap_or_default();
        if metadata.contains_key(&key) {
            return Err(OnnxProblem::model("every metadata key once", format!("{key:?} twice")));
        }
        metadata.insert(key, entry.value.unwrap_or_default());
    }
    Ok(metadata)
}

/// The domains of all nodes, bodies included, each with a node of it for messages.
fn used_domains(graph: &GraphProto) -> Result<BTreeMap<&str, String>, OnnxProblem> {
    fn walk<'a>(graph: &'a GraphProto, seen: &mut BTreeMap<&'a str, String>) -> Result<(), OnnxProblem> {
        for node in &graph.node {
            if node.op_type.as_deref().unwrap_or("").is_empty() {
                return Err(OnnxProblem::node(node.label(), "an operator", "none"));
            }
            seen.entry(node.canonical_domain()).or_insert_with(|| node.label());
            for body in node.bodies() {
                walk(body, seen)?;
            }
        }
        Ok(())
    }
    let mut seen = BTreeMap::new();
    walk(graph, &mut seen)?;
    Ok(seen)
}

/// The name of a graph that has none, since ONNX asks for one.
pub(super) const UNNAMED: &str = "graph";

/// A graph under construction.
struct Reader<'a, 'b> {
    graph: Graph,
    ids: HashMap<String, ValueId>,
    external: &'a mut External<'b>,
}

/// A graph. Values are numbered: inputs, initializers, then what the nodes make in topological order, so that a graph
/// that was written and read again is equal. A body gets a value of its own for each one it reads from outside.
pub(super) fn read_graph(mut proto: GraphProto, is_body: bool, external: &mut External) -> Result<Graph, OnnxProblem> {
    if let Some(sparse) = proto.sparse_initializer.first() {
        let name = sparse.values.as_ref().and_then(|v| v.name.clone()).unwrap_or_default();
        return Err(OnnxProblem::tensor(&name, "a dense initializer", "a sparse one"));
    }
    let order = order(&proto, is_body)?;
    let name = proto.name.take().filter(|name| !name.is_empty()).unwrap_or_else(|| UNNAMED.to_owned());
    let mut reader = Reader { graph: Graph::new(&name), ids: HashMap::new(), external };
    let constants: HashSet<String> = proto.initializer.iter().filter_map(|t| t.name.clone()).collect();
    for input in std::mem::take(&mut proto.input) {
        if !constants.contains(input.name.as_deref().unwrap_or("")) {
            let id = reader.add(read_value(input)?);
            reader.graph.inputs.push(id);
        }
    }
    for tensor in std::mem::take(&mut proto.initializer) {
        let name = tensor.name.clone().unwrap_or_default();
        let value = read_tensor(&tensor, &name, reader.external)?;
        let id = reader.graph.add_initializer(&name, value);
        reader.ids.insert(name, id);
    }
    let mut types = declared_types(&mut proto)?;
    let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut proto.node).into_iter().map(Some).collect();
    for i in order {
        if let Some(node) = nodes[i].take() {
            reader.node(node, &mut types)?;
        }
    }
    for output in proto.output {
        let name = output.name.unwrap_or_default();
        let id = reader.id(&name);
        reader.graph.outputs.push(id);
    }
    Ok(reader.graph)
}

/// What the file says of the types of values that nodes make; what it says of others is of no use and not looked at.
fn declared_types(proto: &mut GraphProto) -> Result<HashMap<String, Value>, OnnxProblem> {
    let made: BTreeSet<&str> = proto.node.iter().flat_map(|n| &n.output).map(String::as_str).collect();
    let mut types = HashMap::new();
    for info in std::mem::take(&mut proto.value_info).into_iter().chain(proto.output.iter().cloned()) {
        if info.name.as_deref().is_some_and(|name| made.contains(name)) {
            let value = read_value(info)?;
            types.insert(value.name.clone(), value);
        }
    }
    Ok(types)
}

impl Reader<'_, '_> {
    fn add(&mut self, value: Value) -> ValueId {
        let id = self.graph.add_value(&value.name, value.dtype, value.shape);
        self.ids.insert(value.name, id);
        id
    }

    /// The value of this name; of a graph around this one where it is new, since `order` has checked that it is made.
    fn id(&mut self, name: &str) -> ValueId {
        match self.ids.get(name) {
            Some(&id) => id,
            None => self.add(Value { name: name.to_owned(), dtype: None, shape: None }),
        }
    }

    fn node(&mut self, proto: NodeProto, types: &mut HashMap<String, Value>) -> Result<(), OnnxProblem> {
        let label = proto.label();
        let domain = proto.canonical_domain().to_owned();
        let attributes = read_attributes(proto.attribute, &label, self.external)?;
        let inputs = proto.input.iter().map(|n| (!n.is_empty()).then(|| self.id(n))).collect();
        let mut outputs = Vec::with_capacity(proto.output.len());
        for name in proto.output {
            outputs.push(match name.is_empty() {
                true => None,
                false => {
                    let unknown = || Value { name: name.clone(), dtype: None, shape: None };
                    Some(self.add(types.remove(&name).unwrap_or_else(unknown)))
                }
            });
        }
        let (name, op) = (proto.name.unwrap_or_default(), proto.op_type.unwrap_or_default());
        self.graph.nodes.push(Node { name, op, domain, inputs, outputs, attributes });
        Ok(())
    }
}
