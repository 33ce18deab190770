//! `QLinearMatMul`: matrix product from 8 bits to 8 bits (ONNX QLinearMatMul-21). It is rewritten.

use super::qlinear::{becomes, dequantized, quantize_output, rewritten};
use crate::{OpDef, OpError, UpgradeContext};

/// Inputs: a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point. Scales and zero points are one
/// number, or one per row of `a` and of the result, and per column of `b`.
pub(crate) const OP: OpDef = rewritten("QLinearMatMul", "", upgrade);

fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let (a, b) = (dequantized(ctx, [0, 1, 2], -2)?, dequantized(ctx, [3, 4, 5], -1)?);
    quantize_output(ctx, 6, 7, -2)?;
    becomes(ctx, "MatMul", vec![Some(a), Some(b)], None)
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::run;
    use super::*;

    /// The example of the ONNX operator page.
    #[test]
    fn the_example_of_the_operator_page() {
        let inputs = [
            Tensor::of(&[2, 4], vec![208u8, 236, 0, 238, 3, 214, 255, 29]),
            Tensor::vector(&[0.0066f32]),
            Tensor::vector(&[113u8]),
            Tensor::of(&[4, 3], vec![152u8, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247]),
            Tensor::vector(&[0.00705f32]),
            Tensor::vector(&[114u8]),
            Tensor::vector(&[0.0107f32]),
            Tensor::vector(&[118u8]),
        ];
        let y = run(&OP, &inputs.map(Some), Attributes::new()).unwrap();
        assert_eq!(y, Tensor::of(&[2, 3], vec![168u8, 115, 255, 1, 66, 151]));
    }

    #[test]
    fn scales_per_row_and_column() {
        let inputs = [
            Tensor::of(&[2, 1], vec![10i8, 10]),
            Tensor::vector(&[0.5f32, 1.0]),
            Tensor::vector(&[0i8, 2]),
            Tensor::of(&[1, 2], vec![4i8, 5]),
            Tensor::vector(&[1f32, 0.25]),
            Tensor::scalar(0i8),
            Tensor::scalar(1f32),
            Tensor::scalar(1i8),
        ];
        let y = run(&OP, &inputs.map(Some), Attributes::new()).unwrap();
        assert_eq!(y, Tensor::of(&[2, 2], vec![21i8, 7, 33, 11]));
    }
}
