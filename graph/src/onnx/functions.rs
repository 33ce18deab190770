//! Model-local functions (`FunctionProto`): every call is replaced by the function's nodes.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message;

use super::error::OnnxProblem;
use super::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto, canonical_domain};
use super::read::opsets;

/// How deep calls and bodies may be nested together. More is taken for a function that calls itself.
const MOST_CALLS: usize = 48;

/// Inlined nodes may take this many bytes as messages, and so many times the file's length on top, so that functions
/// that call each other twice and twice again do not fill the memory.
const MOST_BYTES: usize = 1 << 20;
const MOST_GROWTH: usize = 16;

/// Replaces every call of a model-local function by the nodes of its body, nested calls and bodies included, and adds
/// the operator sets that these need to `domains`. `length` is that of the file. Functions that nobody calls are
/// ignored.
pub(super) fn inline_functions(
    graph: &mut GraphProto,
    functions: &[FunctionProto],
    domains: &mut BTreeMap<String, i64>,
    length: usize,
) -> Result<(), OnnxProblem> {
    if functions.is_empty() {
        return Ok(());
    }
    let mut index = HashMap::new();
    for function in functions {
        let key = (
            canonical_domain(function.domain.as_deref()),
            function.name.as_deref().unwrap_or(""),
            function.overload.as_deref().unwrap_or(""),
        );
        if index.insert(key, function).is_some() {
            return Err(OnnxProblem::model("every function once", format!("{:?} of domain {:?} twice", key.1, key.0)));
        }
    }
    let mut names = HashSet::new();
    collect_names(graph, &mut names);
    let budget = MOST_BYTES.saturating_add(length.saturating_mul(MOST_GROWTH));
    let mut inliner = Inliner { functions: index, domains, names, counts: HashMap::new(), budget };
    graph.node = inliner.nodes(std::mem::take(&mut graph.node), 0)?;
    Ok(())
}

fn collect_names(graph: &GraphProto, names: &mut HashSet<String>) {
    names.extend(graph.input.iter().filter_map(|v| v.name.clone()));
    names.extend(graph.initializer.iter().filter_map(|t| t.name.clone()));
    for node in &graph.node {
        names.extend(node.input.iter().chain(&node.output).cloned());
        node.bodies().for_each(|body| collect_names(body, names));
    }
}

struct Inliner<'a> {
    functions: HashMap<(&'a str, &'a str, &'a str), &'a FunctionProto>,
    domains: &'a mut BTreeMap<String, i64>,
    names: HashSet<String>,
    /// How many names were made from each stem.
    counts: HashMap<String, usize>,
    /// Bytes that inlined nodes and their names may still take.
    budget: usize,
}

impl<'a> Inliner<'a> {
    fn nodes(&mut self, nodes: Vec<NodeProto>, depth: usize) -> Result<Vec<NodeProto>, OnnxProblem> {
        let mut all = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            if depth >= MOST_CALLS {
                let expected = format!("functions and bodies nested at most {MOST_CALLS} deep");
                return Err(OnnxProblem::node(node.label(), expected, "a function that calls itself, or more"));
            }
            for body in node.attribute.iter_mut().filter_map(|a| a.g.as_deref_mut()) {
                body.node = self.nodes(std::mem::take(&mut body.node), depth + 1)?;
            }
            let key = (
                node.canonical_domain(),
                node.op_type.as_deref().unwrap_or(""),
                node.overload.as_deref().unwrap_or(""),
            );
            match self.functions.get(&key).copied() {
                None => all.push(node),
                Some(function) => {
                    let body = self.call(function, &node)?;
                    all.extend(self.nodes(body, depth + 1)?);
                }
            }
        }
        Ok(all)
    }

    /// The nodes of the function with the values and attributes of this call.
    fn call(&mut self, function: &FunctionProto, node: &NodeProto) -> Result<Vec<NodeProto>, OnnxProblem> {
        let refuse = |expected: String, found: String| OnnxProblem::node(node.label(), expected, found);
        let (inputs, outputs) = (function.input.len(), function.output.len());
        if node.input.len() > inputs || node.output.len() > outputs {
            let found = format!("{} and {}", node.input.len(), node.output.len());
            return Err(refuse(format!("at most {inputs} inputs and {outputs} outputs of its function"), found));
        }
        for (domain, version) in opsets(&function.opset_import)? {
            let own = *self.domains.entry(domain.clone()).or_insert(version);
            if own != version {
                let expected = format!("a function in the model's version {own} of the domain {domain:?}");
                return Err(refuse(expected, format!("version {version}")));
            }
        }
        let size: usize = function.node.iter().map(Message::encoded_len).sum();
        self.budget = self.budget.checked_sub(size).ok_or_else(|| {
            refuse("functions of a size that the file's justifies".to_owned(), "more than that once inlined".to_owned())
        })?;
        let stem = node.name.as_deref().filter(|n| !n.is_empty()).or(node.op_type.as_deref()).unwrap_or("call");
        let mut call = Call { inliner: self, function, node, stem, renamed: HashMap::new() };
        let mut body = call.passed_on()?;
        for inner in &function.node {
            body.push(call.node(inner.clone())?);
        }
        Ok(body)
    }

    fn fresh(&mut self, stem: &str) -> String {
        let count = self.counts.entry(stem.to_owned()).or_insert(0);
        let mut name = stem.to_owned();
        while *count > 0 || self.names.contains(&name) {
            *count += 1;
            name = format!("{stem}_{count}");
            if !self.names.contains(&name) {
                break;
            }
        }
        *count = (*count).max(1);
        self.budget = self.budget.saturating_sub(name.len());
        self.names.insert(name.clone());
        name
    }
}

