//! `ocellus quantize`: a float model into an 8-bit model.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use ocellus_compiler::{compile, prepare};
use ocellus_graph::Model;
use ocellus_models::half::{halved, widened};
use ocellus_quantizer::{
    Accuracy, Activations, BatchError, Method, OnBackend, Options, Report, quantize, sensitivities,
};
use ocellus_runtime::{Isa, Pool, with_session};
use ocellus_trainer::data::{Dataset, IdxPart, Normalization};
use serde_json::{Value, json};

use crate::arguments::{named_shape, usage};
use crate::calibration::{self, Batches};
use crate::dataset::{self, Source};
use crate::mixed::{Attempt, fewest};
use crate::model_file::load_prepared;
use crate::output::{Ending, Output};
use crate::preprocess;
use crate::scenes::{ScenePart, SceneSource};
use crate::verbs::bench::Times;
use crate::verbs::eval::model_accuracy;
use crate::verbs::eval_scenes::figure;
use crate::verbs::train::{Engine, head};

/// Inputs of the calibration that say how much noise a layer brings.
const SAMPLES: usize = 4;
/// Scenes that a model is judged by without `--test-limit`.
const JUDGED: usize = 100;

/// `ocellus quantize MODEL.onnx --calibration DATA -o Q.onnx`
#[derive(Args)]
pub struct Quantize {
    /// The float ONNX file.
    model: PathBuf,
    /// Typical inputs: a folder of .npy or .npz files, one .npz file, or a data set as `train --data` takes it.
    #[arg(long, value_name = "FOLDER, FILE.npz or DATA")]
    calibration: String,
    /// The integer ONNX file to write.
    #[arg(short, long)]
    output: PathBuf,
    /// Also write the float model, with weights in 16 bits, and with everything that the 8-bit one can be made from it again
    /// in its metadata. Both forms have the rounded weights.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Sizes of an input, such as input=1,3,224,224; symbolic sizes without it are 1.
    #[arg(long = "shape", value_name = "NAME=SIZES", value_parser = named_shape)]
    shapes: Vec<(String, Vec<usize>)>,
    #[command(flatten)]
    quantization: Quantization,
}

/// How a float model becomes an 8-bit model.
#[derive(Args)]
pub struct Quantization {
    /// How ranges are chosen: mse, minmax, entropy, or percentile:99.99.
    #[arg(long, default_value = "mse", value_parser = method)]
    method: Method,
    /// int8 activations with zero point 0, for engines that need them; without it uint8 with a zero point.
    #[arg(long)]
    symmetric: bool,
    /// Correct the biases by so many inputs of the calibration, for the shifts that rounded weights cause.
    #[arg(long, value_name = "INPUTS", num_args = 0..=1, default_value_t = 0, default_missing_value = "64")]
    bias_correction: usize,
    /// Share the ranges of channels between neighbouring layers first (cross-layer equalization).
    #[arg(long)]
    equalize: bool,
    /// A node that stays float, by name.
    #[arg(long, value_name = "NODE")]
    exclude: Vec<String>,
    /// Most pictures of a data set that are used.
    #[arg(long, default_value_t = 512)]
    limit: usize,
    /// Measure the accuracy of both models on the test part of this set; the calibration set where it is one.
    #[arg(long, value_parser = dataset::parse)]
    data: Option<Source>,
    /// Most test pictures that are used.
    #[arg(long)]
    test_limit: Option<usize>,
    /// Leave layers in floats until the accuracy (of scenes mAP@.5 or mIoU) drops by at most this many percentage points, and
    /// say what that costs.
    #[arg(long, value_name = "POINTS")]
    max_drop: Option<f64>,
    /// Sizes of the input where pictures come from folders.
    #[arg(long, value_name = "HEIGHTxWIDTHxCHANNELS", value_parser = dataset::size)]
    size: Option<[usize; 3]>,
    /// Mean per channel, where the model does not say it.
    #[arg(long, value_delimiter = ',')]
    mean: Vec<f32>,
    /// Standard deviation per channel, where the model does not say it.
    #[arg(long, value_delimiter = ',', requires = "mean")]
    std: Vec<f32>,
    #[command(flatten)]
    engine: Engine,
}

fn method(text: &str) -> Result<Method, String> {
    let method = Method::from_str(text).map_err(|e| e.to_string())?;
    method.check().map_err(|e| e.to_string())?;
    Ok(method)
}

