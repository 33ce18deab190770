//! `ocellus train`: a network of the zoo on a data set.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use ocellus_models::ZooModel;
use ocellus_models::transfer::{self, Transfer};
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::curve::write_learning_curve;
use ocellus_trainer::data::{Dataset, IdxPart};
use ocellus_trainer::{
    Classification, EarlyStop, Ending as RunEnding, Network, Outcome, Schedule, Trainer, TrainerConfig, within,
};
use ocellus_vision::metadata::{Decode, Preprocess};
use serde_json::{Value, json};

use crate::dataset::{self, Source};
use crate::model_file::load_model;
use crate::output::{Ending, Output, Usage};
use crate::preprocess;
use crate::progress::Bar;
use crate::verbs::train_scenes::{self, SceneRecipe};

/// `ocellus train RECIPE --data DATA`
#[derive(Args)]
pub struct Train {
    /// The network with its recipe: lenet5, resnet_small, mobilenet_v2; transfer on a --backbone; of scenes detector_micro, detector_board,
    /// ssd_board, segmenter, segmenter_fcn, captioner, captioner_attention.
    #[arg(value_parser = zoo_model)]
    recipe: Recipe,
    #[arg(long, value_parser = dataset::parse, help = dataset::HELP, default_value = "samples")]
    data: Source,
    /// Sizes of the input where the pictures come from folders.
    #[arg(long, value_name = "HEIGHTxWIDTHxCHANNELS", value_parser = dataset::size)]
    size: Option<[usize; 3]>,
    /// The folder for the model, the checkpoint, the learning curve and TensorBoard's events.
    #[arg(short, long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Times that every picture is seen; the recipe's own without it.
    #[arg(long)]
    epochs: Option<u64>,
    /// Steps after which the run ends, where that comes first.
    #[arg(long)]
    max_steps: Option<u64>,
    /// Pictures in a batch; the recipe's own without it.
    #[arg(long)]
    batch: Option<usize>,
    /// The greatest learning rate, in one cycle; the recipe's own without it.
    #[arg(long)]
    rate: Option<f64>,
    /// Seed of weights, order, augmentation and dropout.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Label smoothing, 0 for none.
    #[arg(long, default_value_t = 0.0)]
    smoothing: f32,
    /// Learn as a linear support vector machine does: margins between the scores of the right class and the others.
    #[arg(long, conflicts_with = "smoothing")]
    svm: bool,
    /// Learn for 8 bits: weights and activations are rounded to them on the way (quantization-aware training).
    #[arg(long)]
    qat: bool,
    /// Stop after this many epochs without an improvement, and keep the best weights.
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<u32>,
    /// Made scenes in an epoch.
    #[arg(long, default_value_t = 4000)]
    scenes: usize,
    /// A classifier (an ONNX file) whose layers the network looks with; they stay as they are.
    #[arg(long, value_name = "MODEL")]
    backbone: Option<PathBuf>,
    /// Layers of the backbone that learn too, and what their learning rate is multiplied with.
    #[arg(long, value_name = "LAYER=FACTOR", value_parser = rate)]
    tune: Vec<(String, f64)>,
    /// Go on from the checkpoint in the output folder.
    #[arg(long)]
    resume: bool,
    /// Steps between two checkpoints inside an epoch.
    #[arg(long, value_name = "STEPS")]
    checkpoint_every: Option<u64>,
    #[command(flatten)]
    engine: Engine,
}

/// Who computes.
#[derive(Args, Debug)]
pub struct Engine {
    /// tract (built in), ort-cpu or ort-cuda (ONNX Runtime, where it is installed).
    #[arg(long, default_value = "tract", value_parser = backend_name)]
    pub backend: &'static str,
    /// Threads; as many as the machine has without it.
    #[arg(long)]
    pub threads: Option<usize>,
}

impl Engine {
    /// Opens the backend.
    ///
    /// # Errors
    /// A library that is not installed; the message says how to get it.
    pub fn open(&self) -> Result<Box<dyn ocellus_backend::Backend>> {
        Ok(ocellus_backend::open(self.backend, self.threads())?)
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
    }
}

fn backend_name(text: &str) -> Result<&'static str, String> {
    let known = ocellus_backend::NAMES.into_iter().find(|n| *n == text);
    known.ok_or_else(|| format!("the backends are {}", ocellus_backend::NAMES.join(", ")))
}

