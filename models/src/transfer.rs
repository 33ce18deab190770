//! A classifier on the features of another: its layers stay as they are, or learn slowly, and one fully connected layer
//! learns anew.

use std::sync::Arc;

use ocellus_graph::{Model, ValueId};
use ocellus_ops::OpError;
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::data::Augmentation;
use ocellus_trainer::optimizers::AdamW;
use ocellus_trainer::{Backbone, Network, NetworkBuilder, Schedule, TrainError, TrainerConfig};
use ocellus_vision::metadata::Preprocess;

/// Its name on the command line.
pub const NAME: &str = "transfer";
/// What it is, in one line.
pub const SUMMARY: &str = "a linear classifier on the features of any ONNX classifier";

/// The network: pictures `[N, 3, H, W]` to scores `[N, classes]`.
pub struct Transfer {
    classes: usize,
    backbone: Backbone,
    preprocess: Preprocess,
}

impl Transfer {
    /// On a model that was trained, for pictures `[height, width, channels]`; `learns` chooses among its weights by name.
    ///
    /// # Errors
    /// A model that is no classifier of such pictures, or does not say how they are prepared.
    pub fn new(
        model: Model,
        [height, width, channels]: [usize; 3],
        classes: usize,
        learns: &dyn Fn(&str) -> bool,
    ) -> Result<Self, TrainError> {
        let refused = |problem: &str| TrainError::Setting(format!("model {:?} {problem}", model.graph.name));
        let described = Preprocess::of(&model.metadata).map_err(|e| refused(&e.to_string()))?;
        let described = described.ok_or_else(|| refused("does not say how its pictures are prepared"))?;
        if described.channels != channels {
            return Err(refused("takes pictures of other channels"));
        }
        let backbone = Backbone::before_scores(model, [channels, height, width], learns)?;
        let preprocess = Preprocess { height, width, ..described };
        Ok(Self { classes, backbone, preprocess })
    }

    /// How its pictures are prepared.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The values of what learns of the given model, to start from.
    pub fn weights(&self) -> Store {
        self.backbone.weights()
    }

    /// The settings that it is trained with.
    pub fn recipe(&self) -> TrainerConfig {
        let schedule = Schedule::OneCycle { peak: 0.003, rise: 0.2 };
        let optimizer = AdamW { weight_decay: 0.02, ..AdamW::default() };
        TrainerConfig {
            epochs: 5,
            batch: 32,
            workers: 2,
            augmentations: vec![Augmentation::HorizontalFlip],
            ..TrainerConfig::new(NAME, Arc::new(optimizer), schedule, self.preprocess.normalization.clone())
        }
    }
}

impl Network for Transfer {
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let features = self.backbone.vector(net, x)?;
        net.dense_layer("scores", features, self.classes)
    }
}
