//! Graphs: values, nodes, initializers.

use std::collections::{BTreeMap, HashMap};

use crate::{Attributes, DataType, Shape, Tensor};

/// The place of a value in [`Graph::values`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ValueId(pub u32);

impl ValueId {
    /// The index into [`Graph::values`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One edge of the graph: what a node makes, or an input, or an initializer.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Value {
    /// Its name in the ONNX file, unique in the graph.
    pub name: String,
    /// The element type, once known.
    pub dtype: Option<DataType>,
    /// The shape, once its rank is known.
    pub shape: Option<Shape>,
}

/// One application of an operator.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Node {
    /// Its name in the ONNX file; may be empty.
    pub name: String,
    /// The operator's name.
    pub op: String,
    /// The operator's domain; empty for ONNX's own.
    pub domain: String,
    /// What it reads; `None` where an optional input is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// What it makes; `None` where an optional output is not wanted.
    pub outputs: Vec<Option<ValueId>>,
    /// Its attributes.
    pub attributes: Attributes,
}

impl Node {
    /// A node of ONNX's own domain without attributes.
    pub fn new(
        op: &str,
        inputs: impl IntoIterator<Item = Option<ValueId>>,
        outputs: impl IntoIterator<Item = Option<ValueId>>,
    ) -> Self {
        Self {
            op: op.to_owned(),
            inputs: inputs.into_iter().collect(),
            outputs: outputs.into_iter().collect(),
            ..Self::default()
        }
    }

    /// This node with these attributes.
    #[must_use]
    pub fn with_attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// The input at `index`, where it is given.
    pub fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    /// The output at `index`, where it is wanted.
    pub fn output(&self, index: usize) -> Option<ValueId> {
        self.outputs.get(index).copied().flatten()
    }

    /// Name and operator for messages: `node "conv1" (Conv)`.
    pub fn label(&self) -> String {
        match self.name.as_str() {
            "" => format!("an unnamed {} node", self.op),
            name => format!("node {name:?} ({})", self.op),
        }
    }
}

