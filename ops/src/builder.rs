//! Builds a graph node by node, with types known at every step.

use std::collections::HashSet;

use ocellus_graph::{Attributes, DataType, Graph, Model, Node, Shape, Tensor, ValueId};

use crate::{InferContext, OpDef, OpError, ValueType, find};

/// A graph under construction. Every operator adds a method of its own in its file: `b.conv(…)`, `b.relu(x)`.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    graph: Graph,
    names: HashSet<String>,
    counter: usize,
}

impl Builder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self { graph: Graph::new(name), ..Self::default() }
    }

    /// Goes on with a graph whose types are known (see [`infer`](crate::infer())).
    pub fn from_graph(graph: Graph) -> Self {
        let names = graph.values.iter().map(|v| v.name.clone()).collect();
        let counter = graph.nodes.len();
        Self { graph, names, counter }
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph so far, for changes that keep its types true.
    pub fn graph_mut(&mut self) -> &mut Graph {
        &mut self.graph
    }

    /// The model, with nothing in it that no output needs.
    pub fn finish(mut self) -> Model {
        self.graph.remove_dead();
        Model::new(self.graph)
    }

    fn free_name(&mut self, stem: &str) -> String {
        let mut name = stem.to_owned();
        while name.is_empty() || self.names.contains(&name) {
            self.counter += 1;
            name = format!("{stem}_{}", self.counter);
        }
        self.names.insert(name.clone());
        name
    }

    /// Adds an input of known sizes.
    pub fn input(&mut self, name: &str, dtype: DataType, shape: &[usize]) -> ValueId {
        let name = self.free_name(name);
        let id = self.graph.add_value(&name, Some(dtype), Some(Shape::fixed(shape)));
        self.graph.inputs.push(id);
        id
    }

    /// Adds a constant under a free name that starts with `name`.
    pub fn constant(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let name = self.free_name(name);
        self.graph.add_initializer(&name, tensor)
    }

    /// A constant scalar of the element type of `like`.
    pub fn scalar_like(&mut self, like: ValueId, value: f64) -> Result<ValueId, OpError> {
        let dtype = self.dtype(like)?;
        Ok(self.constant("scalar", Tensor::full(dtype, &[], value)))
    }

    /// A constant vector of i64 (shapes, axes, starts).
    pub fn indices(&mut self, values: &[i64]) -> ValueId {
        self.constant("indices", Tensor::vector(values))
    }

    /// Makes `value` an output called `name`.
    pub fn output(&mut self, value: ValueId, name: &str) {
        self.rename(value, name);
        self.graph.outputs.push(value);
    }

    /// Gives a value another name (made unique).
    pub fn rename(&mut self, value: ValueId, name: &str) {
        if self.graph.value(value).name != name {
            let name = self.free_name(name);
            self.graph.value_mut(value).name = name;
        }
    }

    /// The element type of a value.
    pub fn dtype(&self, value: ValueId) -> Result<DataType, OpError> {
        let v = self.graph.value(value);
        v.dtype.ok_or_else(|| OpError::graph(&self.graph.name, format!("the type of {:?} is not known", v.name)))
    }

    /// The sizes of a value, which have to be known.
    pub fn shape(&self, value: ValueId) -> Result<Vec<usize>, OpError> {
        let v = self.graph.value(value);
        v.shape.as_ref().and_then(Shape::known).ok_or_else(|| {
            let shape = v.shape.as_ref().map_or("unknown".to_owned(), Shape::to_string);
            OpError::graph(&self.graph.name, format!("the sizes of {:?} have to be known, found {shape}", v.name))
        })
    }

    /// The value of a constant.
    pub fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        self.graph.initializers.get(&value)
    }

    /// Adds a node with one output.
    pub fn apply(&mut self, op: &OpDef, inputs: &[ValueId], attributes: Attributes) -> Result<ValueId, OpError> {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        Ok(self.apply_many(op, &inputs, attributes, 1)?[0])
    }

    /// Adds a node with its first `outputs` outputs; its types follow from the operator's shape rule.
    pub fn apply_many(
        &mut self,
        op: &OpDef,
        inputs: &[Option<ValueId>],
        attributes: Attributes,
        outputs: usize,
    ) -> Result<Vec<ValueId>, OpError> {
        let name = self.free_name(op.name);
        let mut node = Node {
            name: name.clone(),
            op: op.name.to_owned(),
            domain: op.domain.to_owned(),
            inputs: inputs.to_vec(),
            outputs: vec![None; outputs],
            attributes,
        };
        let types = self.infer_node(op, &node)?;
        if types.len() < outputs {
            return Err(OpError::at(&node, format!("has {} outputs, {outputs} were asked for", types.len())));
        }
        let mut ids = Vec::with_capacity(outputs);
        for (i, t) in types.into_iter().take(outputs).enumerate() {
            let value = if i == 0 { name.clone() + ":0" } else { format!("{name}:{i}") };
            let value = self.free_name(&value);
            ids.push(self.graph.add_value(&value, Some(t.dtype), Some(t.shape)));
        }
        node.outputs = ids.iter().copied().map(Some).collect();
        self.graph.nodes.push(node);
        Ok(ids)
    }

    /// Adds a node of a named operator, for engines that copy nodes.
    pub fn apply_named(
        &mut self,
        op: &str,
        inputs: &[Option<ValueId>],
        attributes: Attributes,
        outputs: usize,
    ) -> Result<Vec<ValueId>, OpError> {
        let def = find("", op).ok_or_else(|| OpError::graph(&self.graph.name, format!("no operator {op:?}")))?;
        self.apply_many(def, inputs, attributes, outputs)
    }

    /// Asks for output `index` of the node that makes `value`, adding it where it was not wanted before.
    pub fn other_output(&mut self, value: ValueId, index: usize) -> Result<ValueId, OpError> {
        let place = self.graph.nodes.iter().position(|n| n.outputs.contains(&Some(value)));
        let place = place.ok_or_else(|| OpError::graph(&self.graph.name, "a value without a producer"))?;
        let mut node = self.graph.nodes[place].clone();
        if let Some(id) = node.output(index) {
            return Ok(id);
        }
        if node.outputs.len() <= index {
            node.outputs.resize(index + 1, None);
        }
        let def = find(&node.domain, &node.op).ok_or_else(|| OpError::at(&node, "is not a known operator"))?;
        let types = self.infer_node(def, &node)?;
        let t = types.into_iter().nth(index).ok_or_else(|| OpError::at(&node, format!("has no output {index}")))?;
        let name = self.free_name(&format!("{}:{index}", node.name));
        let id = self.graph.add_value(&name, Some(t.dtype), Some(t.shape));
        node.outputs[index] = Some(id);
        self.graph.nodes[place] = node;
        Ok(id)
    }

    fn infer_node(&self, op: &OpDef, node: &Node) -> Result<Vec<ValueType>, OpError> {
        let types: Vec<_> =
            node.inputs.iter().map(|v| v.and_then(|v| crate::infer::value_type(&self.graph, v))).collect();
        let constants: Vec<_> =
            node.inputs.iter().map(|v| v.and_then(|v| self.graph.initializers.get(&v).cloned())).collect();
        (op.infer)(&InferContext { node, types: &types, constants: &constants, opset: Model::OPSET })
    }
}
