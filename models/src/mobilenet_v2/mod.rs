//! MobileNetV2 (Sandler et al. 2018): inverted residuals with linear bottlenecks. Layers have the names of torchvision's,
//! so that its weights fit.

use std::sync::Arc;

use ocellus_graph::ValueId;
use ocellus_ops::{OpError, Window};
use ocellus_trainer::data::{Augmentation, Normalization};
use ocellus_trainer::optimizers::Sgd;
use ocellus_trainer::{ConvLayer, Network, NetworkBuilder, Schedule, TrainerConfig};
use ocellus_vision::metadata::{Placing, Preprocess};

use crate::ZooModel;
use crate::import::Import;

/// The entry of the zoo.
pub const MODEL: ZooModel = ZooModel {
    name: "mobilenet_v2",
    summary: "MobileNetV2 with inverted residuals, 3.5 M parameters for 1,000 classes",
    network: |classes| Box::new(MobileNetV2 { classes }),
    recipe,
    card: include_str!("card.md"),
};

/// How weights of other tools are brought in.
pub const IMPORT: Import = Import {
    model: &MODEL,
    classes_of: "classifier.1.bias",
    preprocess: || Preprocess { fit: Placing::Crop, ..Preprocess::new([224, 224, 3], imagenet(3)) },
};

/// Expansion, channels, blocks and stride of every stage.
const STAGES: [(usize, usize, usize, i64); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
/// Channels of the first and of the last convolution.
const ENDS: [usize; 2] = [32, 1280];

/// The network: pictures `[N, C, H, W]` to scores `[N, classes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MobileNetV2 {
    /// Number of classes.
    pub classes: usize,
}

impl Network for MobileNetV2 {
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let mut x = activated(net, "features.0", x, ENDS[0], Window::square(3, 2, 1))?;
        let mut index = 0;
        for (expansion, channels, blocks, stride) in STAGES {
            for block in 0..blocks {
                index += 1;
                let stride = if block == 0 { stride } else { 1 };
                x = residual(net, &format!("features.{index}.conv"), x, expansion, channels, stride)?;
            }
        }
        let x = activated(net, &format!("features.{}", index + 1), x, ENDS[1], Window::square(1, 1, 0))?;
        let x = net.global_average_pool(x)?;
        let x = net.flatten(x, 1)?;
        let x = net.dropout_layer("classifier.0", x, 0.2)?;
        net.dense_layer("classifier.1", x, self.classes)
    }
}

/// A convolution `NAME.0`, its normalisation `NAME.1`, and a ReLU that ends at 6.
fn activated(
    net: &mut NetworkBuilder,
    name: &str,
    x: ValueId,
    channels: usize,
    window: Window,
) -> Result<ValueId, OpError> {
    let x = net.conv_layer(&format!("{name}.0"), x, &ConvLayer::new(channels, window).without_bias())?;
    let x = net.batch_norm_layer(&format!("{name}.1"), x)?;
    net.clipped_layer(x, 6.0)
}

/// Wider, then spatial, then narrow again without an activation; added to `x` where the sizes are the same.
fn residual(
    net: &mut NetworkBuilder,
    name: &str,
    x: ValueId,
    expansion: usize,
    channels: usize,
    stride: i64,
) -> Result<ValueId, OpError> {
    let inputs = net.shape(x)?[1];
    let wide = inputs * expansion;
    let (mut inner, mut part) = (x, 0);
    if expansion > 1 {
        inner = activated(net, &format!("{name}.0"), inner, wide, Window::square(1, 1, 0))?;
        part = 1;
    }
    let spatial = Window::square(3, stride, 1).grouped(wide as i64);
    inner = activated(net, &format!("{name}.{part}"), inner, wide, spatial)?;
    let narrow = ConvLayer::new(channels, Window::square(1, 1, 0)).without_bias();
    inner = net.conv_layer(&format!("{name}.{}", part + 1), inner, &narrow)?;
    inner = net.batch_norm_layer(&format!("{name}.{}", part + 2), inner)?;
    if stride == 1 && inputs == channels { net.add(x, inner) } else { Ok(inner) }
}

/// Mean and deviation of ImageNet's pictures; of grey ones their mean over the colours.
fn imagenet(channels: usize) -> Normalization {
    match channels {
        3 => Normalization { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] },
        _ => Normalization::uniform(channels, 0.449, 0.226),
    }
}

fn recipe(channels: usize) -> TrainerConfig {
    let schedule = Schedule::OneCycle { peak: 0.1, rise: 0.2 };
    let sgd = Sgd { momentum: 0.9, nesterov: true, weight_decay: 4e-5 };
    TrainerConfig {
        epochs: 30,
        batch: 64,
        augmentations: vec![Augmentation::HorizontalFlip, Augmentation::PadAndCrop { padding: 4 }],
        ..TrainerConfig::new(MODEL.name, Arc::new(sgd), schedule, imagenet(channels))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use super::*;

    #[test]
    fn parameters_are_those_of_the_paper() {
        let mut net = NetworkBuilder::training("mobilenet");
        let x = net.input("input", DataType::F32, &[2, 3, 64, 64]);
        MobileNetV2 { classes: 1000 }.build(&mut net, x).unwrap();
        let graph = net.graph();
        let learnt = graph.inputs.iter().skip(1).map(|&v| graph.value(v));
        let learnt = learnt.filter(|v| ![".mean", ".variance", "mask"].iter().any(|end| v.name.ends_with(end)));
        let named = learnt.filter(|v| v.name.starts_with("features") || v.name.starts_with("classifier.1"));
        let count: usize = named.map(|v| v.shape.as_ref().and_then(|s| s.elements()).unwrap()).sum();
        assert_eq!(count, 3_504_872);
    }
}
