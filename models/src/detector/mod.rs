//! One-stage detectors: a backbone of inverted residuals, a feature pyramid, and for every level one tower for the
//! classes and one for the boxes; without anchors (Tian et al. 2019, FCOS; Li et al. 2020, GFL) or with them (Liu et al.
//! 2016, SSD).

use std::sync::Arc;

use ocellus_graph::{DataType, Model, ValueId};
use ocellus_ops::{OpError, Window};
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::data::Augmentation;
use ocellus_trainer::detection::{AnchorGrid, AnchorObjective, DetectionObjective, Grid, Targets};
use ocellus_trainer::optimizers::{AdamW, Clipping};
use ocellus_trainer::{Initializer, Network, NetworkBuilder, Objective, Schedule, TrainerConfig, name_nodes};
use ocellus_vision::metadata::{
    AnchorFreeLevel, AnchoredLevel, Decode, DetectDecode, Head, Placing, Preprocess, Suppression,
};

use crate::blocks::{Stage, activated, doubled, separable};
use crate::trunk::{Trunk, at};

/// Logits of the classes start here: a hundredth of the places show an object.
const PRIOR: f32 = -4.6;

/// What a place of a detector answers with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// Distances to the sides, each a distribution over this many strides.
    Distances(usize),
    /// Anchors (Liu et al. 2016, SSD): of every level their least and greatest side in strides, each in three
    /// proportions.
    Anchors(&'static [f32]),
}

/// Proportions of anchors, width to height.
const PROPORTIONS: [f32; 3] = [0.6, 1.0, 1.7];
/// What a move of an anchor by 1 is worth, in its sides.
const CENTER_VARIANCE: f32 = 0.1;
/// What a scaling of an anchor by 1 is worth, as a logarithm.
const SIZE_VARIANCE: f32 = 0.2;

/// A detector of the zoo.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Rows and columns of the input.
    pub side: usize,
    /// Channels of the first convolution.
    pub stem: usize,
    /// Most numbers of the weights of a trunk that is not its own.
    pub most: usize,
    /// The stages of the backbone.
    pub stages: &'static [Stage],
    /// Pixels between two places of every level; the last stages of the backbone have these strides.
    pub strides: &'static [usize],
    /// Channels of the pyramid and the towers.
    pub width: usize,
    /// Blocks of a tower.
    pub depth: usize,
    /// What a place answers with.
    pub answer: Answer,
    /// What it is for, how it was trained and what was measured, as Markdown.
    pub card: &'static str,
}

/// For boards: at most a million parameters.
pub const BOARD: Detector = Detector {
    name: "detector_board",
    summary: "detector without anchors for boards, 256 x 256 pixels",
    side: 256,
    stem: 16,
    most: 720_000,
    stages: &[
        Stage { expansion: 1, channels: 16, blocks: 1, stride: 1 },
        Stage { expansion: 4, channels: 24, blocks: 2, stride: 2 },
        Stage { expansion: 4, channels: 40, blocks: 3, stride: 2 },
        Stage { expansion: 4, channels: 80, blocks: 3, stride: 2 },
        Stage { expansion: 4, channels: 128, blocks: 2, stride: 2 },
    ],
    strides: &[8, 16, 32],
    width: 80,
    depth: 1,
    answer: Answer::Distances(8),
    card: include_str!("board.md"),
};

/// For microcontrollers: at most 150,000 parameters.
pub const MICRO: Detector = Detector {
    name: "detector_micro",
    summary: "detector without anchors for microcontrollers, 128 x 128 pixels",
    side: 128,
    stem: 8,
    most: 90_000,
    stages: &[
        Stage { expansion: 1, channels: 8, blocks: 1, stride: 1 },
        Stage { expansion: 3, channels: 16, blocks: 2, stride: 2 },
        Stage { expansion: 3, channels: 32, blocks: 2, stride: 2 },
        Stage { expansion: 3, channels: 56, blocks: 3, stride: 2 },
    ],
    strides: &[8, 16],
    width: 40,
    depth: 1,
    answer: Answer::Distances(8),
    card: include_str!("micro.md"),
};

/// With anchors, on the backbone of [`BOARD`].
pub const SSD: Detector = Detector {
    name: "ssd_board",
    summary: "detector with anchors for boards, 256 x 256 pixels",
    answer: Answer::Anchors(&[3.0, 5.0]),
    card: include_str!("ssd.md"),
    ..BOARD
};

/// Every detector, the smallest first.
pub const ALL: &[Detector] = &[MICRO, BOARD, SSD];

/// The maps of a level.
struct Maps {
    stride: usize,
    scores: ValueId,
    boxes: ValueId,
}

/// A detector for a number of classes, as the trainer builds it.
#[derive(Clone)]
pub struct DetectorNetwork {
    /// The detector.
    pub detector: Detector,
    /// Number of classes.
    pub classes: usize,
    /// What it looks with.
    pub trunk: Trunk,
}

