//! `ocellus eval` on pictures with boxes and masks.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use ocellus_backend::Backend;
use ocellus_plan::Plan;
use ocellus_runtime::{Isa, with_session};
use ocellus_trainer::metrics::{CaptionMetrics, words};
use ocellus_vision::metadata::{Decode, Preprocess};
use serde_json::{Value, json};

use crate::arguments::CompileArgs;
use crate::captioning::Decoder;
use crate::map::map_file;
use crate::model_file::{is_plan, load_model, open_plan};
use crate::output::{Ending, Output};
use crate::scene_accuracy::evaluate;
use crate::scenes::SceneSource;
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
    let mut figures = serde_json::Map::new();
    if is_captioner(path)? {
        captions(path, data, count, isa, output, &mut figures)?;
    } else if is_plan(path)? {
        let map = map_file(path).with_context(|| format!("{} cannot be mapped", path.display()))?;
        let plan = Plan::parse(&map).with_context(|| path.display().to_string())?;
        let (how, decode) = described(&preprocess::plan_metadata(&plan))?;
        let port = plan.inputs().next().context("the plan has no input")?;
        with_session(&map, isa, |session| {
            for &part in data.test_parts() {
                let scenes = data.open(part, count, SEED)?;
                let mut runner = |input: &ocellus_graph::Tensor| {
                    tensors::set_input(session, 0, &port, input)?;
                    session.run();
                    tensors::outputs(session)
                };
                let found = evaluate(&decode, &how, scenes.as_ref(), &mut runner)?;
                figures.insert(format!("{part:?}").to_lowercase(), found);
            }
            Ok::<(), anyhow::Error>(())
        })??;
    } else {
        let model = load_model(path)?;
        let (how, decode) = described(&model.metadata)?;
        let backend = backend()?;
        let mut session = backend.prepare(&model)?;
        let input = session.inputs().first().context("the model has no input")?.name.clone();
        let names: Vec<String> = session.outputs().iter().map(|p| p.name.clone()).collect();
        for &part in data.test_parts() {
            let scenes = data.open(part, count, SEED)?;
            let mut runner = |tensor: &ocellus_graph::Tensor| {
                let made = session.run(&[(input.as_str(), tensor)])?;
                Ok(names.iter().cloned().zip(made).collect())
            };
            let found = evaluate(&decode, &how, scenes.as_ref(), &mut runner)?;
            figures.insert(format!("{part:?}").to_lowercase(), found);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let lines: Vec<String> = figures.iter().map(|(part, f)| format!("{part:7} {}", line(f))).collect();
    figures.insert("seconds".to_owned(), json!(seconds));
    output.answer(format!("{}\n{seconds:.1} s", lines.join("\n")), &Value::Object(figures));
    Ok(Ending::Fine)
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

/// The figures of a captioner, which always runs in the device's runtime; its step lies beside it.
fn captions(
    path: &Path,
    data: &SceneSource,
    count: usize,
    isa: Isa,
    output: &Output,
    figures: &mut serde_json::Map<String, Value>,
) -> Result<()> {
    let compile = CompileArgs { shapes: Vec::new(), target: isa };
    let encoder = open_plan(path, &compile, output)?;
    let step = path.with_file_name("step").with_extension(path.extension().unwrap_or_default());
    let step = open_plan(&step, &compile, output)?;
    let (how, decode) = described(&preprocess::plan_metadata(&Plan::parse(&encoder)?))?;
    let Decode::Caption(decode) = &decode else { return Ok(()) };
    let decoder = Decoder::new(&step, isa, decode)?;
    with_session(&encoder, isa, |session| {
        let port = session.plan().inputs().next().context("the encoder has no input")?;
        for &part in data.test_parts() {
            let scenes = data.open(part, count, SEED)?;
            let (mut metrics, mut named) = (CaptionMetrics::default(), Named::default());
            for index in 0..scenes.len() {
                let scene = scenes.get(index)?;
                let (input, _) = preprocess::input_of(&how, &scene.picture)?;
                tensors::set_input(session, 0, &port, &input)?;
                session.run();
                let said = decoder.caption(&tensors::outputs(session)?, decode.beams)?;
                metrics.add(&said.sentence, &scene.captions);
                named.add(&said.sentence, scene.captions.first().map_or("", String::as_str));
            }
            let scores = metrics.scores();
            let found = json!({
                "bleu1": scores.bleu[0], "bleu2": scores.bleu[1], "bleu3": scores.bleu[2], "bleu4": scores.bleu[3],
                "rouge": scores.rouge, "cider": scores.cider, "objects": named.part(), "pictures": scenes.len(),
            });
            figures.insert(format!("{part:?}").to_lowercase(), found);
        }
        Ok::<(), anyhow::Error>(())
    })?
}

/// How many of the words that name things are found.
#[derive(Default)]
struct Named {
    found: usize,
    all: usize,
}

impl Named {
    /// Words of made sentences that name nothing.
    const OTHER: [&str; 12] =
        ["a", "an", "and", "next", "to", "above", "below", "there", "is", "picture", "of", "nothing"];

    fn add(&mut self, answer: &str, truth: &str) {
        let answer = words(answer);
        for word in words(truth).into_iter().filter(|w| !Self::OTHER.contains(&w.as_str())) {
            self.all += 1;
            self.found += usize::from(answer.contains(&word));
        }
    }

    fn part(&self) -> f64 {
        self.found as f64 / self.all.max(1) as f64
    }
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