impl Quantize {
    /// Quantizes.
    ///
    /// # Errors
    /// A model or data that cannot be used, or an accuracy that drops too far.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        self.quantization.check(&self.calibration)?;
        let mut float = load_prepared(&self.model, &self.shapes, output)?.model;
        if self.keep.is_some() {
            float = widened(halved(float));
        }
        let Quantized { integer, report, plain } = self.quantization.apply(&self.calibration, &float, output)?;
        integer.save(&self.output)?;
        if let Some(plain) = plain {
            output.note(price(&plain, &integer)?);
        }
        if let Some(path) = &self.keep {
            report.recipe.describe(&mut float.metadata);
            halved(float).save(path)?;
        }
        let mut value: Value = serde_json::to_value(&report)?;
        value["model"] = json!(self.output);
        output.answer(format!("{report}wrote {}", self.output.display()), &value);
        Ok(Ending::Fine)
    }
}

impl Quantization {
    /// The set that accuracy is measured on: the one that was given, else that of the calibration.
    fn judged(&self, calibration: &str) -> Option<Source> {
        self.data.clone().or_else(|| source(calibration))
    }

    /// Refuses options that do not go together.
    ///
    /// # Errors
    /// A limit for the accuracy without a set to measure it on.
    pub fn check(&self, calibration: &str) -> Result<()> {
        if self.max_drop.is_some() && self.judged(calibration).is_none() {
            return usage("--max-drop needs --data, a data set to measure the accuracy on");
        }
        Ok(())
    }

    /// Quantizes a prepared model, and measures the accuracy of both where there is a set to do so. Where it drops by more
    /// than is allowed, the layers that bring the most noise by themselves are left in floats, as few as will do.
    ///
    /// # Errors
    /// Data that cannot be used, or an accuracy that drops too far whatever is left in floats.
    pub fn apply(&self, calibration: &str, float: &Model, output: &Output) -> Result<Quantized> {
        let backend = self.engine.open()?;
        let options = Options {
            method: self.method,
            activations: if self.symmetric { Activations::Symmetric } else { Activations::Asymmetric },
            exclude: self.exclude.clone(),
            correction_batches: self.bias_correction,
            equalize: self.equalize,
            ..Options::default()
        };
        let quantized =
            |options: &Options| quantize_over(float, options, backend.as_ref(), self.batches(calibration, float)?);
        let (integer, mut report) = quantized(&options)?;
        let Some(judge) = self.judge(calibration, float)? else {
            return Ok(Quantized { integer, report, plain: None });
        };
        let before = judge.figure(backend.as_ref(), float)?;
        let judged = |integer: &Model| {
            let found = Accuracy { float: before, int8: judge.figure(backend.as_ref(), integer)? };
            anyhow::Ok((self.allows(found), found))
        };
        let (holds, found) = judged(&integer)?;
        report.accuracy = Some(found);
        if holds {
            return Ok(Quantized { integer, report, plain: None });
        }
        output.note(format!("{}; looking for layers to leave in floats", fall(found)));
        let samples = self.batches(calibration, float)?.take(SAMPLES).collect::<Result<Vec<_>>>()?;
        let order = sensitivities(float, &options, &OnBackend(backend.as_ref()), &samples, &mut |_, _| {})?;
        let best = fewest(order.len().saturating_sub(1), |count| {
            let mut options = options.clone();
            options.exclude.extend(order.iter().take(count).map(|layer| layer.node.clone()));
            let (integer, mut report) = quantized(&options)?;
            let (holds, found) = judged(&integer)?;
            output.note(format!("{count} of {} layers in floats: {}", order.len(), fall(found)));
            report.accuracy = Some(found);
            Ok(Attempt { holds, value: (integer, report) })
        })?;
        let (mixed, report) = best.value;
        ensure!(best.holds, "{}", self.too_much(report.accuracy));
        Ok(Quantized { integer: mixed, report, plain: Some(integer) })
    }

    fn allows(&self, found: Accuracy) -> bool {
        self.max_drop.is_none_or(|limit| 100.0 * (found.float - found.int8) <= limit)
    }

    fn too_much(&self, found: Option<Accuracy>) -> String {
        format!(
            "{} with all layers but one in floats; --max-drop allows {} points. Nothing was written. Another --method or \
             more calibration data may help",
            found.map_or_else(String::new, fall),
            self.max_drop.unwrap_or_default()
        )
    }

