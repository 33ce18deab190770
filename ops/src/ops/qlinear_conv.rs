//! `QLinearConv`: convolution from 8 bits to 8 bits (ONNX QLinearConv-10). It is rewritten.

use super::qlinear::{becomes, bias, dequantized, rewritten};
use crate::{OpDef, OpError, UpgradeContext};

/// Inputs: x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, bias (i32, optional).
pub(crate) const OP: OpDef = rewritten("QLinearConv", "", upgrade);

fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let x = dequantized(ctx, [0, 1, 2], 1)?;
    let w = dequantized(ctx, [3, 4, 5], 0)?;
    let mut inputs = vec![Some(x), Some(w)];
    inputs.extend(bias(ctx, 8, [1, 4], 1.0)?.map(Some));
    becomes(ctx, "Conv", inputs, Some([6, 7]))
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    /// The first row of the example on the ONNX operator page.
    #[test]
    fn the_example_of_the_operator_page() {
        let x = bytes(&[1, 1, 1, 7], &[255, 174, 162, 25, 203, 168, 58], 0.003_692_047_5, 132);
        let w = [
            Some(Tensor::of(&[1, 1, 1, 1], vec![0u8])),
            Some(Tensor::vector(&[0.001_727_948_3f32])),
            Some(Tensor::vector(&[255u8])),
        ];
        let inputs: Vec<_> = x.into_iter().chain(w).chain(output(0.001_627_354_8, 123)).collect();
        let y = run(&OP, &inputs, Attributes::new()).unwrap();
        assert_eq!(y, Tensor::of(&[1, 1, 1, 7], vec![0u8, 81, 93, 230, 52, 87, 197]));
    }

    #[test]
    fn scales_and_bias_per_channel() {
        let inputs = [
            Tensor::of(&[1, 1, 2], vec![10i8, -3]),
            Tensor::scalar(0.5f32),
            Tensor::scalar(0i8),
            Tensor::of(&[2, 1, 1], vec![4i8, 4]),
            Tensor::vector(&[0.25f32, 1.0]),
            Tensor::scalar(0i8),
            Tensor::scalar(1f32),
            Tensor::scalar(-1i8),
            Tensor::vector(&[0i32, 200]),
        ];
        let y = run(&OP, &inputs.map(Some), Attributes::new()).unwrap();
        assert_eq!(y, Tensor::of(&[1, 2, 2], vec![4i8, -3, 119, 93]), "40/8 - 1, -12/8 - 1 to even, 240/2 - 1 ...");
    }
}
