//! `ocellus eval` on pictures with boxes and masks.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use ocellus_backend::Backend;
use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::Model;
use ocellus_models::shipped::Task;
use ocellus_plan::Plan;
use ocellus_runtime::Isa;
use ocellus_vision::metadata::{CaptionDecode, Decode, Preprocess};
use serde_json::{Value, json};

use crate::arguments::CompileArgs;
use crate::caption_accuracy::CaptionAccuracy;
use crate::captioning::Decoder;
use crate::map::map_file;
use crate::memory::{Memory, with_plan};
use crate::model_file::{FLOAT, is_plan, load_model, model_or_shipped, open_plan, step_of};
use crate::output::{Ending, Output};
use crate::scene_accuracy::evaluate;
use crate::scenes::{ScenePart, SceneSource};
use crate::{preprocess, tensors};

/// Made scenes of every part without `--limit`.
const COUNT: usize = 500;
/// Seed of test scenes.
const SEED: u64 = 1;

/// Evaluates a model (by a backend) or a plan (by the device's runtime) on every test part.
///
/// # Errors
/// A model or data that cannot be used.
pub fn run(
    path: &Path,
    data: &SceneSource,
    limit: Option<usize>,
    isa: Isa,
    backend: impl FnOnce() -> Result<Box<dyn Backend>>,
    output: &Output,
) -> Result<Ending> {
    let count = limit.unwrap_or(COUNT);
    let start = Instant::now();
    let mut figures = if is_captioner(path)? || is_plan(path)? {
        planned(path, data, count, isa, output)?
    } else {
        on_backend(path, data, count, backend()?.as_ref())?
    };
    let seconds = start.elapsed().as_secs_f64();
    let lines: Vec<String> = figures.iter().map(|(part, f)| format!("{part:7} {}", line(f))).collect();
    figures.insert("seconds".to_owned(), json!(seconds));
    output.answer(format!("{}\n{seconds:.1} s", lines.join("\n")), &Value::Object(figures));
    Ok(Ending::Fine)
}

/// What `ocellus eval` takes in place of a model: both forms of the model that ships, on made scenes.
pub fn task(text: &str) -> Option<Task> {
    match text {
        "stamps-detect" => Some(Task::Detect),
        "stamps-segment" => Some(Task::Segment),
        "stamps-caption" => Some(Task::Caption),
        _ => None,
    }
}

/// Evaluates the float and the 8-bit plan of the model that ships for a task.
///
/// # Errors
/// Cut-outs that are not there.
pub fn shipped(task: Task, limit: Option<usize>, isa: Isa, output: &Output) -> Result<Ending> {
    let start = Instant::now();
    let name = model_or_shipped(None, task)?;
    let forms = [("float", PathBuf::from(format!("{}{FLOAT}", name.display()))), ("int8", name.clone())];
    let (mut all, mut lines) = (serde_json::Map::new(), Vec::new());
    for (form, path) in forms {
        for (part, found) in planned(&path, &SceneSource::Stamps, limit.unwrap_or(COUNT), isa, output)? {
            lines.push(format!("{part:7} {form:5} {}", line(&found)));
            all.entry(part).or_insert_with(|| json!({}))[form] = found;
        }
    }
    lines.sort();
    let seconds = start.elapsed().as_secs_f64();
    all.insert("model".to_owned(), json!(name));
    all.insert("seconds".to_owned(), json!(seconds));
    output.answer(format!("{}\n{}\n{seconds:.1} s", name.display(), lines.join("\n")), &Value::Object(all));
    Ok(Ending::Fine)
}

type Figures = serde_json::Map<String, Value>;

/// The figures of a plan, or of the one that a model is compiled to, in the device's runtime.
fn planned(path: &Path, data: &SceneSource, count: usize, isa: Isa, output: &Output) -> Result<Figures> {
    let compile = CompileArgs::of(isa);
    let bytes = open_plan(path, &compile, output)?;
    let plan = bytes.plan()?;
    let (how, decode) = described(&preprocess::plan_metadata(&plan))?;
    if let Decode::Caption(decode) = &decode {
        let step = open_plan(&step_of(path), &compile, output)?;
        return captions([plan, step.plan()?], &how, decode, data, count, isa);
    }
    seen(plan, &how, &decode, data, data.test_parts(), count, isa)
}

/// What a model is judged by when it is compiled and run on the known scenes: mAP@.5 or mIoU.
///
/// # Errors
/// A model that neither detects nor segments, or cannot be compiled.
pub fn figure(model: &Model, data: &SceneSource, count: usize) -> Result<f64> {
    let isa = Isa::best();
    let (how, decode) = described(&model.metadata)?;
    let compiled = compile(&prepare(model.clone(), &[])?, &Options { level: isa.level(), ..Options::default() })?;
    let bytes = Memory::copy_of(&compiled.bytes)?;
    let figures = seen(Plan::parse(bytes.as_ref())?, &how, &decode, data, &[ScenePart::Known], count, isa)?;
    let found = figures.values().next().context("there are no scenes")?;
    ["map50", "miou"].into_iter().find_map(|key| found[key].as_f64()).context("the model has no figure to be judged by")
}

