//! Parts that several networks are made of.

use ocellus_graph::ValueId;
use ocellus_ops::{OpError, Resize, Window};
use ocellus_trainer::{ConvLayer, NetworkBuilder};

/// A convolution without bias, its normalisation, and a ReLU that ends at 6, which quantizes well.
pub fn activated(
    net: &mut NetworkBuilder,
    name: &str,
    x: ValueId,
    channels: usize,
    window: Window,
) -> Result<ValueId, OpError> {
    let x = linear(net, name, x, channels, window)?;
    net.clipped_layer(x, 6.0)
}

/// A convolution without bias and its normalisation.
pub fn linear(
    net: &mut NetworkBuilder,
    name: &str,
    x: ValueId,
    channels: usize,
    window: Window,
) -> Result<ValueId, OpError> {
    let x = net.conv_layer(&format!("{name}.conv"), x, &ConvLayer::new(channels, window).without_bias())?;
    net.batch_norm_layer(&format!("{name}.norm"), x)
}

/// A 3 x 3 convolution of every channel by itself, then one of 1 x 1, each activated.
pub fn separable(net: &mut NetworkBuilder, name: &str, x: ValueId, channels: usize) -> Result<ValueId, OpError> {
    let inputs = net.shape(x)?[1] as i64;
    let x = activated(net, &format!("{name}.spatial"), x, inputs as usize, Window::square(3, 1, 1).grouped(inputs))?;
    activated(net, &format!("{name}.point"), x, channels, Window::square(1, 1, 0))
}

/// An inverted residual (Sandler et al. 2018): wider, spatial, narrow; added to `x` where the sizes are the same.
pub fn inverted(
    net: &mut NetworkBuilder,
    name: &str,
    x: ValueId,
    expansion: usize,
    channels: usize,
    stride: i64,
) -> Result<ValueId, OpError> {
    let inputs = net.shape(x)?[1];
    let wide = inputs * expansion;
    let mut inner = x;
    if expansion > 1 {
        inner = activated(net, &format!("{name}.wide"), inner, wide, Window::square(1, 1, 0))?;
    }
    let window = Window::square(3, stride, 1).grouped(wide as i64);
    inner = activated(net, &format!("{name}.spatial"), inner, wide, window)?;
    inner = linear(net, &format!("{name}.narrow"), inner, channels, Window::square(1, 1, 0))?;
    if stride == 1 && inputs == channels { net.add(x, inner) } else { Ok(inner) }
}

/// Twice the height and width; every place becomes four.
pub fn doubled(net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
    let place = "asymmetric".to_owned();
    let nearest = Resize {
        scales: vec![1.0, 1.0, 2.0, 2.0],
        coordinate_transformation_mode: place,
        nearest_mode: "floor".to_owned(),
        ..Resize::default()
    };
    net.resize(x, &nearest)
}

/// A stage of a backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// How much wider the blocks are inside.
    pub expansion: usize,
    /// Channels.
    pub channels: usize,
    /// Blocks.
    pub blocks: usize,
    /// Stride of the first block.
    pub stride: i64,
}

/// A backbone of inverted residuals: a convolution of stride 2, then the stages. Returns the output of every stage.
pub fn backbone(net: &mut NetworkBuilder, x: ValueId, stem: usize, stages: &[Stage]) -> Result<Vec<ValueId>, OpError> {
    let mut x = activated(net, "stem", x, stem, Window::square(3, 2, 1))?;
    let mut outputs = Vec::new();
    for (number, stage) in stages.iter().enumerate() {
        for block in 0..stage.blocks {
            let stride = if block == 0 { stage.stride } else { 1 };
            let name = format!("stage{}.block{}", number + 1, block + 1);
            x = inverted(net, &name, x, stage.expansion, stage.channels, stride)?;
        }
        outputs.push(x);
    }
    Ok(outputs)
}
