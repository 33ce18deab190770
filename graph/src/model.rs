//! A graph with what an ONNX file says about it.

use std::collections::BTreeMap;

use crate::Graph;

/// A model: the graph, its opset, and free metadata.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Model {
    /// The graph.
    pub graph: Graph,
    /// The version of ONNX's own operator set.
    pub opset: i64,
    /// Versions of other operator sets, by domain.
    pub domains: BTreeMap<String, i64>,
    /// The tool that wrote the file.
    pub producer: String,
    /// ONNX `metadata_props`, such as `ocellus.preprocess`.
    pub metadata: BTreeMap<String, String>,
}

impl Model {
    /// The opset that everything inside the project speaks, and that is written.
    pub const OPSET: i64 = 21;

    /// A model of ours around a graph.
    pub fn new(graph: Graph) -> Self {
        Self { graph, opset: Self::OPSET, producer: "ocellus".to_owned(), ..Self::default() }
    }
}
