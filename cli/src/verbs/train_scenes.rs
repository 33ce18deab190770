//! `ocellus train` for detectors, segmenters and captioners.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use ocellus_graph::Model;
use ocellus_models::Trunk;
use ocellus_models::captioner::{self, Captioner};
use ocellus_models::detector::Detector;
use ocellus_models::segmenter::{self, Segmenter};
use ocellus_trainer::captioning::{CaptionBatches, Lexicon};
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::curve::write_learning_curve;
use ocellus_trainer::data::{Augmentation, BatchSource, Loader, SceneChange, Scenes};
use ocellus_trainer::detection::DetectionBatches;
use ocellus_trainer::segmentation::SegmentationBatches;
use ocellus_trainer::{Network, Objective, Outcome, Trainer, TrainerConfig, within};
use ocellus_vision::metadata::Preprocess;

use crate::model_file::load_model;
use crate::progress::Bar;
use crate::scenes::{ScenePart, SceneSource};
use crate::verbs::train::stop_flag;

/// Made scenes that the loss is measured on after every epoch.
const TEST: usize = 200;
/// Scenes whose sentences the words are taken from.
const READ: usize = 1000;
/// Most words of a captioner.
const WORDS: usize = 512;

/// A recipe that learns from scenes.
#[derive(Clone, Copy, Debug)]
pub enum SceneRecipe {
    /// Boxes.
    Detector(&'static Detector),
    /// Masks.
    Segmenter(&'static Segmenter),
    /// Sentences.
    Captioner(&'static Captioner),
}

/// What a recipe needs, once the data are known.
struct Task {
    network: Box<dyn Network>,
    objective: Box<dyn Objective>,
    preprocess: Preprocess,
    batches: Box<dyn Fn(Arc<dyn Scenes>) -> Box<dyn BatchSource>>,
    /// The models that come of it, with the names of their files.
    export: Box<dyn Fn(&Store) -> Result<Vec<(&'static str, Model)>>>,
}

impl SceneRecipe {
    /// Every recipe.
    pub fn all() -> impl Iterator<Item = Self> {
        let detectors = ocellus_models::detector::ALL.iter().map(Self::Detector);
        let segmenters = segmenter::ALL.iter().map(Self::Segmenter);
        detectors.chain(segmenters).chain(captioner::ALL.iter().map(Self::Captioner))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Detector(detector) => detector.name,
            Self::Segmenter(segmenter) => segmenter.name,
            Self::Captioner(captioner) => captioner.name,
        }
    }

    /// The settings that it is trained with.
    pub fn recipe(self) -> TrainerConfig {
        match self {
            Self::Detector(detector) => detector.recipe(),
            Self::Segmenter(segmenter) => segmenter.recipe(),
            Self::Captioner(captioner) => captioner.recipe(),
        }
    }

    /// Rows and columns of its input, which made scenes have too, and the most numbers of a trunk's weights.
    fn sizes(self) -> (usize, Option<usize>) {
        match self {
            Self::Detector(detector) => (detector.side, Some(detector.most)),
            Self::Segmenter(_) => (segmenter::SIDE, Some(segmenter::MOST)),
            Self::Captioner(_) => (captioner::SIDE, Some(captioner::MOST)),
        }
    }

    fn task(self, scenes: &dyn Scenes, made: bool, config: &TrainerConfig, trunk: Trunk) -> Result<Task> {
        let colors = config.augmentations.clone();
        let moves =
            [SceneChange::Mosaic { probability: 0.2 }, SceneChange::HorizontalFlip, SceneChange::Crop { least: 0.7 }];
        // Made scenes have everything at random places already.
        let changes = moves.into_iter().filter(|_| !made);
        let changes = changes.chain(colors.iter().cloned().map(SceneChange::Picture)).collect();
        match self {
            Self::Detector(detector) => Ok(boxes(detector, scenes.classes().to_vec(), changes, config.seed, trunk)),
            Self::Segmenter(segmenter) => Ok(masks(segmenter, scenes.classes(), changes, config.seed, trunk)),
            Self::Captioner(captioner) => Ok(sentences(captioner, lexicon(scenes)?, colors, config.seed, trunk)),
        }
    }
}

fn boxes(
    detector: &'static Detector,
    classes: Vec<String>,
    changes: Vec<SceneChange>,
    seed: u64,
    trunk: Trunk,
) -> Task {
    let preprocess = detector.preprocess(&trunk);
    Task {
        network: Box::new(detector.network(classes.len(), &trunk)),
        objective: detector.objective(classes.len()),
        preprocess: preprocess.clone(),
        batches: Box::new(move |scenes| {
            let (preprocess, targets, changes) = (preprocess.clone(), detector.targets(), changes.clone());
            Box::new(DetectionBatches { scenes, preprocess, targets, changes, seed })
        }),
        export: Box::new(move |store| Ok(vec![("model.onnx", detector.export(store, classes.clone(), &trunk)?)])),
    }
}

/// A segmenter knows the ground too.
fn masks(
    segmenter: &'static Segmenter,
    classes: &[String],
    changes: Vec<SceneChange>,
    seed: u64,
    trunk: Trunk,
) -> Task {
    let classes: Vec<String> = ["ground".to_owned()].into_iter().chain(classes.to_vec()).collect();
    let (objective, preprocess) = (segmenter::objective(classes.len()), segmenter::preprocess(&trunk));
    Task {
        network: Box::new(segmenter.network(classes.len(), &trunk)),
        objective: Box::new(objective),
        preprocess: preprocess.clone(),
        batches: Box::new(move |scenes| {
            let (preprocess, changes) = (preprocess.clone(), changes.clone());
            Box::new(SegmentationBatches { scenes, preprocess, objective, changes, seed })
        }),
        export: Box::new(move |store| Ok(vec![("model.onnx", segmenter.export(store, classes.clone(), &trunk)?)])),
    }
}

fn sentences(
    captioner: &'static Captioner,
    lexicon: Lexicon,
    colors: Vec<Augmentation>,
    seed: u64,
    trunk: Trunk,
) -> Task {
    let (words, preprocess) = (lexicon.words().len(), captioner::preprocess(&trunk));
    let (objective, own) = (captioner::objective(words), lexicon.clone());
    Task {
        network: Box::new(captioner.network(words, &trunk)),
        objective: Box::new(objective),
        preprocess: preprocess.clone(),
        batches: Box::new(move |scenes| {
            let (preprocess, lexicon, colors) = (preprocess.clone(), lexicon.clone(), colors.clone());
            Box::new(CaptionBatches { scenes, preprocess, lexicon, objective, colors, seed })
        }),
        export: Box::new(move |store| {
            let [encoder, step] = captioner.export(store, &own, &trunk)?;
            Ok(vec![("model.onnx", encoder), ("step.onnx", step)])
        }),
    }
}

/// The layers of the classifier, or none.
fn trunk(recipe: SceneRecipe, from: &Start<'_>) -> Result<Trunk> {
    let Some(path) = from.backbone else { return Ok(Trunk::default()) };
    let (side, most) = recipe.sizes();
    let learns = |name: &str| from.tuned.iter().any(|group| within(name, group));
    Ok(Trunk::of(load_model(path)?, side, most, &learns)?)
}

/// The words of the first scenes.
fn lexicon(scenes: &dyn Scenes) -> Result<Lexicon> {
    let mut sentences = Vec::new();
    for index in 0..scenes.len().min(READ) {
        sentences.extend(scenes.get(index)?.captions);
    }
    Ok(Lexicon::of(sentences.iter().map(String::as_str), 2, WORDS))
}

/// What a run starts from.
pub struct Start<'a> {
    /// Made scenes that it learns from; every epoch sees all of them.
    pub scenes: usize,
    /// The classifier that its trunk is taken from.
    pub backbone: Option<&'a Path>,
    /// Layers of the trunk that learn.
    pub tuned: &'a [String],
    /// Whether it goes on from the checkpoint.
    pub resume: bool,
}

/// Trains; writes model and curve into `folder`. Returns what the run left and its seconds.
///
/// # Errors
/// Data or settings that cannot be used, a loss that is no number, or files that cannot be written.
pub fn run(
    recipe: SceneRecipe,
    data: &SceneSource,
    backend: &dyn ocellus_backend::Backend,
    config: TrainerConfig,
    folder: &Path,
    from: &Start<'_>,
) -> Result<(Outcome, f64)> {
    let train = data.open_at(ScenePart::Train, recipe.sizes().0, from.scenes, config.seed)?;
    let test = data.open(ScenePart::Known, TEST, config.seed)?;
    let trunk = trunk(recipe, from)?;
    let learnt = trunk.weights();
    let task = recipe.task(train.as_ref(), *data == SceneSource::Stamps, &config, trunk)?;
    let config = TrainerConfig { normalization: task.preprocess.normalization.clone(), ..config };
    let shape = [task.preprocess.height, task.preprocess.width, task.preprocess.channels];
    let (seed, workers) = (config.seed, config.workers);
    let train = Loader::of((task.batches)(train), config.batch, true, seed, workers)?;
    let test = Loader::of((task.batches)(test), config.evaluation_batch, false, seed, workers)?;
    let checkpoint = config.checkpoint.clone().unwrap_or_default();
    let (network, objective) = (task.network.as_ref(), task.objective.as_ref());
    let mut trainer = Trainer::with_loaders(backend, network, objective, train, Some(test), shape, config)?;
    if from.resume {
        trainer.resume(&checkpoint)?;
    } else {
        trainer.start_from(&learnt)?;
    }
    let (start, mut bar) = (Instant::now(), Bar::new());
    let outcome = trainer.run(&mut bar, stop_flag()?);
    bar.finish();
    let outcome = outcome?;
    for (name, model) in (task.export)(&outcome.store)? {
        let path = folder.join(name);
        model.save(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    write_learning_curve(&folder.join("curve.svg"), &outcome.history, recipe.name())?;
    Ok((outcome, start.elapsed().as_secs_f64()))
}
