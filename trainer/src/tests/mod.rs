//! Whole runs on small problems.

mod resume;
mod runs;
mod steps;

use std::sync::Arc;

use ocellus_graph::ValueId;
use ocellus_ops::{OpError, Window};

use crate::data::{Augmentation, Dataset, MemoryDataset, Normalization, numbered_classes};
use crate::optimizers::Adam;
use crate::random::Random;
use crate::{ConvLayer, NetworkBuilder, Schedule, TrainerConfig};

/// Pictures of 8 x 8 with a bright bar: across (0), down (1) or along the diagonal (2), at a random place, under noise.
pub(super) fn bars(count: usize, seed: u64) -> Arc<dyn Dataset> {
    let mut random = Random::new(seed, "bars", 0);
    let mut pixels = Vec::with_capacity(count * 64);
    let mut labels = Vec::with_capacity(count);
    for i in 0..count {
        let (kind, place) = (i % 3, random.below(8));
        for (y, x) in (0..64).map(|k| (k / 8, k % 8)) {
            let lit = match kind {
                0 => y == place,
                1 => x == place,
                _ => (x + y) % 8 == place,
            };
            pixels.push(random.below(60) as u8 + if lit { 150 } else { 0 });
        }
        labels.push(kind);
    }
    Arc::new(MemoryDataset::new([8, 8, 1], pixels, labels, numbered_classes(3)).expect("a data set"))
}

/// Convolution, normalisation, pooling, dropout, two dense layers.
pub(super) fn network(net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
    let x = net.conv_layer("conv1", x, &ConvLayer::new(6, Window::square(3, 1, 1)).without_bias())?;
    let x = net.batch_norm_layer("bn1", x)?;
    let x = net.relu(x)?;
    let x = net.max_pool(x, &Window::square(2, 2, 0))?;
    let x = net.conv_layer("conv2", x, &ConvLayer::new(8, Window::square(3, 2, 1)))?;
    let x = net.relu(x)?;
    let x = net.flatten(x, 1)?;
    let x = net.dropout_layer("dropout", x, 0.2)?;
    let x = net.dense_layer("dense1", x, 16)?;
    let x = net.relu(x)?;
    net.dense_layer("dense2", x, 3)
}

pub(super) fn config() -> TrainerConfig {
    let schedule = Schedule::Cosine { rate: 0.02, last: 0.001 };
    let normalization = Normalization::uniform(1, 0.25, 0.25);
    TrainerConfig {
        epochs: 6,
        batch: 12,
        evaluation_batch: 20,
        seed: 7,
        augmentations: vec![Augmentation::PadAndCrop { padding: 1 }],
        log_every: 5,
        workers: 2,
        ..TrainerConfig::new("bars", Arc::new(Adam::default()), schedule, normalization)
    }
}
