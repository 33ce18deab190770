//! `QLinearSigmoid`: logistic function from 8 bits to 8 bits (com.microsoft, version 1). It is rewritten.

use super::qlinear::{MICROSOFT, rewritten, unary};
use crate::OpDef;

/// Inputs: x, x_scale, x_zero_point, y_scale, y_zero_point.
pub(crate) const OP: OpDef = rewritten("QLinearSigmoid", MICROSOFT, |ctx| unary(ctx, "Sigmoid"));

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    #[test]
    fn levels_are_those_of_the_real_values() {
        let x = bytes(&[3], &[100, 128, 140], 0.1, 100);
        let inputs: Vec<_> = x.into_iter().chain(output(0.00390625, 0)).collect();
        let y = run(&OP, &inputs, Attributes::new()).unwrap();
        assert_eq!(y, Tensor::of(&[3], vec![128u8, 241, 251]));
    }
}
