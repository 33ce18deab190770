//! What a network for scenes looks with: stages of its own, or the layers of a trained classifier.

use std::sync::Arc;

use ocellus_graph::{Model, ValueId};
use ocellus_ops::OpError;
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::data::Normalization;
use ocellus_trainer::{Backbone, Feature, NetworkBuilder, TrainError};
use ocellus_vision::metadata::Preprocess;

use crate::blocks::{Stage, backbone};

/// The beginning of a network for scenes.
#[derive(Clone, Default)]
pub struct Trunk(Option<Arc<Given>>);

struct Given {
    backbone: Backbone,
    normalization: Normalization,
}

impl Trunk {
    /// The layers of a classifier, for square pictures of `side`; with `most`, only as many as have so many numbers.
    /// `learns` chooses among the weights by name; the others stay as they are.
    ///
    /// # Errors
    /// A model that is no backbone, or does not say how its pictures are prepared.
    pub fn of(
        model: Model,
        side: usize,
        most: Option<usize>,
        learns: &dyn Fn(&str) -> bool,
    ) -> Result<Self, TrainError> {
        let refused = |problem: &str| TrainError::Setting(format!("model {:?} {problem}", model.graph.name));
        let described = Preprocess::of(&model.metadata).map_err(|e| refused(&e.to_string()))?;
        let described = described.ok_or_else(|| refused("does not say how its pictures are prepared"))?;
        if described.channels != 3 {
            return Err(refused("looks at grey pictures"));
        }
        let normalization = described.normalization;
        let backbone = Backbone::new(model, [3, side, side], most, learns)?;
        Ok(Self(Some(Arc::new(Given { backbone, normalization }))))
    }

    /// The values of what learns, to start from.
    pub fn weights(&self) -> Store {
        self.0.as_ref().map_or_else(Store::new, |given| given.backbone.weights())
    }

    /// From bytes to the numbers that it takes.
    pub fn normalization(&self) -> Normalization {
        self.0.as_ref().map_or_else(|| Normalization::uniform(3, 0.5, 0.25), |given| given.normalization.clone())
    }

    /// The last map of every stride, from the largest map on. `stem` and `stages` are the network's own.
    pub(crate) fn maps(
        &self,
        net: &mut NetworkBuilder,
        x: ValueId,
        stem: usize,
        stages: &[Stage],
    ) -> Result<Vec<Feature>, OpError> {
        if let Some(given) = &self.0 {
            return given.backbone.features(net, x);
        }
        let rows = net.shape(x)?[2];
        let mut maps: Vec<Feature> = Vec::new();
        for value in backbone(net, x, stem, stages)? {
            let stride = rows / net.shape(value)?[2].max(1);
            maps.retain(|known| known.stride != stride);
            maps.push(Feature { stride, value });
        }
        Ok(maps)
    }
}

/// The map of a stride.
///
/// # Errors
/// A trunk without it.
pub(crate) fn at(maps: &[Feature], stride: usize) -> Result<ValueId, OpError> {
    let found = maps.iter().find(|map| map.stride == stride).map(|map| map.value);
    found.ok_or_else(|| {
        let strides: Vec<String> = maps.iter().map(|map| map.stride.to_string()).collect();
        let problem = format!("needs a map of stride {stride}; the trunk has strides {}", strides.join(", "));
        OpError::graph("network", problem)
    })
}
