//! Light networks for a class of every pixel, in the manner of U-Net (Ronneberger et al. 2015) and of fully convolutional
//! networks with skip connections (Long et al. 2015): what the backbone saw at every size is used again on the way up.

use std::sync::Arc;

use ocellus_graph::{DataType, Model, ValueId};
use ocellus_ops::{OpError, Window};
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::data::Augmentation;
use ocellus_trainer::optimizers::{AdamW, Clipping};
use ocellus_trainer::segmentation::SegmentationObjective;
use ocellus_trainer::{ConvLayer, Feature, Initializer, Network, NetworkBuilder, Schedule, TrainerConfig, name_nodes};
use ocellus_vision::metadata::{Decode, Preprocess, SegmentDecode};

use crate::blocks::{Stage, activated, doubled, separable};
use crate::trunk::{Trunk, at};

/// Channels of the first convolution.
const STEM: usize = 16;
/// The stages: strides 2, 4, 8, 16 and 16.
const STAGES: [Stage; 5] = [
    Stage { expansion: 1, channels: 16, blocks: 1, stride: 1 },
    Stage { expansion: 4, channels: 24, blocks: 2, stride: 2 },
    Stage { expansion: 4, channels: 40, blocks: 3, stride: 2 },
    Stage { expansion: 4, channels: 80, blocks: 3, stride: 2 },
    Stage { expansion: 4, channels: 112, blocks: 2, stride: 1 },
];
/// Channels on the way up: at strides 16, 8 and 4.
const WIDTHS: [usize; 3] = [96, 64, 48];
/// The largest maps whose scores are added have this stride.
const LAST_SKIP: usize = 8;
/// Most numbers of the weights of a trunk that is not its own.
pub const MOST: usize = 1_400_000;
/// Rows and columns of the input.
pub const SIDE: usize = 192;
/// Pixels between two places of the answer.
pub const STRIDE: usize = 4;

/// A segmenter of the zoo.
#[derive(Clone, Copy, Debug)]
pub struct Segmenter {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// How it comes back to large maps.
    pub ascent: Ascent,
    /// What it is for, how it was trained and what was measured, as Markdown.
    pub card: &'static str,
}

/// How a network comes back from small maps to large ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ascent {
    /// Maps are enlarged, joined with what was seen at that size, and mixed (Ronneberger et al. 2015, U-Net).
    Joined,
    /// Scores are enlarged by transposed convolutions, which begin as bilinear interpolation, and scores of what was seen
    /// at that size are added, down to a stride of 8 (Long et al. 2015, FCN-8s).
    Summed,
}

/// A light U-Net.
pub const LIGHT: Segmenter = Segmenter {
    name: "segmenter",
    summary: "class of every pixel: light U-Net, 192 x 192 pixels",
    ascent: Ascent::Joined,
    card: include_str!("card.md"),
};

/// Fully convolutional with skip connections.
pub const FCN: Segmenter = Segmenter {
    name: "segmenter_fcn",
    summary: "class of every pixel: FCN with skip connections, 192 x 192 pixels",
    ascent: Ascent::Summed,
    card: include_str!("fcn.md"),
};

/// Every segmenter.
pub const ALL: &[Segmenter] = &[LIGHT, FCN];

/// The network: pictures `[N, 3, H, W]` to scores `[N, classes, H / 4, W / 4]`; class 0 is the ground.
#[derive(Clone)]
pub struct SegmenterNetwork {
    /// The segmenter.
    pub segmenter: Segmenter,
    /// Number of classes, the ground among them.
    pub classes: usize,
    /// What it looks with.
    pub trunk: Trunk,
}

impl Network for SegmenterNetwork {
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let maps = self.trunk.maps(net, x, STEM, &STAGES)?;
        let Some(deepest) = maps.last() else {
            return Err(OpError::graph(self.segmenter.name, "the trunk has no map".to_owned()));
        };
        let stride = deepest.stride;
        let x = activated(net, "deep", deepest.value, WIDTHS[0], Window::square(1, 1, 0))?;
        match self.segmenter.ascent {
            Ascent::Joined => self.joined(net, x, stride, &maps),
            Ascent::Summed => self.summed(net, x, stride, &maps),
        }
    }
}

impl SegmenterNetwork {
    fn joined(
        &self,
        net: &mut NetworkBuilder,
        mut x: ValueId,
        mut stride: usize,
        maps: &[Feature],
    ) -> Result<ValueId, OpError> {
        for channels in WIDTHS.into_iter().skip(if stride > 16 { 0 } else { 1 }) {
            stride /= 2;
            x = joined(net, &format!("up{stride}"), x, at(maps, stride)?, channels)?;
        }
        self.scores(net, "scores", x)
    }