fn rate(text: &str) -> Result<(String, f64), String> {
    let (name, factor) = text.rsplit_once('=').unwrap_or((text, "1"));
    let factor: f64 = factor.parse().map_err(|_| format!("{factor:?} is no number"))?;
    let sound = !name.is_empty() && factor > 0.0 && factor.is_finite();
    sound.then(|| (name.to_owned(), factor)).ok_or_else(|| "LAYER=FACTOR, with a factor above 0".to_owned())
}

/// A network with its recipe.
#[derive(Clone, Copy)]
enum Recipe {
    /// A classifier.
    Classifier(&'static ZooModel),
    /// A linear classifier on the features of another one.
    Transfer,
    /// A network that learns from scenes.
    Scenes(SceneRecipe),
}

/// A classifier, ready to learn.
struct Classifier {
    network: Box<dyn Network>,
    recipe: TrainerConfig,
    preprocess: Preprocess,
    weights: Store,
}

impl Recipe {
    fn name(self) -> &'static str {
        match self {
            Self::Classifier(model) => model.name,
            Self::Transfer => transfer::NAME,
            Self::Scenes(recipe) => recipe.name(),
        }
    }
}

fn zoo_model(text: &str) -> Result<Recipe, String> {
    let classifiers = || ocellus_models::ALL.iter().map(Recipe::Classifier).chain([Recipe::Transfer]);
    let mut all = classifiers().chain(SceneRecipe::all().map(Recipe::Scenes));
    let names = || classifiers().chain(SceneRecipe::all().map(Recipe::Scenes)).map(Recipe::name).collect::<Vec<_>>();
    all.find(|recipe| recipe.name() == text).ok_or_else(|| format!("the recipes are {}", names().join(", ")))
}

