//! `QGemm`: product of matrices of 8 bits and a bias of 32, to 8 bits or to floats (com.microsoft, version 1). It is rewritten.

use super::qlinear::{MICROSOFT, becomes, bias, dequantized, rewritten};
use crate::{OpDef, OpError, UpgradeContext};

/// Inputs: a, a_scale, a_zero_point, b, b_scale, b_zero_point, c (i32, optional), and where the output is quantized y_scale and
/// y_zero_point. A step of c is `alpha * a_scale * b_scale`.
pub(crate) const OP: OpDef = rewritten("QGemm", MICROSOFT, upgrade);

fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let alpha = ctx.node.attributes.float("alpha").unwrap_or(1.0);
    // Scales of b stand for its columns.
    let axis = i64::from(ctx.node.attributes.int("transB").unwrap_or(0) == 0);
    let (a, b) = (dequantized(ctx, [0, 1, 2], 1)?, dequantized(ctx, [3, 4, 5], axis)?);
    let mut inputs = vec![Some(a), Some(b)];
    inputs.extend(bias(ctx, 6, [1, 4], alpha)?.map(Some));
    let quantized = ctx.node.input(7).is_some();
    becomes(ctx, "Gemm", inputs, quantized.then_some([7, 8]))
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    #[test]
    fn to_bytes_and_to_floats() {
        let (a, b) = (bytes(&[1, 2], &[3, 4], 0.5, 1), bytes(&[1, 2], &[7, 5], 0.25, 4));
        let mut inputs: Vec<_> = a.into_iter().chain(b).collect();
        inputs.push(Some(Tensor::vector(&[2i32])));
        let attributes = Attributes::new().with("transB", 1i64).with("alpha", 2f32);
        // (1, 1.5) times (0.75, 0.25), twice, and two steps of a quarter.
        let floats = run(&OP, &inputs, attributes.clone()).unwrap();
        assert_eq!(floats, Tensor::of(&[1, 1], vec![2.75f32]));
        inputs.extend(output(0.25, 3));
        assert_eq!(run(&OP, &inputs, attributes).unwrap(), Tensor::of(&[1, 1], vec![14u8]));
    }
}
