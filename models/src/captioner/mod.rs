//! A picture's sentence: a backbone of inverted residuals and an LSTM that writes word by word, without (Vinyals et al.
//! 2015, Show and Tell) or with soft attention (Xu et al. 2015, Show, Attend and Tell).
//!
//! Trained as one graph with the true words before each answer; run as two: the encoder sees the picture once, the step
//! reads one word in every beam.

mod decoder;

use std::sync::Arc;

use ocellus_graph::{DataType, Model, ValueId};
use ocellus_ops::{OpError, Window};
use ocellus_trainer::captioning::{CaptionObjective, END, Lexicon, TOKENS};
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::data::Augmentation;
use ocellus_trainer::optimizers::{AdamW, Clipping};
use ocellus_trainer::{Network, NetworkBuilder, Schedule, TrainerConfig, name_nodes};
use ocellus_vision::metadata::{CaptionDecode, Decode, Preprocess};

use crate::blocks::{Stage, activated};
use crate::trunk::Trunk;
use decoder::{State, Watched};

/// Most numbers of the weights of a trunk that is not its own.
pub const MOST: usize = 1_400_000;
/// Rows and columns of the input.
pub const SIDE: usize = 192;
/// Channels of the first convolution.
const STEM: usize = 16;
/// The stages of the backbone, down to a sixteenth of the size.
const STAGES: [Stage; 4] = [
    Stage { expansion: 1, channels: 16, blocks: 1, stride: 1 },
    Stage { expansion: 4, channels: 24, blocks: 2, stride: 2 },
    Stage { expansion: 4, channels: 40, blocks: 3, stride: 2 },
    Stage { expansion: 4, channels: 80, blocks: 3, stride: 2 },
];
/// Channels of what the decoder is told.
const FEATURES: usize = 192;
/// Words of the longest sentence, with its end.
pub const LENGTH: usize = 16;
/// Beams of the exported step.
pub const BEAMS: usize = 3;

/// A captioner of the zoo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captioner {
    /// Its name on the command line.
    pub name: &'static str,
    /// Whether it looks at parts of the picture.
    pub attention: bool,
}

/// Every captioner.
pub const ALL: &[Captioner] =
    &[Captioner { name: "captioner", attention: false }, Captioner { name: "captioner_attention", attention: true }];

/// What they are for, how they were trained and what was measured, as Markdown.
pub const CARD: &str = include_str!("card.md");

/// A captioner for a number of words, as the trainer builds it: scores `[N, LENGTH, words]`. It takes a second input,
/// the words before each answer.
#[derive(Clone)]
pub struct CaptionNetwork {
    /// The captioner.
    pub captioner: Captioner,
    /// What it looks with.
    pub trunk: Trunk,
    /// Number of words.
    pub words: usize,
}

impl Network for CaptionNetwork {
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let batch = net.shape(x)?[0];
        let (mut state, watched) = self.captioner.encode(net, x, &self.trunk)?;
        let tokens = net.input(TOKENS, DataType::I64, &[batch, LENGTH]);
        let mut scores = Vec::new();
        for token in net.split(tokens, &[1; LENGTH], 1)? {
            let token = net.reshape(token, &[-1])?;
            let step = decoder::step(net, token, state, watched, self.words)?;
            state = step.state;
            scores.push(net.unsqueeze(step.scores, &[1])?);
        }
        net.concat(&scores, 1)
    }
}