impl Network for DetectorNetwork {
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let mut levels = Vec::new();
        for maps in self.maps(net, x)? {
            let boxes = by_place(net, maps.boxes, self.detector.anchors_per_place())?;
            let scores = by_place(net, maps.scores, self.detector.anchors_per_place())?;
            levels.push(net.concat(&[boxes, scores], 1)?);
        }
        if levels.len() == 1 { Ok(levels[0]) } else { net.concat(&levels, 2) }
    }
}

impl DetectorNetwork {
    fn maps(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<Vec<Maps>, OpError> {
        let Detector { strides, width, depth, .. } = self.detector;
        let (score_channels, box_channels, prior) = self.detector.channels(self.classes);
        let features = self.trunk.maps(net, x, self.detector.stem, self.detector.stages)?;
        let mut pyramid: Vec<(usize, ValueId)> = Vec::new();
        for &stride in strides.iter().rev() {
            let feature = at(&features, stride)?;
            let lateral = activated(net, &format!("lateral{stride}"), feature, width, Window::square(1, 1, 0))?;
            let merged = match pyramid.last() {
                Some(&(_, above)) => {
                    let above = doubled(net, above)?;
                    net.add(lateral, above)?
                }
                None => lateral,
            };
            pyramid.push((stride, separable(net, &format!("merge{stride}"), merged, width)?));
        }
        let mut levels = Vec::new();
        for &(stride, feature) in pyramid.iter().rev() {
            let (mut scores, mut boxes) = (feature, feature);
            for block in 1..=depth {
                scores = separable(net, &format!("classes{stride}.block{block}"), scores, width)?;
                boxes = separable(net, &format!("boxes{stride}.block{block}"), boxes, width)?;
            }
            let scores = output(net, &format!("classes{stride}.out"), scores, score_channels, prior)?;
            let boxes = output(net, &format!("boxes{stride}.out"), boxes, box_channels, 0.0)?;
            levels.push(Maps { stride, scores, boxes });
        }
        Ok(levels)
    }
}

/// `[N, anchors * numbers, H, W]` as `[N, numbers, anchors * H * W]`.
fn by_place(net: &mut NetworkBuilder, x: ValueId, anchors: usize) -> Result<ValueId, OpError> {
    let [batch, channels, height, width] = net.shape(x)?[..] else {
        return Err(OpError::graph("detector", "a map has four axes".to_owned()));
    };
    let (numbers, places) = ((channels / anchors) as i64, (height * width) as i64);
    if anchors == 1 {
        return net.reshape(x, &[batch as i64, numbers, places]);
    }
    let x = net.reshape(x, &[batch as i64, anchors as i64, numbers, places])?;
    let x = net.transpose(x, &[0, 2, 1, 3])?;
    net.reshape(x, &[batch as i64, numbers, anchors as i64 * places])
}

/// A convolution of 1 x 1 whose bias starts at `bias`.
fn output(net: &mut NetworkBuilder, name: &str, x: ValueId, channels: usize, bias: f32) -> Result<ValueId, OpError> {
    let inputs = net.shape(x)?[1];
    let (fans, start) = ((inputs, channels), Initializer::Normal(0.0, 0.01));
    let weight = net.parameter(&format!("{name}.weight"), &[channels, inputs, 1, 1], start, fans, true)?;
    let bias = net.parameter(&format!("{name}.bias"), &[channels], Initializer::Constant(bias), fans, false)?;
    let weight = net.rounded_weights(weight)?;
    net.conv(x, weight, Some(bias), &Window::square(1, 1, 0))
}

impl Detector {
    /// The detector of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|d| d.name == name)
    }

    /// The network for a number of classes.
    pub fn network(&self, classes: usize, trunk: &Trunk) -> DetectorNetwork {
        DetectorNetwork { detector: *self, classes, trunk: trunk.clone() }
    }

    fn anchors_per_place(&self) -> usize {
        match self.answer {
            Answer::Distances(_) => 1,
            Answer::Anchors(sides) => sides.len() * PROPORTIONS.len(),
        }
    }

    /// Channels of scores and boxes, and what the bias of the scores starts with.
    fn channels(&self, classes: usize) -> (usize, usize, f32) {
        match self.answer {
            Answer::Distances(bins) => (classes, 4 * bins, PRIOR),
            Answer::Anchors(_) => (self.anchors_per_place() * (classes + 1), self.anchors_per_place() * 4, 0.0),
        }
    }

    /// Its places.
    fn grid(&self) -> Grid {
        Grid::new(self.side, self.side, self.strides)
    }

    /// Widths and heights of the anchors of a level, in pixels.
    fn anchors(stride: usize, sides: &[f32]) -> Vec<[f32; 2]> {
        let of = |side: f32| PROPORTIONS.map(|p| [side * p.sqrt(), side / p.sqrt()]);
        sides.iter().flat_map(|&side| of(side * stride as f32)).collect()
    }

    fn anchor_grid(&self, sides: &[f32]) -> AnchorGrid {
        let grid = self.grid();
        let level = |(s, h, w)| (s, h, w, Self::anchors(s, sides));
        let levels = grid.levels.into_iter().map(level).collect();
        AnchorGrid { levels, center_variance: CENTER_VARIANCE, size_variance: SIZE_VARIANCE }
    }

