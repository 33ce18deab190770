//! `QLinearLeakyRelu`: LeakyRelu from 8 bits to 8 bits (com.microsoft, version 1). It is rewritten.

use super::qlinear::{MICROSOFT, rewritten, unary};
use crate::OpDef;

/// Inputs: x, x_scale, x_zero_point, y_scale, y_zero_point.
pub(crate) const OP: OpDef = rewritten("QLinearLeakyRelu", MICROSOFT, |ctx| unary(ctx, "LeakyRelu"));

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    #[test]
    fn negative_values_are_scaled() {
        let x = bytes(&[2], &[96, 104], 1.0, 100);
        let inputs: Vec<_> = x.into_iter().chain(output(0.5, 50)).collect();
        let y = run(&OP, &inputs, Attributes::new().with("alpha", 0.25f32)).unwrap();
        assert_eq!(y, Tensor::of(&[2], vec![48u8, 58]));
    }
}
