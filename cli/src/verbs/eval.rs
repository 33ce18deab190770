//! `ocellus eval`: the accuracy of a model or a plan.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use ocellus_backend::Backend;
use ocellus_graph::{Dim, Model};
use ocellus_ops::infer;
use ocellus_plan::Plan;
use ocellus_runtime::{Isa, LoadError, StepFault};
use ocellus_trainer::data::{Dataset, IdxPart, Normalization};
use ocellus_trainer::metrics::ClassificationMetrics;
use ocellus_trainer::{EvaluationConfig, evaluate_model};
use serde_json::{Value, json};

use crate::arguments::target;
use crate::dataset::{self, Source};
use crate::map::map_file;
use crate::model_file::{is_plan, load_model};
use crate::output::{Ending, Output};
use crate::plan_accuracy::evaluate_plan;
use crate::preprocess;
use crate::verbs::eval_scenes;
use crate::verbs::train::{Engine, head};

/// Pictures that a model is run on at once, where its graph allows it.
const BATCH: usize = 50;

/// `ocellus eval MODEL --data DATA`
#[derive(Args)]
pub struct Eval {
    /// The ONNX file, which a backend runs, or the plan, which the device's runtime runs; or stamps-detect, stamps-segment,
    /// stamps-caption: the plans of the model that ships, float and 8 bits, on made scenes (after `ocellus fetch stamps`).
    model: PathBuf,
    #[arg(long, value_parser = dataset::parse, help = dataset::HELP, default_value = "samples")]
    data: Source,
    /// Sizes of the input where the pictures come from folders.
    #[arg(long, value_name = "HEIGHTxWIDTHxCHANNELS", value_parser = dataset::size)]
    size: Option<[usize; 3]>,
    /// Which part of the set.
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
    /// Only the first pictures; how many scenes are made, where they are made.
    #[arg(long)]
    limit: Option<usize>,
    /// Mean per channel, where the model does not say it.
    #[arg(long, value_delimiter = ',')]
    mean: Vec<f32>,
    /// Standard deviation per channel, where the model does not say it.
    #[arg(long, value_delimiter = ',', requires = "mean")]
    std: Vec<f32>,
    /// The instruction set that runs a plan: native, portable, sse41, avx2, avxvnni, avx512vnni, amx.
    #[arg(long, default_value = "native", value_parser = target)]
    target: Isa,
    /// Run a plan with every instruction set of this CPU that reads its weights, and fail where the answers differ in
    /// one bit.
    #[arg(long)]
    all_targets: bool,
    #[command(flatten)]
    engine: Engine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Train,
    Test,
}

impl Eval {
    /// Evaluates.
    ///
    /// # Errors
    /// A model or data that cannot be used.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        if let Some(task) = self.model.to_str().and_then(eval_scenes::task) {
            return eval_scenes::shipped(task, self.limit, self.target, output);
        }
        if let Source::Scenes(data) = &self.data {
            return eval_scenes::run(&self.model, data, self.limit, self.target, || self.engine.open(), output);
        }
        let part = if self.part == Part::Train { IdxPart::Train } else { IdxPart::Test };
        let set = head(dataset::open(&self.data, part, self.size)?, self.limit);
        if is_plan(&self.model)? {
            return self.plan(&set, output);
        }
        let model = load_model(&self.model)?;
        let normalization = self.normalization(&model.metadata, &set)?;
        let start = Instant::now();
        let metrics = model_accuracy(self.engine.open()?.as_ref(), &model, &set, &normalization)?;
        let seconds = start.elapsed().as_secs_f64();
        let mut value = figures(&metrics, &set);
        value["backend"] = json!(self.engine.backend);
        value["seconds"] = json!(seconds);
        output.answer(format!("{}\n{seconds:.1} s on {}", text(&metrics, &set), self.engine.backend), &value);
        Ok(Ending::Fine)
    }

    fn normalization(&self, metadata: &BTreeMap<String, String>, set: &Arc<dyn Dataset>) -> Result<Normalization> {
        preprocess::normalization(metadata, &self.mean, &self.std, set.shape()[2])
    }

    fn plan(&self, set: &Arc<dyn Dataset>, output: &Output) -> Result<Ending> {
        let map = map_file(&self.model).with_context(|| format!("{} cannot be mapped", self.model.display()))?;
        let plan = Plan::parse(&map).with_context(|| self.model.display().to_string())?;
        let normalization = self.normalization(&preprocess::plan_metadata(&plan), set)?;
        let isas: Vec<Isa> = if self.all_targets { Isa::available().collect() } else { vec![self.target] };
        let mut others = Vec::new();
        let (mut lines, mut rows, mut last) = (Vec::new(), Vec::new(), None);
        for isa in isas {
            let start = Instant::now();
            let name = isa.level().name();
            let found = match evaluate_plan(&map, isa, set, &normalization, |_| {}) {
                Err(error) if self.all_targets && is_of_another_target(&error) => {
                    lines.push(format!("not on {name}: the weights are packed for another instruction set"));
                    others.push(name);
                    continue;
                }
                found => found?,
            };
            let seconds = start.elapsed().as_secs_f64();
            lines.push(format!("outputs {:08x} on {name}, {seconds:.1} s", found.crc));
            rows.push(json!({ "isa": name, "outputs_crc": format!("{:08x}", found.crc), "seconds": seconds }));
            last = Some(found);
        }
        let found = last.context("this CPU has no instruction set, which cannot be")?;
        let same = rows.iter().all(|r| r["outputs_crc"] == rows[0]["outputs_crc"]);
        let mut value = figures(&found.metrics, set);
        value["targets"] = json!(rows);
        value["identical"] = json!(same);
        value["packed_for_another"] = json!(others);
        let end = if same { String::new() } else { "\nthe outputs DIFFER between instruction sets".to_owned() };
        output.answer(format!("{}\n{}{end}", text(&found.metrics, set), lines.join("\n")), &value);
        Ok(if same { Ending::Fine } else { Ending::Failed })
    }
}

