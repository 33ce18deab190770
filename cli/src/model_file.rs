//! Models and plans as files: read, prepared, compiled.

use std::ops::Deref;
use std::path::Path;

use anyhow::{Context, Result};
use memmap2::Mmap;
use ocellus_compiler::{Options, Prepared, Report, compile, prepare};
use ocellus_graph::Model;
use ocellus_plan::Plan;
use serde_json::Value;

use crate::arguments::CompileArgs;
use crate::map::map_file;
use crate::output::Output;

/// The bytes of a plan: mapped from its file, or just compiled.
pub enum PlanBytes {
    /// A file.
    Mapped(Mmap),
    /// Compiled from a model, with what the compiler says of it.
    Compiled(Vec<u8>, Box<Report>),
}

impl Deref for PlanBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Compiled(bytes, _) => bytes,
        }
    }
}

impl PlanBytes {
    /// Multiply-accumulates of a run: from the compiler, or from the plan's own metadata.
    pub fn macs(&self) -> Option<u64> {
        match self {
            Self::Compiled(_, report) => Some(report.macs),
            Self::Mapped(bytes) => {
                let metadata: Value = serde_json::from_str(Plan::parse(bytes).ok()?.metadata()).ok()?;
                metadata["figures"]["macs"].as_u64()
            }
        }
    }
}

/// Whether a file is a plan, by its first bytes.
///
/// # Errors
/// A file that cannot be read.
pub fn is_plan(path: &Path) -> Result<bool> {
    use std::io::Read;
    let mut first = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    file.take(8).read_to_end(&mut first).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(first == b"OCELLUS\0")
}

/// Reads an ONNX file.
///
/// # Errors
/// A file that is missing or malformed; the message names it.
pub fn load_model(path: &Path) -> Result<Model> {
    if path.is_file() && is_plan(path)? {
        anyhow::bail!("{} is a plan; this verb takes the ONNX file that it was compiled from", path.display());
    }
    Ok(Model::load(path)?)
}

/// Reads an ONNX file and brings it to the form that is compiled. Sizes that were assumed are said on standard error.
///
/// # Errors
/// As [`load_model`], and models whose shapes or nodes contradict each other.
pub fn load_prepared(path: &Path, shapes: &[(String, Vec<usize>)], output: &Output) -> Result<Prepared> {
    let prepared = prepare(load_model(path)?, shapes)?;
    say_assumed(&prepared.assumed, output);
    Ok(prepared)
}

/// Says which symbolic sizes are taken to be 1.
pub fn say_assumed(assumed: &[String], output: &Output) {
    if !assumed.is_empty() {
        output.note(format!(
            "note: the size{} {} taken to be 1; --shape NAME=SIZES says otherwise",
            if assumed.len() == 1 { "" } else { "s" },
            match assumed {
                [one] => format!("{one} is"),
                many => format!("{} are", many.join(", ")),
            }
        ));
    }
}

/// The plan behind a path: a `.plan` file is mapped, an ONNX file is compiled.
///
/// # Errors
/// A file that is missing, malformed, or that cannot be compiled.
pub fn open_plan(path: &Path, args: &CompileArgs, output: &Output) -> Result<PlanBytes> {
    if is_plan(path)? {
        if !args.shapes.is_empty() {
            return crate::arguments::usage("a plan has fixed sizes: --shape belongs to ONNX files");
        }
        let map = map_file(path).with_context(|| format!("{} cannot be mapped", path.display()))?;
        Plan::parse(&map).with_context(|| path.display().to_string())?;
        return Ok(PlanBytes::Mapped(map));
    }
    let prepared = load_prepared(path, &args.shapes, output)?;
    let compiled = compile(&prepared, &Options { level: args.target.level(), ..Options::default() })?;
    Ok(PlanBytes::Compiled(compiled.bytes, Box::new(compiled.report)))
}
