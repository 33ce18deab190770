//! Convolution with its parameters.

use ocellus_graph::ValueId;
use ocellus_ops::{OpError, Window};

use crate::NetworkBuilder;
use crate::initializers::{Initializer, conv_fans};

/// A convolution layer.
#[derive(Clone, Debug)]
pub struct ConvLayer {
    /// Output channels.
    pub channels: usize,
    /// Kernel, strides, padding, dilation, groups.
    pub window: Window,
    /// Whether it adds a bias; not before a normalisation.
    pub bias: bool,
    /// How the weight starts.
    pub initializer: Initializer,
}

impl ConvLayer {
    /// `channels` outputs through this window, with bias, started by He's rule.
    pub fn new(channels: usize, window: Window) -> Self {
        Self { channels, window, bias: true, initializer: Initializer::HeNormal }
    }

    /// This layer without a bias.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }

    /// This layer with another start.
    #[must_use]
    pub fn started_by(mut self, initializer: Initializer) -> Self {
        self.initializer = initializer;
        self
    }

    /// Refuses channels that the groups do not divide.
    pub(super) fn check_groups(&self, name: &str, inputs: usize, graph: &str) -> Result<(), OpError> {
        let (groups, channels) = (usize::try_from(self.window.group).unwrap_or(0), self.channels);
        if groups == 0 || !inputs.is_multiple_of(groups) || !channels.is_multiple_of(groups) {
            let problem = format!("layer {name:?}: {inputs} input and {channels} output channels in {groups} groups");
            return Err(OpError::graph(graph, problem));
        }
        Ok(())
    }
}

impl NetworkBuilder<'_> {
    /// A convolution of `x` `[N, C, H, W]` with parameters `NAME.weight` `[channels, C / groups, kernel…]` and
    /// `NAME.bias` `[channels]`.
    ///
    /// # Errors
    /// Channels that the groups do not divide, or a window that does not fit.
    pub fn conv_layer(&mut self, name: &str, x: ValueId, layer: &ConvLayer) -> Result<ValueId, OpError> {
        let shape = self.shape(x)?;
        let inputs = shape.get(1).copied().unwrap_or(0);
        layer.check_groups(name, inputs, &self.graph().name)?;
        let groups = usize::try_from(layer.window.group).unwrap_or(1);
        let mut sizes = vec![layer.channels, inputs / groups];
        sizes.extend(layer.window.kernel.iter().map(|&k| k.max(0) as usize));
        let weight = self.parameter(&format!("{name}.weight"), &sizes, layer.initializer, conv_fans(&sizes), true)?;
        let weight = self.rounded_weights(weight)?;
        let bias = match layer.bias {
            true => {
                let fans = conv_fans(&sizes);
                Some(self.parameter(&format!("{name}.bias"), &sizes[..1], Initializer::Zeros, fans, false)?)
            }
            false => None,
        };
        self.conv(x, weight, bias, &layer.window)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;
    use ocellus_ops::check::numbers;

    use super::*;
    use crate::layers::check;

    #[test]
    fn gradients_with_groups_and_strides() {
        let x = Tensor::of(&[2, 4, 5, 5], numbers(200, 1));
        for window in [Window::square(3, 1, 1), Window::square(3, 2, 1).grouped(2), Window::square(1, 1, 0)] {
            let layer = ConvLayer::new(4, window);
            check::gradients(&|net, x| net.conv_layer("conv", x, &layer), &x);
        }
    }

    #[test]
    fn channels_have_to_divide() {
        let mut net = NetworkBuilder::training("net");
        let x = net.input("x", ocellus_graph::DataType::F32, &[1, 3, 4, 4]);
        let layer = ConvLayer::new(4, Window::square(1, 1, 0).grouped(2));
        assert!(net.conv_layer("conv", x, &layer).unwrap_err().to_string().contains("3 input and 4 output"));
    }
}
