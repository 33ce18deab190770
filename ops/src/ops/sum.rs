//! `Sum`: elementwise sum of any number of inputs, with broadcasting (ONNX Sum-13).

use ocellus_graph::{Attributes, ValueId};
use ocellus_plan::args::BinaryFunction;

use super::elementwise::{VARIADIC, broadcast_floats, eval_variadic};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_variadic(ctx, |a, b| a + b, |a, b| a + b)),
    grad: Some(grad),
    quant: Some(VARIADIC),
    lower: Some(|ctx| super::binary_lower::lower(ctx, BinaryFunction::Add)),
    ..OpDef::new("Sum", broadcast_floats)
};

/// `g` to every input, summed over its broadcast axes.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    shared(ctx, g)
}

/// `part` to every input that needs a gradient, summed over its broadcast axes.
pub(super) fn shared(ctx: &mut GradContext, part: ValueId) -> Result<Vec<Option<ValueId>>, OpError> {
    let mut grads = vec![None; ctx.node.inputs.len()];
    for (i, slot) in grads.iter_mut().enumerate() {
        if ctx.needs(i) {
            let input = ctx.input(i)?;
            *slot = Some(ctx.builder.sum_to_shape_of(part, input)?);
        }
    }
    Ok(grads)
}

impl Builder {
    /// The sum of `inputs`, of which there is at least one, broadcast.
    pub fn sum(&mut self, inputs: &[ValueId]) -> Result<ValueId, OpError> {
        self.apply(&OP, inputs, Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use crate::check;

    #[test]
    fn any_number_of_inputs_is_rounded_once() {
        let inputs = [Tensor::vector(&[1f32, 2e8]), Tensor::scalar(3f32), Tensor::vector(&[5f32, -2e8])];
        assert_eq!(check::eval(|b, v| b.sum(v), &inputs), Tensor::vector(&[9f32, 3.]));
        assert_eq!(check::eval(|b, v| b.sum(v), &inputs[..1]), inputs[0]);
    }

    #[test]
    fn integers_are_refused() {
        let mut b = crate::Builder::new("bad");
        let x = b.input("x", DataType::I32, &[1]);
        assert!(b.sum(&[x, x]).unwrap_err().to_string().contains("takes floats"));
        assert!(b.sum(&[]).is_err());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.sum(v), &[&[2, 3], &[3], &[2, 1]]);
    }
}
