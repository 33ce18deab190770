//! `Mean`: elementwise mean of any number of inputs, with broadcasting (ONNX Mean-13).

use ocellus_graph::{Attributes, Tensor, ValueId};
use ocellus_plan::args::BinaryFunction;

use super::binary_lower::pair;
use super::elementwise::{VARIADIC, broadcast_floats, eval_variadic};
use super::sum::shared;
use crate::{Builder, EvalContext, GradContext, LowerContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(VARIADIC),
    lower: Some(lower),
    ..OpDef::new("Mean", broadcast_floats)
};

/// The inputs enter the sum one by one, so that the mean is rounded once.
fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let dtype = ctx.input(0)?.dtype();
    let wide: Vec<Option<Tensor>> =
        ctx.inputs.iter().map(|t| t.map(|t| t.cast(ocellus_graph::DataType::F64))).collect();
    let inputs: Vec<Option<&Tensor>> = wide.iter().map(Option::as_ref).collect();
    let sums = eval_variadic(&EvalContext { node: ctx.node, inputs: &inputs }, |a, b| a + b, |a, b| a + b)?;
    let count = ctx.inputs.len() as f64;
    let mean = |sum: Tensor| {
        let values: Vec<f64> = sum.to_f64().into_iter().map(|v| v / count).collect();
        Tensor::from_f64(dtype, sum.shape(), &values)
    };
    Ok(sums.into_iter().map(mean).collect())
}

fn lower(ctx: &mut LowerContext) -> Result<(), OpError> {
    let count = ctx.inputs.len();
    let mut sum = ctx.float(0)?;
    for i in 1..count {
        let next = ctx.float(i)?;
        sum = pair(ctx, BinaryFunction::Add, sum, next)?;
    }
    let count = ctx.f32s(&[count as f32]);
    let mean = pair(ctx, BinaryFunction::Div, sum, count)?;
    ctx.bind(0, mean);
    Ok(())
}

/// `g / n` to every input, summed over its broadcast axes. ONNX Runtime has no CUDA kernel for Mean: none is emitted.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    let share = ctx.builder.scale_by(g, 1.0 / ctx.node.inputs.len() as f64)?;
    shared(ctx, share)
}

impl Builder {
    /// The mean of `inputs`, of which there is at least one, broadcast.
    pub fn mean(&mut self, inputs: &[ValueId]) -> Result<ValueId, OpError> {
        self.apply(&OP, inputs, Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn any_number_of_inputs() {
        let inputs = [Tensor::vector(&[1f32, 2.]), Tensor::scalar(4f32), Tensor::vector(&[4f32, 0.])];
        assert_eq!(check::eval(|b, v| b.mean(v), &inputs), Tensor::vector(&[3f32, 2.]));
        assert_eq!(check::eval(|b, v| b.mean(v), &inputs[..1]), inputs[0]);
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.mean(v), &[&[2, 3], &[3], &[2, 1]]);
    }
}
