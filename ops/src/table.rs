//! The one table of operators.

use std::collections::HashMap;
use std::sync::OnceLock;

use ocellus_graph::Model;

use crate::OpDef;

macro_rules! operators {
    ($($module:ident),* $(,)?) => {
        /// Every operator.
        pub static OPS: &[&OpDef] = &[$(&$module::OP),*];
    };
}

use crate::ops::*;

operators![
    add, and, div, equal, exp, greater, greater_or_equal, less, less_or_equal, log, mul, neg, not, or, reduce_mean,
    reduce_sum, relu, sign, sqrt, sub, xor,
];

/// The operator of this domain and name. `ai.onnx` is another spelling of ONNX's own domain.
pub fn find(domain: &str, name: &str) -> Option<&'static OpDef> {
    static INDEX: OnceLock<HashMap<(&str, &str), &OpDef>> = OnceLock::new();
    let domain = if domain == "ai.onnx" { "" } else { domain };
    INDEX.get_or_init(|| OPS.iter().map(|&op| ((op.domain, op.name), op)).collect()).get(&(domain, name)).copied()
}

/// Every node whose operator is not in the table, as (node, operator) for messages.
pub fn unsupported(model: &Model) -> Vec<(String, String)> {
    let unknown = model.graph.nodes.iter().filter(|n| find(&n.domain, &n.op).is_none());
    unknown.map(|n| (n.label(), if n.domain.is_empty() { n.op.clone() } else { format!("{}.{}", n.domain, n.op) })).collect()
}
