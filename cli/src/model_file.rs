//! Models and plans as files: read, prepared, compiled.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use memmap2::Mmap;
use ocellus_compiler::{Prepared, Report, compile, prepare};
use ocellus_graph::Model;
use ocellus_models::half::widened;
use ocellus_models::shipped::Task;
use ocellus_plan::Plan;
use ocellus_quantizer::{Recipe, requantize};
use serde_json::Value;

use crate::arguments::CompileArgs;
use crate::map::map_file;
use crate::memory::Memory;
use crate::output::Output;

/// What stands behind the name of a model that ships for its float form.
pub const FLOAT: &str = ":float";

/// The bytes of a plan: mapped from its file, or just compiled.
pub enum PlanBytes {
    /// A file, by its path.
    Mapped(Mmap, PathBuf),
    /// Compiled from a model, in memory that is aligned as a map is, with what the compiler says of it.
    Compiled(Memory, Box<Report>),
}

impl PlanBytes {
    /// The plan, checked: its checksum is over every byte, so once is enough.
    ///
    /// # Errors
    /// A file that is no plan, or a damaged one; the message names it.
    pub fn plan(&self) -> Result<Plan<'_>> {
        match self {
            Self::Mapped(map, path) => Plan::parse(map).with_context(|| path.display().to_string()),
            Self::Compiled(bytes, _) => Ok(Plan::parse(bytes.as_ref())?),
        }
    }

    /// Multiply-accumulates of a run: from the compiler, or from the plan's own metadata.
    pub fn macs(&self, plan: &Plan<'_>) -> Option<u64> {
        match self {
            Self::Compiled(_, report) => Some(report.macs),
            Self::Mapped(..) => {
                let metadata: Value = serde_json::from_str(plan.metadata()).ok()?;
                metadata["figures"]["macs"].as_u64()
            }
        }
    }
}

/// The model that ships under the name that stands for a path: its 8-bit form, or with `:float` behind the name the float
/// one. `None` where there is a file, or no such model.
fn shipped(path: &Path) -> Option<Result<Model>> {
    let text = path.to_str().filter(|_| !path.exists())?;
    let (name, float) = text.strip_suffix(FLOAT).map_or((text, false), |name| (name, true));
    let model = ocellus_models::shipped::find(name)?;
    Some(model.map_err(Into::into).and_then(|mut model| {
        let recipe = Recipe::of(&model.metadata).with_context(|| format!("{name} carries a broken recipe"))?;
        model.metadata.remove(Recipe::KEY);
        match recipe.filter(|_| !float) {
            Some(recipe) => Ok(requantize(&model, &recipe)?),
            None => Ok(model),
        }
    }))
}

/// The model that is given, else the one that ships for a task.
///
/// # Errors
/// None that is given where none ships.
pub fn model_or_shipped(given: Option<&Path>, task: Task) -> Result<PathBuf> {
    let ships = || ocellus_models::shipped::of(task).map(|s| PathBuf::from(s.name));
    given.map(Path::to_owned).or_else(ships).context("no model ships for this: give one with --model")
}

/// The decoder's step that belongs to an encoder: the file `step` beside it, or what ships with it.
pub fn step_of(encoder: &Path) -> PathBuf {
    if shipped(encoder).is_some() {
        let text = encoder.to_string_lossy();
        return PathBuf::from(format!("{}.step", text.trim_end_matches(FLOAT)));
    }
    encoder.with_file_name("step").with_extension(encoder.extension().unwrap_or_default())
}

/// Whether a file is a plan, by its first bytes.
///
/// # Errors
/// A file that cannot be read.
pub fn is_plan(path: &Path) -> Result<bool> {
    use std::io::Read;
    if shipped(path).is_some() {
        return Ok(false);
    }
    let mut first = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    file.take(8).read_to_end(&mut first).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(first == b"OCELLUS\0")
}

/// Reads an ONNX file, or takes a model that ships. Weights kept in 16 bits become 32 again.
///
/// # Errors
/// A file that is missing or malformed; the message names it.
pub fn load_model(path: &Path) -> Result<Model> {
    if path.is_file() && is_plan(path)? {
        anyhow::bail!("{} is a plan; this verb takes the ONNX file that it was compiled from", path.display());
    }
    shipped(path).unwrap_or_else(|| Ok(widened(Model::load(path)?)))
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
/// A file that is missing, or a model that is malformed or cannot be compiled; [`PlanBytes::plan`] checks plans.
pub fn open_plan(path: &Path, args: &CompileArgs, output: &Output) -> Result<PlanBytes> {
    if is_plan(path)? {
        if !args.shapes.is_empty() {
            return crate::arguments::usage("a plan has fixed sizes: --shape belongs to ONNX files");
        }
        let map = map_file(path).with_context(|| format!("{} cannot be mapped", path.display()))?;
        return Ok(PlanBytes::Mapped(map, path.to_owned()));
    }
    let prepared = load_prepared(path, &args.shapes, output)?;
    let compiled = compile(&prepared, &args.options())?;
    Ok(PlanBytes::Compiled(Memory::copy_of(&compiled.bytes)?, Box::new(compiled.report)))
}
