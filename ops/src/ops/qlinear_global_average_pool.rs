//! `QLinearGlobalAveragePool`: mean of every channel from 8 bits to 8 bits (com.microsoft, version 1). It is rewritten.

use super::qlinear::{MICROSOFT, rewritten, unary};
use crate::OpDef;

/// Inputs: x, x_scale, x_zero_point, y_scale, y_zero_point.
pub(crate) const OP: OpDef = rewritten("QLinearGlobalAveragePool", MICROSOFT, |ctx| unary(ctx, "GlobalAveragePool"));

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    #[test]
    fn the_mean_of_a_channel() {
        let x = bytes(&[1, 2, 1, 2], &[1, 3, 10, 20], 1.0, 1);
        let inputs: Vec<_> = x.into_iter().chain(output(0.5, 4)).collect();
        let y = run(&OP, &inputs, Attributes::new()).unwrap();
        assert_eq!(y, Tensor::of(&[1, 2, 1, 1], vec![6u8, 32]));
    }
}