    /// What it is to answer.
    pub fn targets(&self) -> Box<dyn Targets> {
        match self.answer {
            Answer::Distances(_) => Box::new(self.grid()),
            Answer::Anchors(sides) => Box::new(self.anchor_grid(sides)),
        }
    }

    /// Its loss.
    pub fn objective(&self, classes: usize) -> Box<dyn Objective> {
        match self.answer {
            Answer::Distances(bins) => Box::new(DetectionObjective { classes, bins, cells: self.grid().cells() }),
            Answer::Anchors(sides) => Box::new(AnchorObjective { classes, anchors: self.anchor_grid(sides).count() }),
        }
    }

    /// How its pictures are prepared.
    pub fn preprocess(&self, trunk: &Trunk) -> Preprocess {
        let normalization = trunk.normalization();
        Preprocess { fit: Placing::Letterbox, fill: 128, ..Preprocess::new([self.side, self.side, 3], normalization) }
    }

    /// How its outputs are read.
    pub fn decode(&self, classes: Vec<String>) -> Decode {
        let names = |stride: usize| (format!("classes{stride}"), format!("boxes{stride}"));
        let head = match self.answer {
            Answer::Distances(bins) => {
                let level = |&stride: &usize| {
                    let (scores, boxes) = names(stride);
                    AnchorFreeLevel { stride, scores, boxes }
                };
                Head::AnchorFree { bins, levels: self.strides.iter().map(level).collect() }
            }
            Answer::Anchors(sides) => {
                let level = |&stride: &usize| {
                    let (scores, boxes) = names(stride);
                    AnchoredLevel { stride, scores, boxes, anchors: Self::anchors(stride, sides) }
                };
                let levels = self.strides.iter().map(level).collect();
                Head::Anchors { center_variance: CENTER_VARIANCE, size_variance: SIZE_VARIANCE, levels }
            }
        };
        let suppression = Suppression::Hard { iou: 0.6 };
        Decode::Detect(DetectDecode { classes, head, score: 0.3, suppression })
    }

    /// The inference graph of one picture with its metadata: an output for the classes and one for the boxes of every
    /// level, each with a scale of its own.
    ///
    /// # Errors
    /// Weights that are missing or have other sizes.
    pub fn export(&self, store: &Store, classes: Vec<String>, trunk: &Trunk) -> Result<Model, OpError> {
        let mut net = NetworkBuilder::inference(self.name, store);
        let x = net.input("input", DataType::F32, &[1, 3, self.side, self.side]);
        for maps in self.network(classes.len(), trunk).maps(&mut net, x)? {
            net.output(maps.scores, &format!("classes{}", maps.stride));
            net.output(maps.boxes, &format!("boxes{}", maps.stride));
        }
        let mut model = net.finish();
        name_nodes(&mut model.graph);
        self.preprocess(trunk).describe(&mut model.metadata);
        self.decode(classes).describe(&mut model.metadata);
        Ok(model)
    }

    /// The settings that it is trained with.
    pub fn recipe(&self) -> TrainerConfig {
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
    use super::*;

    /// All tensors that the network asks for.
    fn store(detector: &Detector, classes: usize) -> (usize, Store) {
        let mut net = NetworkBuilder::training("net");
        let x = net.input("input", DataType::F32, &[2, 3, detector.side, detector.side]);
        let y = detector.network(classes, &Trunk::default()).build(&mut net, x).unwrap();
        let target = detector.objective(classes);
        assert_eq!(target.target(2).1[1..], detector.targets().shape(classes));
        assert_eq!(net.shape(y).unwrap()[2], detector.targets().shape(classes)[1]);
        let (dtype, shape) = target.target(2);
        let t = net.input("target", dtype, &shape);
        let losses = target.losses(&mut net, y, t).unwrap();
        assert_eq!(net.shape(losses).unwrap(), [2]);
        let graph = net.graph();
        let values = graph.inputs.iter().map(|&v| graph.value(v)).filter(|v| v.name.contains('.'));
        let mut count = 0;
        let tensor = |v: &ocellus_graph::Value| {
            let shape = v.shape.as_ref().and_then(|s| s.known()).unwrap();
            if !v.name.ends_with(".mean") && !v.name.ends_with(".variance") {
                count += shape.iter().product::<usize>();
            }
            (v.name.clone(), ocellus_graph::Tensor::full(DataType::F32, &shape, 0.1))
        };
        let store = values.map(tensor).collect();
        (count, store)
    }

    #[test]
    fn sizes_and_outputs() {
        for (detector, most) in [(&BOARD, 1_000_000), (&MICRO, 150_000), (&SSD, 1_000_000)] {
            let (count, store) = store(detector, 14);
            assert!(count <= most, "{} has {count} parameters", detector.name);
            let classes: Vec<String> = (0..14).map(|c| c.to_string()).collect();
            let model = detector.export(&store, classes, &Trunk::default()).unwrap();
            assert_eq!(model.graph.outputs.len(), 2 * detector.strides.len());
            assert_eq!(Decode::of(&model.metadata).unwrap().unwrap().kind(), "detect");
            assert!(detector.card.starts_with(&format!("# {}", detector.name)));
        }
    }
}
