//! `ocellus export`: everything that leaves the workstation, in one folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use ocellus_compiler::{self as compiler, Options, Prepared, Processor, Storage, compile, prepare};
use ocellus_graph::Model;
use ocellus_graph::onnx::write_atomic;
use ocellus_ops::{Role, find};
use ocellus_plan::{Plan, SelfTest, with_self_tests};
use ocellus_quantizer::Report;
use ocellus_runtime::{Isa, with_session};
use serde_json::{Value, json};

use crate::arguments::{bytes, named_shape, processor, storage};
use crate::model_file::{load_model, say_assumed};
use crate::output::{Ending, Output};
use crate::plan_accuracy::evaluate_plan;
use crate::verbs::compile::report_json;
use crate::verbs::quantize::Quantization;

/// Self-test vectors of a plan.
const SELF_TESTS: u32 = 4;

/// `ocellus export RUN|MODEL.onnx -o FOLDER`
#[derive(Args)]
pub struct Export {
    /// The output folder of `train`, or an ONNX file, float or 8-bit.
    model: PathBuf,
    /// The folder to fill.
    #[arg(short, long, value_name = "DIR")]
    output_dir: PathBuf,
    /// What a plan is made for, as `compile` takes it; once for each plan.
    #[arg(long = "target", default_value = "native", value_parser = processor)]
    targets: Vec<Processor>,
    /// What the weights of float layers are stored in, as `compile` takes it.
    #[arg(long, value_name = "TYPE", value_parser = storage)]
    float: Option<Storage>,
    /// Keep weights in their own size, as `compile` takes it.
    #[arg(long)]
    compact: bool,
    /// The largest arena allowed, such as 64k or 1M.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_ram: Option<usize>,
    /// Sizes of an input, such as input=1,3,224,224; symbolic sizes without it are 1.
    #[arg(long = "shape", value_name = "NAME=SIZES", value_parser = named_shape)]
    shapes: Vec<(String, Vec<usize>)>,
    /// Typical inputs, as `quantize` takes them: a float model is quantized with them; without, the plans compute in
    /// float.
    #[arg(long, value_name = "FOLDER, FILE.npz or DATA")]
    calibration: Option<String>,
    #[command(flatten)]
    quantization: Quantization,
}

/// A plan that was written.
struct Exported {
    target: &'static str,
    file: String,
    report: compiler::Report,
    bytes: Vec<u8>,
    self_tests: usize,
    accuracy: Option<f64>,
}

impl Export {
    /// Exports.
    ///
    /// # Errors
    /// A model that cannot be quantized or compiled, an accuracy that drops too far, or files that cannot be written.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        self.quantization.check(self.calibration.as_deref().unwrap_or_default())?;
        let file = if self.model.is_dir() { self.model.join("model.onnx") } else { self.model.clone() };
        let model = load_model(&file)?;
        let name = file_name(&model, &file);
        let prepared = prepare(model, &self.shapes)?;
        say_assumed(&prepared.assumed, output);
        let quantized = match &self.calibration {
            Some(_) if is_integer(&prepared.model) => {
                output.note("note: the model is quantized already; the calibration data are not used");
                None
            }
            Some(calibration) => {
                let made = self.quantization.apply(calibration, &prepared.model, output)?;
                Some((made.integer, made.report))
            }
            None => None,
        };
        let small = match &quantized {
            Some((model, _)) => prepare(model.clone(), &[])?,
            None => prepared.clone(),
        };
        let plans = self.targets.iter().map(|t| self.plan(&name, t, &small)).collect::<Result<Vec<Exported>>>()?;
        // Everything is known to work before anything is written.
        std::fs::create_dir_all(&self.output_dir)
            .with_context(|| format!("{} cannot be made", self.output_dir.display()))?;
        let mut files = Vec::new();
        let mut save = |file: String, content: &[u8]| {
            let path = self.output_dir.join(&file);
            files.push(file);
            write_atomic(&path, content).with_context(|| format!("{} cannot be written", path.display()))
        };
        let kind = if is_integer(&prepared.model) { ".int8" } else { "" };
        save(format!("{name}{kind}.onnx"), &prepared.model.to_bytes()?)?;
        if let Some((integer, _)) = &quantized {
            save(format!("{name}.int8.onnx"), &integer.to_bytes()?)?;
        }
        for plan in &plans {
            save(plan.file.clone(), &plan.bytes)?;
        }
        let report = quantized.as_ref().map(|(_, report)| report);
        let card = card(&name, &small.model, report, &plans);
        save("card.md".to_owned(), card.as_bytes())?;
        let value = json!({
            "folder": self.output_dir, "files": files, "plans": plans.iter().map(Exported::json).collect::<Vec<_>>(),
            "accuracy": report.and_then(|r| r.accuracy.as_ref()).map(|a| json!({ "float": a.float, "int8": a.int8 })),
        });
        output.answer(format!("{card}\nwrote {}: {}", self.output_dir.display(), files.join(", ")), &value);
        Ok(Ending::Fine)
    }

    /// Compiles for one target, and measures what the plan answers.
    fn plan(&self, name: &str, processor: &Processor, model: &Prepared) -> Result<Exported> {
        let &Processor { name: target, level, .. } = processor;
        let options = processor.options();
        let float = self.float.unwrap_or(options.float);
        let options = Options { max_ram: self.max_ram, float, compact: self.compact, ..options };
        let compiled = compile(model, &options)?;
        // The portable kernels answer for a CPU that is not this one: the bits are the same.
        let isa = Isa::of(level).unwrap_or(Isa::PORTABLE);
        let bytes =
            if compiled.report.float_step.is_none() { tested(&compiled.bytes, isa)? } else { compiled.bytes.clone() };
        let set = self.quantization.test_set(self.calibration.as_deref().unwrap_or_default(), &model.model)?;
        let accuracy = match set {
            Some((set, normalization)) => {
                Some(evaluate_plan(&bytes, isa, &set, &normalization, |_| {})?.metrics.accuracy())
            }
            None => None,
        };
        let self_tests = Plan::parse(&bytes)?.self_tests().count();
        let file = format!("{name}.{target}.plan");
        Ok(Exported { target, file, report: compiled.report, bytes, self_tests, accuracy })
    }
}

