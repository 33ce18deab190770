//! The inputs and outputs of a prepared model, and which of them go around by their names.

use ocellus_graph::{DataType, Model};

/// An input or an output of a prepared model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in the model.
    pub name: String,
    /// Its element type.
    pub dtype: DataType,
    /// Its sizes.
    pub shape: Vec<usize>,
}

/// The pairs (output, input) of a model in which an output is called like an input with a `'` behind it.
pub fn feedback_pairs(model: &Model) -> Vec<(String, String)> {
    let graph = &model.graph;
    let inputs: Vec<&str> = graph.inputs.iter().map(|&v| graph.value(v).name.as_str()).collect();
    let outputs = graph.outputs.iter().map(|&v| graph.value(v).name.as_str());
    let pair = |output: &str| {
        let input = output.strip_suffix('\'').filter(|name| inputs.contains(name))?;
        Some((output.to_owned(), input.to_owned()))
    };
    outputs.filter_map(pair).collect()
}
