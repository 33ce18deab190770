//! A small residual network (He, Zhang, Ren, Sun 2015): a stem of 16 channels, basic blocks with batch normalisation in
//! two stages of 32 and 64 channels, projections where the size changes, global average pooling.

use std::sync::Arc;

use ocellus_graph::ValueId;
use ocellus_ops::{OpError, Window};
use ocellus_trainer::data::{Augmentation, Normalization};
use ocellus_trainer::optimizers::Sgd;
use ocellus_trainer::{ConvLayer, Network, NetworkBuilder, Schedule, TrainerConfig};

use crate::ZooModel;

/// The entry of the zoo.
pub const MODEL: ZooModel = ZooModel {
    name: "resnet_small",
    summary: "residual network of 4 blocks for small pictures, 166 k parameters",
    network: |classes| Box::new(ResNetSmall { classes }),
    recipe,
    card: include_str!("card.md"),
};

/// Channels of the stem, which keeps the picture's size.
const STEM: usize = 16;
/// Channels and blocks of every stage; the first block of each halves the picture.
const STAGES: [(usize, usize); 2] = [(32, 2), (64, 2)];

/// The network: pictures `[N, C, H, W]` to scores `[N, classes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetSmall {
    /// Number of classes.
    pub classes: usize,
}

impl Network for ResNetSmall {
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let x = normalized(net, "stem", x, STEM, Window::square(3, 1, 1))?;
        let mut x = net.relu(x)?;
        for (stage, (channels, blocks)) in STAGES.into_iter().enumerate() {
            for number in 0..blocks {
                let stride = if number == 0 { 2 } else { 1 };
                x = block(net, &format!("stage{}.block{}", stage + 1, number + 1), x, channels, stride)?;
            }
        }
        let x = net.global_average_pool(x)?;
        let x = net.flatten(x, 1)?;
        net.dense_layer("scores", x, self.classes)
    }
}

/// A convolution without bias and its normalisation.
fn normalized(
    net: &mut NetworkBuilder,
    name: &str,
    x: ValueId,
    channels: usize,
    window: Window,
) -> Result<ValueId, OpError> {
    let x = net.conv_layer(&format!("{name}.conv"), x, &ConvLayer::new(channels, window).without_bias())?;
    net.batch_norm_layer(&format!("{name}.norm"), x)
}

/// `relu(norm(conv(relu(norm(conv(x))))) + x)`, with a projection of `x` where the sizes differ.
fn block(net: &mut NetworkBuilder, name: &str, x: ValueId, channels: usize, stride: i64) -> Result<ValueId, OpError> {
    let inner = normalized(net, &format!("{name}.a"), x, channels, Window::square(3, stride, 1))?;
    let inner = net.relu(inner)?;
    let inner = normalized(net, &format!("{name}.b"), inner, channels, Window::square(3, 1, 1))?;
    let same = net.shape(inner)? == net.shape(x)?;
    let through = match same {
        true => x,
        false => normalized(net, &format!("{name}.through"), x, channels, Window::square(1, stride, 0))?,
    };
    let sum = net.add(inner, through)?;
    net.relu(sum)
}

fn recipe(channels: usize) -> TrainerConfig {
    let schedule = Schedule::OneCycle { peak: 0.15, rise: 0.25 };
    // Mean and deviation of the training pictures of Fashion-MNIST.
    let normalization = Normalization::uniform(channels, 0.286, 0.353);
    let sgd = Sgd { momentum: 0.9, nesterov: true, weight_decay: 5e-4 };
    TrainerConfig {
        epochs: 10,
        batch: 128,
        augmentations: vec![Augmentation::HorizontalFlip, Augmentation::PadAndCrop { padding: 2 }],
        ..TrainerConfig::new(MODEL.name, Arc::new(sgd), schedule, normalization)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ocellus_graph::{DataType, Tensor};
    use ocellus_trainer::inference_model;

    use super::*;

    #[test]
    fn stays_below_300_k_parameters() {
        let mut net = NetworkBuilder::training("resnet");
        let x = net.input("input", DataType::F32, &[2, 1, 28, 28]);
        ResNetSmall { classes: 10 }.build(&mut net, x).unwrap();
        // In training, every input beside the pictures is a parameter or a running figure of a normalisation.
        let graph = net.graph();
        let learnt = graph
            .inputs
            .iter()
            .skip(1)
            .map(|&v| graph.value(v))
            .filter(|v| !v.name.ends_with(".mean") && !v.name.ends_with(".variance"));
        let count: usize = learnt.map(|v| v.shape.as_ref().and_then(|s| s.elements()).unwrap()).sum();
        assert!((150_000..300_000).contains(&count), "{count}");
    }

    #[test]
    fn normalisation_disappears_from_the_exported_graph() {
        let mut net = NetworkBuilder::training("resnet");
        let x = net.input("input", DataType::F32, &[2, 1, 28, 28]);
        ResNetSmall { classes: 10 }.build(&mut net, x).unwrap();
        let graph = net.graph();
        let value = |v: &ocellus_graph::Value| {
            let shape = v.shape.as_ref().and_then(|s| s.known()).unwrap();
            (v.name.clone(), Tensor::full(DataType::F32, &shape, 0.5))
        };
        let store: BTreeMap<String, Tensor> = graph.inputs.iter().skip(1).map(|&v| value(graph.value(v))).collect();
        let mut model = inference_model(&ResNetSmall { classes: 10 }, "resnet", &store, &[1, 1, 28, 28]).unwrap();
        ocellus_ops::simplify(&mut model).unwrap();
        assert!(model.graph.nodes.iter().all(|n| n.op != "BatchNormalization"));
    }
}
