//! A network of the LeNet-5 class (LeCun, Bottou, Bengio, Haffner 1998): two convolutions, two poolings, two dense
//! layers. Of today's taste are ReLU, max pooling, batch normalisation and dropout.

use std::sync::Arc;

use ocellus_graph::ValueId;
use ocellus_ops::{OpError, Window};
use ocellus_trainer::data::{Augmentation, Normalization};
use ocellus_trainer::optimizers::Adam;
use ocellus_trainer::{ConvLayer, Network, NetworkBuilder, Schedule, TrainerConfig};

use crate::ZooModel;

/// The entry of the zoo.
pub const MODEL: ZooModel = ZooModel {
    name: "lenet5",
    summary: "LeNet-class network for small grey pictures: 2 convolutions, 2 dense layers",
    network: |classes| Box::new(LeNet5 { classes }),
    recipe,
    card: include_str!("card.md"),
};

/// The network: pictures `[N, C, H, W]` to scores `[N, classes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeNet5 {
    /// Number of classes.
    pub classes: usize,
}

impl Network for LeNet5 {
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let x = stage(net, "1", x, 16)?;
        let x = stage(net, "2", x, 32)?;
        let x = net.flatten(x, 1)?;
        let x = net.dense_layer("dense1", x, 128)?;
        let x = net.relu(x)?;
        let x = net.dropout_layer("dropout", x, 0.25)?;
        net.dense_layer("dense2", x, self.classes)
    }
}

/// Convolution 5 x 5, normalisation, ReLU, pooling to half the size.
fn stage(net: &mut NetworkBuilder, number: &str, x: ValueId, channels: usize) -> Result<ValueId, OpError> {
    let conv = ConvLayer::new(channels, Window::square(5, 1, 2)).without_bias();
    let x = net.conv_layer(&format!("conv{number}"), x, &conv)?;
    let x = net.batch_norm_layer(&format!("norm{number}"), x)?;
    let x = net.relu(x)?;
    net.max_pool(x, &Window::square(2, 2, 0))
}

fn recipe(channels: usize) -> TrainerConfig {
    let schedule = Schedule::OneCycle { peak: 0.004, rise: 0.25 };
    // Mean and deviation of the training pictures of Fashion-MNIST.
    let normalization = Normalization::uniform(channels, 0.286, 0.353);
    TrainerConfig {
        epochs: 6,
        batch: 64,
        augmentations: vec![Augmentation::HorizontalFlip],
        ..TrainerConfig::new(MODEL.name, Arc::new(Adam::default()), schedule, normalization)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use super::*;

    #[test]
    fn takes_pictures_of_the_mnist_family() {
        let mut net = NetworkBuilder::training("lenet5");
        let x = net.input("input", DataType::F32, &[4, 1, 28, 28]);
        let y = LeNet5 { classes: 10 }.build(&mut net, x).unwrap();
        assert_eq!(net.shape(y).unwrap(), [4, 10]);
        let weight = net.parameter("dense1.weight", &[128, 1568], ocellus_trainer::Initializer::Zeros, (1, 1), true);
        assert!(weight.is_ok(), "{weight:?}");
    }
}