impl Train {
    /// Trains.
    ///
    /// # Errors
    /// Data or settings that cannot be used, a loss that is no number, or files that cannot be written.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let backend = self.engine.open()?;
        let folder = self.folder();
        match (self.recipe, &self.data) {
            (Recipe::Classifier(_) | Recipe::Transfer, _) => {}
            (Recipe::Scenes(recipe), Source::Scenes(data)) => {
                make_folder(&folder)?;
                let config = self.config(&folder, recipe.recipe());
                let checkpoint = config.checkpoint.clone().unwrap_or_default();
                let tuned: Vec<String> = self.tune.iter().map(|(layer, _)| layer.clone()).collect();
                let from = train_scenes::Start {
                    scenes: self.scenes,
                    backbone: self.backbone.as_deref(),
                    tuned: &tuned,
                    resume: self.resume,
                };
                let (outcome, seconds) = train_scenes::run(recipe, data, backend.as_ref(), config, &folder, &from)?;
                let (text, value) = self.summary(&outcome, seconds, &folder, &checkpoint);
                output.answer(text, &value);
                return Ok(Ending::Fine);
            }
            (Recipe::Scenes(recipe), _) => {
                let problem = format!("{} learns from scenes: --data {}", recipe.name(), crate::scenes::HELP);
                return Err(Usage(problem).into());
            }
        }
        let train = dataset::open(&self.data, IdxPart::Train, self.size)?;
        let test = dataset::open(&self.data, IdxPart::Test, self.size)?;
        make_folder(&folder)?;
        let Classifier { network, recipe, preprocess, weights } = self.classifier(train.as_ref())?;
        let config = self.config(&folder, recipe);
        let checkpoint = config.checkpoint.clone().unwrap_or_default();
        let objective = match self.svm {
            true => Classification::MultiClassHinge { squared: true },
            false => Classification::CrossEntropy { smoothing: self.smoothing },
        };
        let classes = train.classes().to_vec();
        let mut trainer = Trainer::new(backend.as_ref(), network.as_ref(), &objective, train, Some(test), config)?;
        if self.resume {
            trainer.resume(&checkpoint)?;
        } else {
            trainer.start_from(&weights)?;
        }
        let (start, mut bar) = (Instant::now(), Bar::new());
        let outcome = trainer.run(&mut bar, stop_flag()?);
        bar.finish();
        let mut outcome = outcome?;
        let seconds = start.elapsed().as_secs_f64();
        preprocess::describe(&mut outcome.model, &preprocess, &Decode::Classify { classes });
        let model = folder.join("model.onnx");
        outcome.model.save(&model)?;
        let curve = folder.join("curve.svg");
        write_learning_curve(&curve, &outcome.history, self.recipe.name())?;
        let (text, value) = self.summary(&outcome, seconds, &folder, &checkpoint);
        output.answer(text, &value);
        Ok(Ending::Fine)
    }

    /// The network for these pictures.
    fn classifier(&self, train: &dyn Dataset) -> Result<Classifier> {
        let classes = train.classes().len();
        if let Recipe::Classifier(model) = self.recipe {
            let recipe = (model.recipe)(train.shape()[2]);
            let preprocess = described(train.shape(), &recipe);
            return Ok(Classifier { network: (model.network)(classes), recipe, preprocess, weights: Store::new() });
        }
        let problem = || Usage("transfer needs --backbone, a classifier as an ONNX file".to_owned());
        let model = load_model(self.backbone.as_deref().ok_or_else(problem)?)?;
        let learns = |name: &str| self.tune.iter().any(|(group, _)| within(name, group));
        let made = Transfer::new(model, train.shape(), classes, &learns)?;
        let (recipe, preprocess, weights) = (made.recipe(), made.preprocess().clone(), made.weights());
        Ok(Classifier { network: Box::new(made), recipe, preprocess, weights })
    }

    fn folder(&self) -> PathBuf {
        self.output_dir.clone().unwrap_or_else(|| PathBuf::from(format!("ocellus-{}", self.recipe.name())))
    }

    fn config(&self, folder: &Path, recipe: TrainerConfig) -> TrainerConfig {
        let schedule = match self.rate {
            Some(peak) => Schedule::OneCycle { peak, rise: 0.25 },
            None => recipe.schedule.clone(),
        };
        TrainerConfig {
            epochs: self.epochs.unwrap_or(recipe.epochs),
            max_steps: self.max_steps,
            batch: self.batch.unwrap_or(recipe.batch),
            seed: self.seed,
            schedule,
            rates: self.tune.clone(),
            eight_bits: self.qat,
            early_stop: self.patience.map(|patience| EarlyStop { patience }),
            checkpoint: Some(folder.join("checkpoint.ocellus")),
            checkpoint_every: self.checkpoint_every,
            events: Some(folder.join("events")),
            ..recipe
        }
    }

    fn summary(&self, outcome: &Outcome, seconds: f64, folder: &Path, checkpoint: &Path) -> (String, Value) {
        let last = outcome.history.evaluation.last();
        let best = outcome.history.evaluation.iter().filter_map(|e| e.accuracy()).fold(f64::NAN, f64::max);
        let accuracy = match outcome.ending {
            RunEnding::EarlyStop => Some(best).filter(|b| !b.is_nan()),
            _ => last.and_then(|e| e.accuracy()),
        };
        let mut text = format!("{} steps in {seconds:.0} s on {}\n", outcome.steps, self.engine.backend);
        if let (None, Some(last)) = (accuracy, last) {
            text += &format!("test loss {:.4}\n", last.loss);
        }
        if let Some(accuracy) = accuracy {
            text += &format!("test accuracy {:.2} % (best {:.2} %)\n", 100.0 * accuracy, 100.0 * best);
        }
        let ending = match outcome.ending {
            RunEnding::Finished => "finished",
            RunEnding::EarlyStop => "early stop",
            RunEnding::Interrupted => "interrupted",
        };
        if outcome.ending == RunEnding::Interrupted {
            text += &format!("interrupted: the same command with --resume goes on from {}\n", checkpoint.display());
        }
        text += &format!("wrote {}: model.onnx, curve.svg, checkpoint.ocellus, events/", folder.display());
        let value = json!({
            "recipe": self.recipe.name(), "ending": ending, "steps": outcome.steps, "seconds": seconds,
            "backend": self.engine.backend, "threads": self.engine.threads(),
            "accuracy": accuracy, "best_accuracy": if best.is_nan() { None } else { Some(best) },
            "loss": last.map(|e| e.loss), "model": folder.join("model.onnx"), "checkpoint": checkpoint,
        });
        (text, value)
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}

/// What a model trained under these settings says of its pictures.
pub fn described(shape: [usize; 3], config: &TrainerConfig) -> Preprocess {
    Preprocess::new(shape, config.normalization.clone())
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the process.
///
/// # Errors
/// The system has no signals to give.
pub fn stop_flag() -> Result<&'static AtomicBool> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nfinishing this step; Ctrl-C again ends at once");
    };
    ctrlc::set_handler(handler).context("Ctrl-C cannot be caught")?;
    Ok(&STOP)
}

/// The first `limit` pictures of a set.
pub fn head(set: Arc<dyn Dataset>, limit: Option<usize>) -> Arc<dyn Dataset> {
    match limit {
        Some(limit) if limit < set.len() => Arc::new(ocellus_trainer::data::Head::new(set, limit)),
        _ => set,
    }
}
