//! `QLinearAdd`: sum from 8 bits to 8 bits (com.microsoft, version 1). It is rewritten.

use super::qlinear::{MICROSOFT, binary, rewritten};
use crate::OpDef;

/// Inputs: a, a_scale, a_zero_point, b, b_scale, b_zero_point, c_scale, c_zero_point.
pub(crate) const OP: OpDef = rewritten("QLinearAdd", MICROSOFT, |ctx| binary(ctx, "Add"));

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    #[test]
    fn real_values_are_added() {
        let (a, b) = (bytes(&[3], &[130, 126, 255], 0.5, 128), bytes(&[1], &[6], 0.25, 2));
        let inputs: Vec<_> = a.into_iter().chain(b).chain(output(0.5, 10)).collect();
        let y = run(&OP, &inputs, Attributes::new()).unwrap();
        assert_eq!(y, Tensor::vector(&[14u8, 10, 139]));
    }
}
