//! `QLinearAveragePool`: mean of windows from 8 bits to 8 bits (com.microsoft, version 1). It is rewritten.

use super::qlinear::{MICROSOFT, rewritten, unary};
use crate::OpDef;

/// Inputs: x, x_scale, x_zero_point, y_scale, y_zero_point.
pub(crate) const OP: OpDef = rewritten("QLinearAveragePool", MICROSOFT, |ctx| unary(ctx, "AveragePool"));

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    #[test]
    fn the_mean_of_a_window() {
        let x = bytes(&[1, 1, 1, 3], &[1, 3, 20], 1.0, 1);
        let inputs: Vec<_> = x.into_iter().chain(output(0.5, 4)).collect();
        let y = run(&OP, &inputs, Attributes::new().with("kernel_shape", vec![1i64, 2])).unwrap();
        assert_eq!(y, Tensor::of(&[1, 1, 1, 2], vec![6u8, 25]));
    }
}