/// Whether a plan does not load because its weights are packed for another instruction set.
fn is_of_another_target(error: &anyhow::Error) -> bool {
    let load = error.downcast_ref::<LoadError>();
    matches!(load, Some(LoadError::Step { fault: StepFault::Layout(_), .. }))
}

/// Runs a model over a set on a backend, several pictures at once where its graph allows it.
///
/// # Errors
/// A model that does not classify pictures of this size, or a backend that fails.
pub fn model_accuracy(
    backend: &dyn Backend,
    model: &Model,
    set: &Arc<dyn Dataset>,
    normalization: &Normalization,
) -> Result<ClassificationMetrics> {
    let batched = with_batch(model, BATCH);
    let model = batched.as_ref().unwrap_or(model);
    let config = EvaluationConfig { batch: BATCH, workers: 1, normalization: normalization.clone() };
    let evaluation = evaluate_model(backend, model, set, &config)?;
    evaluation.metrics.with_context(|| {
        format!("the model's first output is not one score for each of the {} classes", set.classes().len())
    })
}

/// This model for another number of pictures at once; `None` where its graph is made for one number only.
fn with_batch(model: &Model, batch: usize) -> Option<Model> {
    let mut model = model.clone();
    let graph = &mut model.graph;
    let [input] = graph.inputs[..] else { return None };
    for (index, value) in graph.values.iter_mut().enumerate() {
        let id = ocellus_graph::ValueId(index as u32);
        if id == input {
            *value.shape.as_mut()?.0.first_mut()? = Dim::Known(batch);
        } else if !graph.initializers.contains_key(&id) {
            value.shape = None;
        }
    }
    infer(&mut model).ok()?;
    let fits = |v: &ocellus_graph::ValueId| {
        model.graph.value(*v).shape.as_ref().is_some_and(|s| s.first() == Some(&Dim::Known(batch)))
    };
    model.graph.outputs.iter().all(fits).then_some(model)
}

fn text(metrics: &ClassificationMetrics, set: &Arc<dyn Dataset>) -> String {
    let mut text = format!(
        "accuracy {:.2} % ({} of {}), top 5 {:.2} %",
        100.0 * metrics.accuracy(),
        metrics.correct(),
        metrics.total(),
        100.0 * metrics.top_k_accuracy()
    );
    for (class, name) in set.classes().iter().enumerate().take(20) {
        let percent = |part: Option<f64>| part.map_or("    -".to_owned(), |p| format!("{:5.1}", 100.0 * p));
        let (recall, precision) = (percent(metrics.recall(class)), percent(metrics.precision(class)));
        text += &format!("\n  {name:16} recall {recall} %  precision {precision} %");
    }
    text
}

fn figures(metrics: &ClassificationMetrics, set: &Arc<dyn Dataset>) -> Value {
    let classes: Vec<_> = (set.classes().iter().enumerate())
        .map(|(i, name)| json!({ "name": name, "recall": metrics.recall(i), "precision": metrics.precision(i) }))
        .collect();
    json!({
        "accuracy": metrics.accuracy(), "correct": metrics.correct(), "total": metrics.total(),
        "top5_accuracy": metrics.top_k_accuracy(), "classes": classes,
    })
}
