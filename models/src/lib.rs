//! The zoo: one folder per model with its network, its recipe and its card, and sample pictures that ship.
//!
//! A model is a [`Network`] that the trainer builds, with the settings that it was measured with. [`ALL`] is the list,
//! [`find`] looks a name up; a new model is one folder and one line.
//!
//! ```
//! let model = ocellus_models::find("lenet5").expect("is in the zoo");
//! let settings = (model.recipe)(1);
//! assert_eq!((model.name, settings.name.as_str()), ("lenet5", "lenet5"));
//! ```
#![forbid(unsafe_code)]

use ocellus_trainer::{Network, TrainerConfig};

mod blocks;
pub mod captioner;
pub mod detector;
pub mod half;
pub mod import;
pub mod lenet5;
pub mod mobilenet_v2;
pub mod resnet_small;
pub mod samples;
pub mod segmenter;
pub mod shipped;
pub mod stamps;
pub mod transfer;
mod trunk;

pub use trunk::Trunk;

/// A model of the zoo.
#[derive(Clone, Copy)]
pub struct ZooModel {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// The network for this many classes.
    pub network: fn(classes: usize) -> Box<dyn Network>,
    /// The settings that it was measured with, for pictures of this many channels.
    pub recipe: fn(channels: usize) -> TrainerConfig,
    /// What it is for, how it was trained and what was measured, as Markdown.
    pub card: &'static str,
}

/// Every model, the smallest first.
pub const ALL: &[ZooModel] = &[lenet5::MODEL, resnet_small::MODEL, mobilenet_v2::MODEL];

/// The model of this name.
pub fn find(name: &str) -> Option<&'static ZooModel> {
    ALL.iter().find(|m| m.name == name)
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;
    use ocellus_trainer::NetworkBuilder;
    use ocellus_trainer::losses::softmax_cross_entropy;

    use super::*;

    #[test]
    fn every_model_builds_has_a_card_and_a_loss() {
        for model in ALL {
            assert_eq!(find(model.name).map(|m| m.summary), Some(model.summary));
            let recipe = (model.recipe)(3);
            assert_eq!(recipe.name, model.name);
            assert!(recipe.normalization.fits(3));
            assert!(model.card.starts_with(&format!("# {}", model.name)), "{}", model.card);
            let mut net = NetworkBuilder::training(model.name);
            let x = net.input("input", DataType::F32, &[2, 3, 32, 32]);
            let scores = (model.network)(7).build(&mut net, x).unwrap();
            assert_eq!(net.shape(scores).unwrap(), [2, 7]);
            let target = net.input("target", DataType::I64, &[2]);
            let losses = softmax_cross_entropy(&mut net, scores, target, 0.0).unwrap();
            assert_eq!(net.shape(losses).unwrap(), [2]);
        }
    }
}
