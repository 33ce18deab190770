//! `ocellus check`: every node that the device cannot run, all at once.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ocellus_compiler::{CompileError, Options, Prepared, Unsupported, check, compile, prepare};
use ocellus_graph::Model;
use ocellus_ops::find;
use serde_json::json;

use crate::arguments::named_shape;
use crate::layers::layers;
use crate::model_file::{load_model, say_assumed};
use crate::output::{Ending, Output};

/// `ocellus check MODEL.onnx`
#[derive(Args)]
pub struct Check {
    /// The ONNX file.
    model: PathBuf,
    /// Sizes of an input, such as input=1,3,224,224; symbolic sizes without it are 1.
    #[arg(long = "shape", value_name = "NAME=SIZES", value_parser = named_shape)]
    shapes: Vec<(String, Vec<usize>)>,
}

impl Check {
    /// Checks; the ending is [`Ending::Failed`] where anything is unsupported.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let model = load_model(&self.model)?;
        let (nodes, opset) = (model.graph.nodes.len(), model.opset);
        let (unsupported, assumed) = unsupported(model, &self.shapes);
        say_assumed(&assumed, output);
        let mut text = match unsupported.len() {
            0 => format!("all {nodes} nodes of {} can run on the device", self.model.display()),
            n => format!("{n} of the {nodes} nodes of {} cannot run on the device:", self.model.display()),
        };
        for one in &unsupported {
            let _ = write!(text, "\n  {one}");
        }
        let list: Vec<_> = unsupported.iter().map(|u| json!({ "node": u.node, "reason": u.reason })).collect();
        let value = json!({
            "model": self.model, "opset": opset, "nodes": nodes, "assumed": assumed,
            "supported": unsupported.is_empty(), "unsupported": list,
        });
        output.answer(text, &value);
        Ok(if unsupported.is_empty() { Ending::Fine } else { Ending::Failed })
    }
}

/// Everything in the way of compiling a model, and the symbolic sizes taken to be 1.
fn unsupported(model: Model, shapes: &[(String, Vec<usize>)]) -> (Vec<Unsupported>, Vec<String>) {
    let unknown: Vec<Unsupported> = (check(&model).into_iter().zip(unsupported_nodes(&model)))
        .filter_map(|(u, unknown)| unknown.then_some(u))
        .collect();
    let prepared = match prepare(model, shapes) {
        Ok(prepared) => prepared,
        // Behind an unknown node no type is known, so its error would only repeat what is said.
        Err(_) if !unknown.is_empty() => return (unknown, Vec::new()),
        Err(e) => return (vec![Unsupported { node: e.node, reason: e.problem }], Vec::new()),
    };
    let mut all = check(&prepared.model);
    if all.is_empty() {
        all = refusals(&prepared);
    }
    (all, prepared.assumed)
}

/// For every entry of [`check`] on this model, whether its operator is unknown, rather than only without a form on the
/// device: simplification may still remove those.
fn unsupported_nodes(model: &Model) -> Vec<bool> {
    let refused = |n: &&ocellus_graph::Node| match find(&n.domain, &n.op) {
        None => true,
        Some(def) => def.lower.is_none() && def.role == ocellus_ops::Role::Compute,
    };
    model.graph.nodes.iter().filter(refused).map(|n| find(&n.domain, &n.op).is_none()).collect()
}

/// What the rules of single layers refuse: a geometry, a type, weights that are not constant.
fn refusals(prepared: &Prepared) -> Vec<Unsupported> {
    let refuse = |model: Model| {
        let part = Prepared { model, assumed: Vec::new() };
        match compile(&part, &Options::default()) {
            Ok(_) => Vec::new(),
            Err(CompileError::Unsupported(list)) => list,
            Err(CompileError::Op(e)) => vec![Unsupported { node: e.node, reason: e.problem }],
            Err(e) => vec![Unsupported { node: "the model".to_owned(), reason: e.to_string() }],
        }
    };
    let whole = refuse(prepared.model.clone());
    if whole.is_empty() {
        return whole;
    }
    let mut parts: Vec<Unsupported> = layers(&prepared.model).into_iter().flat_map(|l| refuse(l.model)).collect();
    parts.dedup();
    if parts.is_empty() { whole } else { parts }
}