/// One call: names and attributes of the function's inside, and what they are outside.
struct Call<'a, 'b> {
    inliner: &'a mut Inliner<'b>,
    function: &'a FunctionProto,
    node: &'a NodeProto,
    stem: &'a str,
    renamed: HashMap<String, String>,
}

impl Call<'_, '_> {
    /// Ties the formal inputs and outputs to the actual ones. An output that is an input takes a node of its own.
    fn passed_on(&mut self) -> Result<Vec<NodeProto>, OnnxProblem> {
        for (i, formal) in self.function.input.iter().enumerate() {
            self.renamed.insert(formal.clone(), self.node.input.get(i).cloned().unwrap_or_default());
        }
        let mut nodes = Vec::new();
        for (formal, actual) in self.function.output.iter().zip(&self.node.output) {
            if actual.is_empty() {
                continue;
            }
            match self.renamed.get(formal) {
                None => {
                    self.renamed.insert(formal.clone(), actual.clone());
                }
                Some(source) => nodes.push(NodeProto {
                    input: vec![source.clone()],
                    output: vec![actual.clone()],
                    op_type: Some("Identity".to_owned()),
                    ..NodeProto::default()
                }),
            }
        }
        Ok(nodes)
    }

    fn name(&mut self, inside: &mut String) {
        if inside.is_empty() {
            return;
        }
        let outside = match self.renamed.get(inside) {
            Some(name) => name.clone(),
            None => {
                let name = self.inliner.fresh(&format!("{}/{inside}", self.stem));
                self.renamed.insert(inside.clone(), name.clone());
                name
            }
        };
        *inside = outside;
    }

    fn node(&mut self, mut node: NodeProto) -> Result<NodeProto, OnnxProblem> {
        node.input.iter_mut().chain(&mut node.output).for_each(|name| self.name(name));
        if let Some(name) = node.name.as_mut().filter(|n| !n.is_empty()) {
            *name = format!("{}/{name}", self.stem);
        }
        let mut attributes = Vec::with_capacity(node.attribute.len());
        for attribute in node.attribute {
            if let Some(attribute) = self.attribute(attribute)? {
                attributes.push(attribute);
            }
        }
        node.attribute = attributes;
        Ok(node)
    }

    /// The attribute with its value from the call, or from the function's defaults; `None` where neither gives one.
    fn attribute(&mut self, mut attribute: AttributeProto) -> Result<Option<AttributeProto>, OnnxProblem> {
        let Some(outer) = attribute.ref_attr_name.take().filter(|r| !r.is_empty()) else {
            if let Some(body) = attribute.g.as_deref_mut() {
                self.body(body)?;
            }
            return Ok(Some(attribute));
        };
        let all = self.node.attribute.iter().chain(&self.function.attribute_proto);
        let given = all.into_iter().find(|a| a.name.as_deref() == Some(&outer));
        let size = given.map_or(0, Message::encoded_len);
        self.inliner.budget = self.inliner.budget.checked_sub(size).ok_or_else(|| {
            OnnxProblem::node(self.node.label(), "attributes of a size that the file's justifies", "more once inlined")
        })?;
        Ok(given.map(|a| AttributeProto { name: attribute.name, ..a.clone() }))
    }

    fn body(&mut self, body: &mut GraphProto) -> Result<(), OnnxProblem> {
        let values = body.input.iter_mut().chain(&mut body.output).chain(&mut body.value_info);
        let names = values.filter_map(|v| v.name.as_mut());
        names.chain(body.initializer.iter_mut().filter_map(|t| t.name.as_mut())).for_each(|name| self.name(name));
        for node in std::mem::take(&mut body.node) {
            let node = self.node(node)?;
            body.node.push(node);
        }
        Ok(())
    }
}
