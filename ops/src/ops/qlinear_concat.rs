//! `QLinearConcat`: concatenation of tensors of 8 bits whose scales differ (com.microsoft, version 1). It is rewritten.

use super::qlinear::{MICROSOFT, Operand, around, rewritten};
use crate::{OpDef, OpError, UpgradeContext};

/// Inputs: y_scale, y_zero_point, then scale and zero point behind every tensor.
pub(crate) const OP: OpDef = rewritten("QLinearConcat", MICROSOFT, upgrade);

fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let count = ctx.node.inputs.len();
    if count < 5 || count % 3 != 2 {
        return Err(ctx.error(format!("has {count} inputs; two, and three for every tensor, are expected")));
    }
    let operands: Vec<Operand> = (2..count).step_by(3).map(|k| [k, k + 1, k + 2]).collect();
    around(ctx, "Concat", &operands, [0, 1])
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    #[test]
    fn every_tensor_is_brought_to_the_scale_of_the_output() {
        let (a, b) = (bytes(&[1, 2], &[4, 6], 0.5, 2), bytes(&[1, 1], &[3], 2.0, 1));
        let inputs: Vec<_> = output(0.25, 1).into_iter().chain(a).chain(b).collect();
        let along = Attributes::new().with("axis", 1i64);
        assert_eq!(run(&OP, &inputs, along.clone()).unwrap(), Tensor::of(&[1, 3], vec![5u8, 9, 17]));
        let error = run(&OP, &inputs[..7], along).unwrap_err().to_string();
        assert!(error.contains("has 7 inputs"), "{error}");
    }
}
