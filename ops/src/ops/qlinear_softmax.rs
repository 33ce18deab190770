//! `QLinearSoftmax`: softmax from 8 bits to 8 bits (com.microsoft, version 1). It is rewritten.

use super::qlinear::{MICROSOFT, rewritten, unary};
use crate::{OpDef, OpError, UpgradeContext};

/// Inputs: x, x_scale, x_zero_point, y_scale, y_zero_point. The attribute `opset` says whose Softmax it is: before 13 all axes from
/// `axis` on are one.
pub(crate) const OP: OpDef = rewritten("QLinearSoftmax", MICROSOFT, upgrade);

fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    let opset = ctx.node.attributes.int("opset");
    ctx.node.attributes.remove("opset");
    unary(ctx, "Softmax")?;
    let (written_in, quantize) = (ctx.opset, std::mem::take(&mut ctx.after));
    ctx.opset = opset.unwrap_or(written_in);
    let done = super::softmax::OP.upgrade.map_or(Ok(()), |rule| rule(ctx));
    ctx.opset = written_in;
    ctx.after.extend(quantize);
    done
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::super::qlinear::tests::{bytes, output, run};
    use super::*;

    #[test]
    fn axes_are_those_of_its_opset() {
        let x = bytes(&[1, 2, 2], &[100, 100, 120, 120], 0.1, 100);
        let inputs: Vec<_> = x.into_iter().chain(output(0.00390625, 0)).collect();
        let y = |opset: i64| {
            let attributes = Attributes::new().with("axis", 1i64).with("opset", opset);
            run(&OP, &inputs, attributes).unwrap()
        };
        assert_eq!(y(13), Tensor::of(&[1, 2, 2], vec![31u8, 31, 225, 225]));
        assert_eq!(y(12), Tensor::of(&[1, 2, 2], vec![15u8, 15, 113, 113]));
    }
}