/// A graph whose nodes are in topological order. Values are never removed; passes that drop nodes leave them unused.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Graph {
    /// Its name.
    pub name: String,
    /// Every value; [`ValueId`] is the index.
    pub values: Vec<Value>,
    /// The nodes; each one after those that make its inputs.
    pub nodes: Vec<Node>,
    /// The inputs that a caller gives (initializers are not among them).
    pub inputs: Vec<ValueId>,
    /// The outputs, in order.
    pub outputs: Vec<ValueId>,
    /// The constants.
    pub initializers: BTreeMap<ValueId, Tensor>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Adds a value. The name is taken as it is: use [`Graph::fresh_name`] for one that is surely free.
    pub fn add_value(&mut self, name: &str, dtype: Option<DataType>, shape: Option<Shape>) -> ValueId {
        let id = ValueId(self.values.len() as u32);
        self.values.push(Value { name: name.to_owned(), dtype, shape });
        id
    }

    /// Adds a constant.
    pub fn add_initializer(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let id = self.add_value(name, Some(tensor.dtype()), Some(Shape::fixed(tensor.shape())));
        self.initializers.insert(id, tensor);
        id
    }

    /// The value behind an id.
    ///
    /// # Panics
    /// Where the id is of another graph.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The value behind an id, for writing.
    ///
    /// # Panics
    /// Where the id is of another graph.
    pub fn value_mut(&mut self, id: ValueId) -> &mut Value {
        &mut self.values[id.index()]
    }

    /// The value of this name.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.values.iter().position(|v| v.name == name).map(|i| ValueId(i as u32))
    }

    /// A name that no value has yet: `stem`, or `stem_2`, `stem_3`, ….
    pub fn fresh_name(&self, stem: &str) -> String {
        let taken = |name: &str| self.values.iter().any(|v| v.name == name);
        if !taken(stem) {
            return stem.to_owned();
        }
        (2..).map(|n| format!("{stem}_{n}")).find(|name| !taken(name)).expect("names do not run out")
    }

    /// Which node makes each value: the index into [`Graph::nodes`].
    pub fn producers(&self) -> HashMap<ValueId, usize> {
        let outputs =
            |(i, node): (usize, &Node)| node.outputs.iter().flatten().map(move |&v| (v, i)).collect::<Vec<_>>();
        self.nodes.iter().enumerate().flat_map(outputs).collect()
    }

    /// Which nodes read each value, in order; a node that reads it twice is named twice.
    pub fn consumers(&self) -> HashMap<ValueId, Vec<usize>> {
        let mut map: HashMap<ValueId, Vec<usize>> = HashMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            for &v in node.inputs.iter().flatten() {
                map.entry(v).or_default().push(i);
            }
        }
        map
    }

    /// Makes every node that reads `from` read `to` instead, and the graph's outputs too.
    pub fn replace_uses(&mut self, from: ValueId, to: ValueId) {
        let inputs = self.nodes.iter_mut().flat_map(|n| n.inputs.iter_mut().flatten());
        for v in inputs.chain(self.outputs.iter_mut()) {
            if *v == from {
                *v = to;
            }
        }
    }

    /// Drops the nodes none of whose outputs reach an output of the graph, and the initializers that nobody reads.
    pub fn remove_dead(&mut self) {
        let mut live: std::collections::HashSet<ValueId> = self.outputs.iter().copied().collect();
        let mut keep = vec![false; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if node.outputs.iter().flatten().any(|v| live.contains(v)) {
                keep[i] = true;
                live.extend(node.inputs.iter().flatten());
            }
        }
        let mut flags = keep.into_iter();
        self.nodes.retain(|_| flags.next().unwrap_or(false));
        self.initializers.retain(|v, _| live.contains(v));
    }

    /// Sorts the nodes topologically, keeping their order where it is free.
    ///
    /// # Errors
    /// The index of a node that stands on a cycle.
    pub fn sort(&mut self) -> Result<(), usize> {
        let producers = self.producers();
        let consumers = self.consumers();
        let mut waiting: Vec<usize> = (self.nodes.iter())
            .map(|n| n.inputs.iter().flatten().filter(|v| producers.contains_key(v)).count())
            .collect();
        let mut ready: std::collections::BinaryHeap<_> =
            (0..self.nodes.len()).filter(|&i| waiting[i] == 0).map(std::cmp::Reverse).collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(std::cmp::Reverse(i)) = ready.pop() {
            order.push(i);
            for v in self.nodes[i].outputs.iter().flatten() {
                for &c in consumers.get(v).into_iter().flatten() {
                    waiting[c] -= 1;
                    if waiting[c] == 0 {
                        ready.push(std::cmp::Reverse(c));
                    }
                }
            }
        }
        if let Some(stuck) = waiting.iter().position(|&n| n > 0) {
            return Err(stuck);
        }
        let mut old: Vec<Option<Node>> = self.nodes.drain(..).map(Some).collect();
        self.nodes = order.into_iter().filter_map(|i| old[i].take()).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> (Graph, [ValueId; 3]) {
        let mut g = Graph::new("chain");
        let ids = ["a", "b", "c"].map(|n| g.add_value(n, None, None));
        g.nodes.push(Node::new("Neg", [Some(ids[1])], [Some(ids[2])]));
        g.nodes.push(Node::new("Abs", [Some(ids[0])], [Some(ids[1])]));
        g.inputs.push(ids[0]);
        g.outputs.push(ids[2]);
        (g, ids)
    }

    #[test]
    fn sort_orders_nodes_and_finds_cycles() {
        let (mut g, ids) = chain();
        g.sort().unwrap();
        assert_eq!(g.nodes.iter().map(|n| n.op.as_str()).collect::<Vec<_>>(), ["Abs", "Neg"]);
        g.nodes[0].inputs[0] = Some(ids[2]);
        assert!(g.sort().is_err());
    }

    #[test]
    fn dead_nodes_go() {
        let (mut g, ids) = chain();
        g.sort().unwrap();
        g.outputs = vec![ids[1]];
        g.remove_dead();
        assert_eq!(g.nodes.len(), 1);
    }
}