    /// What models are judged by; `None` without a set. Scenes count only where a limit is given: `eval` has all figures.
    fn judge(&self, calibration: &str, model: &Model) -> Result<Option<Judge>> {
        if let Some(Source::Scenes(data)) = self.judged(calibration) {
            let scenes = Judge::Scenes(data, self.test_limit.unwrap_or(JUDGED));
            return Ok(self.max_drop.is_some().then_some(scenes));
        }
        Ok(self.test_set(calibration, model)?.map(|(set, normalization)| Judge::Classes(set, normalization)))
    }

    /// The pictures that accuracy is measured on, and how the model wants them.
    ///
    /// # Errors
    /// A set that cannot be opened, or a model that does not say how its pictures are prepared.
    pub fn test_set(&self, calibration: &str, model: &Model) -> Result<Option<(Arc<dyn Dataset>, Normalization)>> {
        let judged = self.judged(calibration).filter(|source| !matches!(source, Source::Scenes(_)));
        let Some(source) = judged else { return Ok(None) };
        let set = head(dataset::open(&source, IdxPart::Test, self.size)?, self.test_limit);
        let normalization = self.normalization(model, &set)?;
        Ok(Some((set, normalization)))
    }

    fn normalization(&self, model: &Model, set: &Arc<dyn Dataset>) -> Result<Normalization> {
        preprocess::normalization(&model.metadata, &self.mean, &self.std, set.shape()[2])
    }

    fn batches(&self, calibration: &str, model: &Model) -> Result<Batches> {
        let inputs = calibration::inputs_of(model)?;
        let Some(source) = source(calibration) else {
            return calibration::from_path(Path::new(calibration), inputs);
        };
        if let Source::Scenes(scenes) = source {
            let set = scenes.open(ScenePart::Train, self.limit, 0)?;
            return calibration::from_scenes(set, self.limit, &preprocess::preprocess(&model.metadata)?, &inputs);
        }
        let set = head(dataset::open(&source, IdxPart::Train, self.size)?, Some(self.limit));
        calibration::from_dataset(Arc::clone(&set), &self.normalization(model, &set)?, &inputs)
    }
}

/// What models are judged by.
enum Judge {
    /// Right answers on labelled pictures.
    Classes(Arc<dyn Dataset>, Normalization),
    /// The task's figure on so many scenes.
    Scenes(SceneSource, usize),
}

impl Judge {
    fn figure(&self, backend: &dyn ocellus_backend::Backend, model: &Model) -> Result<f64> {
        match self {
            Self::Classes(set, normalization) => Ok(model_accuracy(backend, model, set, normalization)?.accuracy()),
            Self::Scenes(data, count) => figure(model, data, *count),
        }
    }
}

/// What has come of it.
pub struct Quantized {
    /// The 8-bit model.
    pub integer: Model,
    /// What it cost.
    pub report: Report,
    /// The one without a layer that was left in floats for the accuracy, where any was.
    pub plain: Option<Model>,
}

fn fall(found: Accuracy) -> String {
    let [float, int8] = [found.float, found.int8].map(|v| 100.0 * v);
    format!("accuracy drops by {:.2} points, from {float:.2} % to {int8:.2} %", float - int8)
}

/// What layers in floats cost on the device.
fn price(plain: &Model, mixed: &Model) -> Result<String> {
    let mut rows = Vec::new();
    for (name, model) in [("all in 8 bits", plain), ("mixed", mixed)] {
        let isa = Isa::best();
        let options = ocellus_compiler::Options { level: isa.level(), ..ocellus_compiler::Options::default() };
        let compiled = compile(&prepare(model.clone(), &[])?, &options)?;
        let pool = Pool::new(1)?;
        let times = with_session(&compiled.bytes, isa, |s| Times::of(s, &pool, Duration::from_millis(300)))?;
        let (arena, flash) = (compiled.report.arena_bytes, compiled.bytes.len());
        rows.push(format!("{name:14} {arena:9} bytes of RAM, {flash:9} of flash, {:.3} ms", times.quantile(0.5)));
    }
    Ok(rows.join("\n"))
}

/// The data set that a calibration names, where it is no file or folder.
fn source(calibration: &str) -> Option<Source> {
    if Path::new(calibration).exists() { None } else { dataset::parse(calibration).ok() }
}

/// Quantizes on a backend.
///
/// # Errors
/// As [`quantize`].
pub fn quantize_over(
    float: &Model,
    options: &Options,
    backend: &dyn ocellus_backend::Backend,
    batches: Batches,
) -> Result<(Model, Report)> {
    let mut batches = batches.map(|b| b.map_err(|e| BatchError::from(format!("{e:#}"))));
    quantize(float, options, &OnBackend(backend), &mut batches).context("the model cannot be quantized")
}