/// The figures of a plan that detects or segments.
fn seen(
    plan: Plan<'_>,
    how: &Preprocess,
    decode: &Decode,
    data: &SceneSource,
    parts: &[ScenePart],
    count: usize,
    isa: Isa,
) -> Result<Figures> {
    let mut figures = Figures::new();
    with_plan(plan, isa, |session| {
        let port = session.plan().inputs().next().context("the plan has no input")?;
        for &part in parts {
            let scenes = data.open(part, count, SEED)?;
            let mut runner = |input: &ocellus_graph::Tensor| {
                tensors::set_input(session, 0, &port, input)?;
                session.run();
                tensors::outputs(session)
            };
            figures.insert(key(part), evaluate(decode, how, scenes.as_ref(), &mut runner)?);
        }
        Ok::<(), anyhow::Error>(())
    })??;
    Ok(figures)
}

/// The figures of a model on a backend.
fn on_backend(path: &Path, data: &SceneSource, count: usize, backend: &dyn Backend) -> Result<Figures> {
    let model = load_model(path)?;
    let (how, decode) = described(&model.metadata)?;
    let mut session = backend.prepare(&model)?;
    let input = session.inputs().first().context("the model has no input")?.name.clone();
    let names: Vec<String> = session.outputs().iter().map(|p| p.name.clone()).collect();
    let mut figures = Figures::new();
    for &part in data.test_parts() {
        let scenes = data.open(part, count, SEED)?;
        let mut runner = |tensor: &ocellus_graph::Tensor| {
            let made = session.run(&[(input.as_str(), tensor)])?;
            Ok(names.iter().cloned().zip(made).collect())
        };
        figures.insert(key(part), evaluate(&decode, &how, scenes.as_ref(), &mut runner)?);
    }
    Ok(figures)
}

/// `known`, `unseen`.
fn key(part: ScenePart) -> String {
    format!("{part:?}").to_lowercase()
}

/// Whether a model or plan writes sentences.
fn is_captioner(path: &Path) -> Result<bool> {
    let metadata = if is_plan(path)? {
        let map = map_file(path).with_context(|| format!("{} cannot be mapped", path.display()))?;
        preprocess::plan_metadata(&Plan::parse(&map).with_context(|| path.display().to_string())?)
    } else {
        load_model(path)?.metadata
    };
    Ok(matches!(Decode::of(&metadata)?, Some(Decode::Caption(_))))
}

/// The figures of a captioner by its encoder and its step.
fn captions(
    [encoder, step]: [Plan<'_>; 2],
    how: &Preprocess,
    decode: &CaptionDecode,
    data: &SceneSource,
    count: usize,
    isa: Isa,
) -> Result<Figures> {
    let decoder = Decoder::new(step, isa, decode)?;
    let mut figures = Figures::new();
    with_plan(encoder, isa, |session| {
        let port = session.plan().inputs().next().context("the encoder has no input")?;
        for &part in data.test_parts() {
            let scenes = data.open(part, count, SEED)?;
            let mut accuracy = CaptionAccuracy::new(data, part);
            for index in 0..scenes.len() {
                let scene = scenes.get(index)?;
                let (input, _) = preprocess::input_of(how, &scene.picture)?;
                tensors::set_input(session, 0, &port, &input)?;
                session.run();
                accuracy.add(&decoder.caption(&tensors::outputs(session)?, decode.beams)?.sentence, &scene.captions);
            }
            figures.insert(key(part), accuracy.figures());
        }
        Ok::<(), anyhow::Error>(())
    })??;
    Ok(figures)
}

fn described(metadata: &std::collections::BTreeMap<String, String>) -> Result<(Preprocess, Decode)> {
    let how = preprocess::preprocess(metadata)?;
    let decode = Decode::of(metadata)?;
    let decode = decode.with_context(|| format!("the model does not say what it answers (metadata {:?})", Decode::KEY));
    Ok((how, decode?))
}

/// The figures of a part in a line.
fn line(figures: &Value) -> String {
    let percent = |key: &str| figures[key].as_f64().map(|v| format!("{key} {:.1} %", 100.0 * v));
    let all = ["map50", "map", "map75", "miou", "accuracy", "bleu4", "objects"].into_iter().filter_map(percent);
    let cider = figures["cider"].as_f64().map(|v| format!("cider {v:.2}"));
    let pictures = figures["pictures"].as_u64().map(|n| format!("{n} pictures"));
    all.chain(cider).chain(pictures).collect::<Vec<_>>().join(", ")
}