impl Exported {
    fn json(&self) -> Value {
        let mut value = report_json(&self.report);
        value["plan_bytes"] = json!(self.bytes.len());
        value["target"] = json!(self.target);
        value["file"] = json!(self.file);
        value["self_tests"] = json!(self.self_tests);
        value["accuracy"] = json!(self.accuracy);
        value
    }
}

/// The plan with self-test vectors, whose answers the portable kernels and those of the target agree on.
fn tested(plan: &[u8], isa: Isa) -> Result<Vec<u8>> {
    let answers = |isa| with_session(plan, isa, |s| (1..=SELF_TESTS).map(|seed| s.answer(seed)).collect::<Vec<u32>>());
    let right = answers(Isa::PORTABLE)?;
    ensure!(
        answers(isa)? == right,
        "the plan answers differently on {} and on the portable kernels",
        isa.level().name()
    );
    let tests: Vec<SelfTest> = (1..).zip(right).map(|(seed, crc)| SelfTest { seed, crc }).collect();
    Ok(with_self_tests(&Plan::parse(plan)?, &tests))
}

fn is_integer(model: &Model) -> bool {
    let role = |node: &ocellus_graph::Node| find(&node.domain, &node.op).map(|d| d.role);
    model.graph.nodes.iter().any(|node| role(node) == Some(Role::Quantize))
}

/// The graph's name, else that of the file, as a part of file names.
fn file_name(model: &Model, file: &Path) -> String {
    let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or("model");
    let name = if model.graph.name.is_empty() { stem } else { &model.graph.name };
    name.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect()
}

/// What a user of the files has to know, as Markdown.
fn card(name: &str, model: &Model, report: Option<&Report>, plans: &[Exported]) -> String {
    let mut text = match ocellus_models::find(name) {
        Some(zoo) => zoo.card.trim_end().to_owned(),
        None => format!("# {name}"),
    };
    text += "\n\n## Exported\n\n";
    if let Some(accuracy) = report.and_then(|r| r.accuracy.as_ref()) {
        let percent = |v: f64| format!("{:.2} %", 100.0 * v);
        let _ = writeln!(text, "Accuracy: float {}, 8-bit {}.\n", percent(accuracy.float), percent(accuracy.int8));
    }
    text += "| plan | accuracy | arena bytes | weight bytes | step table bytes | answers | self-tests |\n|---|---|---|---|---|---|---|\n";
    for plan in plans {
        let r = &plan.report;
        let accuracy = plan.accuracy.map_or("not measured".to_owned(), |a| format!("{:.2} %", 100.0 * a));
        let answers = if r.float_step.is_none() { "bit-equal on every CPU" } else { "within float bounds" };
        let (arena, weights, steps, tests) = (r.arena_bytes, r.weights_bytes, r.step_words * 4, plan.self_tests);
        let _ = writeln!(text, "| {} | {accuracy} | {arena} | {weights} | {steps} | {answers} | {tests} |", plan.file);
    }
    for (key, value) in &model.metadata {
        let _ = write!(text, "\n{key}: `{value}`\n");
    }
    text
}
