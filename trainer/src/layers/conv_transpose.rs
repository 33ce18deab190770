//! Transposed convolution with its parameters.

use ocellus_graph::ValueId;
use ocellus_ops::OpError;

use super::ConvLayer;
use crate::NetworkBuilder;
use crate::initializers::{Initializer, conv_fans};

impl NetworkBuilder<'_> {
    /// A transposed convolution of `x` `[N, C, H, W]` with parameters `NAME.weight` `[C, channels / groups, kernel…]` and
    /// `NAME.bias` `[channels]`.
    ///
    /// # Errors
    /// Channels that the groups do not divide, or a window that does not fit.
    pub fn conv_transpose_layer(&mut self, name: &str, x: ValueId, layer: &ConvLayer) -> Result<ValueId, OpError> {
        let inputs = self.shape(x)?.get(1).copied().unwrap_or(0);
        layer.check_groups(name, inputs, &self.graph().name)?;
        let groups = usize::try_from(layer.window.group).unwrap_or(1);
        let mut sizes = vec![inputs, layer.channels / groups];
        sizes.extend(layer.window.kernel.iter().map(|&k| k.max(0) as usize));
        let (fan_out, fan_in) = conv_fans(&sizes);
        let fans = (fan_in, fan_out);
        let weight = self.parameter(&format!("{name}.weight"), &sizes, layer.initializer, fans, true)?;
        let bias = match layer.bias {
            true => {
                Some(self.parameter(&format!("{name}.bias"), &[layer.channels], Initializer::Zeros, fans, false)?)
            }
            false => None,
        };
        self.conv_transpose(x, weight, bias, &layer.window, &[])
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;
    use ocellus_ops::Window;
    use ocellus_ops::check::numbers;

    use super::*;
    use crate::layers::check;

    #[test]
    fn gradients_with_groups_and_strides() {
        let x = Tensor::of(&[2, 4, 3, 3], numbers(72, 1));
        for window in [Window::square(4, 2, 1), Window::square(2, 2, 0).grouped(2)] {
            let layer = ConvLayer::new(6, window);
            check::gradients(&|net, x| net.conv_transpose_layer("up", x, &layer), &x);
        }
    }

    #[test]
    fn sizes_double_and_channels_have_to_divide() {
        let mut net = NetworkBuilder::training("net");
        let x = net.input("x", ocellus_graph::DataType::F32, &[1, 3, 4, 4]);
        let layer = ConvLayer::new(5, Window::square(4, 2, 1)).started_by(Initializer::Bilinear);
        let y = net.conv_transpose_layer("up", x, &layer).unwrap();
        assert_eq!(net.shape(y).unwrap(), [1, 5, 8, 8]);
        let layer = ConvLayer::new(4, Window::square(4, 2, 1).grouped(2));
        assert!(net.conv_transpose_layer("no", x, &layer).unwrap_err().to_string().contains("3 input and 4 output"));
    }
}
