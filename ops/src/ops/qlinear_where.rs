//! `QLinearWhere`: choice between tensors of 8 bits (com.microsoft, version 1). It is rewritten.

use super::qlinear::{MICROSOFT, becomes, dequantized, rewritten};
use crate::{OpDef, OpError, UpgradeContext};

/// Inputs: condition, x, x_scale, x_zero_point, y, y_scale, y_zero_point, z_scale, z_zero_point.
pub(crate) const OP: OpDef = rewritten("QLinearWhere", MICROSOFT, upgrade);

fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let (x, y) = (dequantized(ctx, [1, 2, 3], 1)?, dequantized(ctx, [4, 5, 6], 1)?);
    becomes(ctx, "Where", vec![ctx.node.input(0), Some(x), Some(y)], Some([7, 8]))
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    #[test]
    fn real_values_are_chosen() {
        let (x, y) = (bytes(&[2], &[3, 5], 1.0, 1), bytes(&[2], &[10, 20], 0.5, 0));
        let condition = [Some(Tensor::vector(&[true, false]))];
        let inputs: Vec<_> = condition.into_iter().chain(x).chain(y).chain(output(0.25, 1)).collect();
        assert_eq!(run(&OP, &inputs, Attributes::new()).unwrap(), Tensor::vector(&[9u8, 41]));
    }
}
