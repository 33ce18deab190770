//! `ocellus quantize`: a float model into an 8-bit model.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use ocellus_graph::Model;
use ocellus_quantizer::{Accuracy, Activations, BatchError, Method, OnBackend, Options, Report, quantize};
use ocellus_trainer::data::{Dataset, IdxPart, Normalization};
use serde_json::{Value, json};

use crate::arguments::{named_shape, usage};
use crate::calibration::{self, Batches};
use crate::dataset::{self, Source};
use crate::model_file::load_prepared;
use crate::output::{Ending, Output};
use crate::preprocess;
use crate::scenes::ScenePart;
use crate::verbs::eval::model_accuracy;
use crate::verbs::train::{Engine, head};

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
    /// Fail, and write nothing, where the accuracy drops by more than this many percentage points.
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
        let prepared = load_prepared(&self.model, &self.shapes, output)?;
        let (integer, report) = self.quantization.apply(&self.calibration, &prepared.model)?;
        integer.save(&self.output)?;
        let mut value: Value = serde_json::to_value(&report)?;
        value["model"] = json!(self.output);
        output.answer(format!("{report}wrote {}", self.output.display()), &value);
        Ok(Ending::Fine)
    }
}

impl Quantization {
    /// The set that accuracy is measured on: the one that was given, else that of the calibration. Of scenes the task's own
    /// figures count, which `eval` prints; only sets of classes are judged here.
    fn judged(&self, calibration: &str) -> Option<Source> {
        let set = self.data.clone().or_else(|| source(calibration));
        set.filter(|source| !matches!(source, Source::Scenes(_)))
    }

    /// Refuses options that do not go together.
    ///
    /// # Errors
    /// A limit for the accuracy without a set to measure it on.
    pub fn check(&self, calibration: &str) -> Result<()> {
        if self.max_drop.is_some() && self.judged(calibration).is_none() {
            return usage("--max-drop needs --data, a data set of classes to measure the accuracy on");
        }
        Ok(())
    }

    /// Quantizes a prepared model, and measures the accuracy of both where there is a set to do so.
    ///
    /// # Errors
    /// Data that cannot be used, or an accuracy that drops too far.
    pub fn apply(&self, calibration: &str, float: &Model) -> Result<(Model, Report)> {
        let backend = self.engine.open()?;
        let batches = self.batches(calibration, float)?;
        let options = Options {
            method: self.method,
            activations: if self.symmetric { Activations::Symmetric } else { Activations::Asymmetric },
            exclude: self.exclude.clone(),
            ..Options::default()
        };
        let (integer, mut report) = quantize_over(float, &options, backend.as_ref(), batches)?;
        if let Some((set, normalization)) = self.test_set(calibration, float)? {
            let of = |model| model_accuracy(backend.as_ref(), model, &set, &normalization).map(|m| m.accuracy());
            report.accuracy = Some(Accuracy { float: of(float)?, int8: of(&integer)? });
        }
        self.judge(report.accuracy)?;
        Ok((integer, report))
    }

    /// The pictures that accuracy is measured on, and how the model wants them.
    ///
    /// # Errors
    /// A set that cannot be opened, or a model that does not say how its pictures are prepared.
    pub fn test_set(&self, calibration: &str, model: &Model) -> Result<Option<(Arc<dyn Dataset>, Normalization)>> {
        let Some(source) = self.judged(calibration) else { return Ok(None) };
        let set = head(dataset::open(&source, IdxPart::Test, self.size)?, self.test_limit);
        let normalization = self.normalization(model, &set)?;
        Ok(Some((set, normalization)))
    }

    fn judge(&self, accuracy: Option<Accuracy>) -> Result<()> {
        let (Some(limit), Some(found)) = (self.max_drop, accuracy) else { return Ok(()) };
        let drop = 100.0 * (found.float - found.int8);
        ensure!(
            drop <= limit,
            "accuracy drops by {drop:.2} points, from {:.2} % to {:.2} %; --max-drop allows {limit}. Nothing was written. \
             Another --method, more calibration data, or --exclude for the worst layers may help",
            100.0 * found.float,
            100.0 * found.int8
        );
        Ok(())
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