    fn summed(
        &self,
        net: &mut NetworkBuilder,
        x: ValueId,
        mut stride: usize,
        maps: &[Feature],
    ) -> Result<ValueId, OpError> {
        let mut scores = self.scores(net, &format!("scores{stride}"), x)?;
        let twice = ConvLayer::new(self.classes, Window::square(4, 2, 1)).started_by(Initializer::Bilinear);
        while stride > STRIDE {
            stride /= 2;
            scores = net.conv_transpose_layer(&format!("up{stride}"), scores, &twice)?;
            if stride >= LAST_SKIP {
                let skip = self.scores(net, &format!("scores{stride}"), at(maps, stride)?)?;
                scores = net.add(scores, skip)?;
            }
        }
        Ok(scores)
    }

    fn scores(&self, net: &mut NetworkBuilder, name: &str, x: ValueId) -> Result<ValueId, OpError> {
        net.conv_layer(name, x, &ConvLayer::new(self.classes, Window::square(1, 1, 0)))
    }
}

/// Twice the size, beside what the backbone saw at that size, and mixed.
fn joined(
    net: &mut NetworkBuilder,
    name: &str,
    x: ValueId,
    skip: ValueId,
    channels: usize,
) -> Result<ValueId, OpError> {
    let up = doubled(net, x)?;
    let both = net.concat(&[up, skip], 1)?;
    let x = activated(net, &format!("{name}.join"), both, channels, Window::square(1, 1, 0))?;
    separable(net, &format!("{name}.mix"), x, channels)
}

/// Its loss; `classes` counts the ground.
pub fn objective(classes: usize) -> SegmentationObjective {
    SegmentationObjective { classes, height: SIDE / STRIDE, width: SIDE / STRIDE }
}

/// How its pictures are prepared.
pub fn preprocess(trunk: &Trunk) -> Preprocess {
    Preprocess::new([SIDE, SIDE, 3], trunk.normalization())
}

impl Segmenter {
    /// The network for `classes`, the ground among them.
    pub fn network(self, classes: usize, trunk: &Trunk) -> SegmenterNetwork {
        SegmenterNetwork { segmenter: self, classes, trunk: trunk.clone() }
    }

    /// The inference graph of one picture with its metadata; `classes` begin with the ground.
    ///
    /// # Errors
    /// Weights that are missing or have other sizes.
    pub fn export(self, store: &Store, classes: Vec<String>, trunk: &Trunk) -> Result<Model, OpError> {
        let mut net = NetworkBuilder::inference(self.name, store);
        let x = net.input("input", DataType::F32, &[1, 3, SIDE, SIDE]);
        let y = self.network(classes.len(), trunk).build(&mut net, x)?;
        net.output(y, "scores");
        let mut model = net.finish();
        name_nodes(&mut model.graph);
        preprocess(trunk).describe(&mut model.metadata);
        Decode::Segment(SegmentDecode { classes, output: "scores".to_owned() }).describe(&mut model.metadata);
        Ok(model)
    }

    /// The settings that it is trained with.
    pub fn recipe(self) -> TrainerConfig {
        let schedule = Schedule::OneCycle { peak: 0.003, rise: 0.1 };
        let optimizer = AdamW { weight_decay: 0.02, ..AdamW::default() };
        TrainerConfig {
            epochs: 20,
            batch: 16,
            evaluation_batch: 16,
            workers: 2,
            clipping: Some(Clipping::GlobalNorm(10.0)),
            augmentations: vec![Augmentation::ColorJitter { brightness: 0.2, contrast: 0.2, saturation: 0.2 }],
            ..TrainerConfig::new(self.name, Arc::new(optimizer), schedule, Trunk::default().normalization())
        }
    }
}

#[cfg(test)]
mod tests {
    use ocellus_trainer::Objective;

    use super::*;

    #[test]
    fn the_answer_has_a_quarter_of_the_size() {
        for segmenter in ALL {
            let mut net = NetworkBuilder::training("net");
            let x = net.input("input", DataType::F32, &[2, 3, SIDE, SIDE]);
            let y = segmenter.network(15, &Trunk::default()).build(&mut net, x).unwrap();
            assert_eq!(net.shape(y).unwrap(), [2, 15, SIDE / 4, SIDE / 4]);
            let (dtype, shape) = objective(15).target(2);
            let t = net.input("target", dtype, &shape);
            let losses = objective(15).losses(&mut net, y, t).unwrap();
            assert_eq!(net.shape(losses).unwrap(), [2]);
            assert!(segmenter.card.starts_with(&format!("# {}\n", segmenter.name)));
        }
    }
}