impl Captioner {
    /// The captioner of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|c| c.name == name)
    }

    /// The network for a number of words.
    pub fn network(&self, words: usize, trunk: &Trunk) -> CaptionNetwork {
        CaptionNetwork { captioner: *self, trunk: trunk.clone(), words }
    }

    /// The decoder's first state, and what it may look at.
    fn encode(&self, net: &mut NetworkBuilder, x: ValueId, trunk: &Trunk) -> Result<(State, Option<Watched>), OpError> {
        let maps = trunk.maps(net, x, STEM, &STAGES)?;
        let Some(deepest) = maps.last() else {
            return Err(OpError::graph("captioner", "the trunk has no map".to_owned()));
        };
        let x = activated(net, "features", deepest.value, FEATURES, Window::square(1, 1, 0))?;
        let mean = net.global_average_pool(x)?;
        let mean = net.flatten(mean, 1)?;
        let state = decoder::first_state(net, mean)?;
        let watched = if self.attention { Some(decoder::watch(net, x)?) } else { None };
        Ok((state, watched))
    }

    /// The encoder and the step with their metadata.
    ///
    /// # Errors
    /// Weights that are missing or have other sizes.
    pub fn export(&self, store: &Store, lexicon: &Lexicon, trunk: &Trunk) -> Result<[Model; 2], OpError> {
        let mut net = NetworkBuilder::inference(self.name, store);
        let x = net.input("input", DataType::F32, &[1, 3, SIDE, SIDE]);
        let (state, watched) = self.encode(&mut net, x, trunk)?;
        let map = watched.map(|w| w.map);
        net.output(state.hidden, "hidden");
        net.output(state.cell, "cell");
        if let Some(watched) = watched {
            net.output(watched.features, "features");
            net.output(watched.keys, "keys");
        }
        let mut encoder = net.finish();
        name_nodes(&mut encoder.graph);
        preprocess(trunk).describe(&mut encoder.metadata);
        self.decode(lexicon, map).describe(&mut encoder.metadata);
        let mut step = decoder::export(store, self, map, lexicon.words().len())?;
        name_nodes(&mut step.graph);
        Ok([encoder, step])
    }

    /// How the decoder is run.
    fn decode(&self, lexicon: &Lexicon, map: Option<[usize; 2]>) -> Decode {
        let end = END as u16;
        Decode::Caption(CaptionDecode {
            words: lexicon.words().to_vec(),
            start: end,
            end,
            limit: LENGTH,
            beams: BEAMS,
            penalty: 0.7,
            attention: map,
        })
    }

    /// The settings that it is trained with.
    pub fn recipe(&self) -> TrainerConfig {
        let schedule = Schedule::OneCycle { peak: 0.002, rise: 0.1 };
        let optimizer = AdamW { weight_decay: 0.02, ..AdamW::default() };
        TrainerConfig {
            epochs: 20,
            batch: 32,
            evaluation_batch: 32,
            workers: 2,
            clipping: Some(Clipping::GlobalNorm(5.0)),
            augmentations: vec![Augmentation::ColorJitter { brightness: 0.2, contrast: 0.2, saturation: 0.2 }],
            ..TrainerConfig::new(self.name, Arc::new(optimizer), schedule, Trunk::default().normalization())
        }
    }
}

/// The loss.
pub fn objective(words: usize) -> CaptionObjective {
    CaptionObjective { words, length: LENGTH }
}

/// How the pictures are prepared.
pub fn preprocess(trunk: &Trunk) -> Preprocess {
    Preprocess::new([SIDE, SIDE, 3], trunk.normalization())
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;
    use ocellus_trainer::Objective;

    use super::*;

    #[test]
    fn trains_as_one_graph_and_runs_as_two() {
        let lexicon = Lexicon::of(["a goat next to a pear"], 1, 50);
        let words = lexicon.words().len();
        for captioner in ALL {
            let mut net = NetworkBuilder::training("net");
            let x = net.input("input", DataType::F32, &[2, 3, SIDE, SIDE]);
            let y = captioner.network(words, &Trunk::default()).build(&mut net, x).unwrap();
            assert_eq!(net.shape(y).unwrap(), [2, LENGTH, words]);
            let (dtype, shape) = objective(words).target(2);
            let t = net.input("target", dtype, &shape);
            let losses = objective(words).losses(&mut net, y, t).unwrap();
            assert_eq!(net.shape(losses).unwrap(), [2]);
            let graph = net.graph();
            let values = graph.inputs.iter().map(|&v| graph.value(v)).filter(|v| v.name.contains('.'));
            let tensor = |v: &ocellus_graph::Value| {
                let shape = v.shape.as_ref().and_then(|s| s.known()).unwrap();
                (v.name.clone(), Tensor::full(DataType::F32, &shape, 0.01))
            };
            let store: Store = values.map(tensor).collect();
            let [encoder, step] = captioner.export(&store, &lexicon, &Trunk::default()).unwrap();
            let more = if captioner.attention { 2 } else { 0 };
            assert_eq!((encoder.graph.outputs.len(), step.graph.inputs.len()), (2 + more, 3 + more));
            assert_eq!(Decode::of(&encoder.metadata).unwrap().unwrap().kind(), "caption");
        }
        assert!(CARD.starts_with("# captioner"));
    }
}
