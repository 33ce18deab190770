//! `ReverseSequence`: the first elements of every sequence in reverse order (ONNX ReverseSequence-10).

use ocellus_graph::{Attributes, Tensor, ValueId};

use super::movement::{MOVES, pick};
use crate::shapes::strides;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(grad), quant: Some(MOVES), ..OpDef::new("ReverseSequence", infer) };

/// The batch axis and the time axis: 0 and 1, in either order.
fn two_axes(attributes: &Attributes) -> Result<(usize, usize), String> {
    match (attributes.int("batch_axis").unwrap_or(1), attributes.int("time_axis").unwrap_or(0)) {
        (1, 0) => Ok((1, 0)),
        (0, 1) => Ok((0, 1)),
        (batch, time) => Err(format!("batch_axis {batch} and time_axis {time} have to be 0 and 1 in some order")),
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let (x, lengths) = (ctx.input(0)?, ctx.input(1)?);
    let (batch, _) = two_axes(&ctx.node.attributes).map_err(|e| ctx.error(e))?;
    if x.shape.rank() < 2 || lengths.shape.rank() != 1 {
        return Err(ctx.error(format!("takes sequences of shape {} with lengths of shape {}", x.shape, lengths.shape)));
    }
    if x.shape[batch].known().zip(lengths.shape[0].known()).is_some_and(|(a, b)| a != b) {
        return Err(ctx.error(format!("has {} sequences and {} lengths", x.shape[batch], lengths.shape[0])));
    }
    Ok(vec![x.clone()])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, lengths) = (ctx.input(0)?, ctx.input(1)?.to_i64());
    let (batch, time) = two_axes(&ctx.node.attributes).map_err(|e| ctx.error(e))?;
    if x.rank() < 2 || x.shape()[batch] != lengths.len() {
        return Err(ctx.error(format!("{} lengths do not fit sequences of shape {:?}", lengths.len(), x.shape())));
    }
    let steps = x.shape()[time];
    let checked = |&n: &i64| usize::try_from(n).ok().filter(|&n| n <= steps);
    let lengths: Option<Vec<usize>> = lengths.iter().map(checked).collect();
    let lengths = lengths.ok_or_else(|| ctx.error(format!("a length is not in 0 to {steps}")))?;
    let strides = strides(x.shape());
    let source = |k: usize| {
        let (b, t) = (k / strides[batch] % x.shape()[batch], k / strides[time] % steps);
        if t < lengths[b] { k - t * strides[time] + (lengths[b] - 1 - t) * strides[time] } else { k }
    };
    Ok(vec![pick(x, x.shape(), &(0..x.len()).map(source).collect::<Vec<_>>())])
}

/// The same reversal of `g`, which is its own inverse.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, lengths) = (ctx.grad()?, ctx.input(1)?);
    let dx = ctx.builder.apply(&OP, &[g, lengths], ctx.node.attributes.clone())?;
    Ok(vec![Some(dx), None])
}

impl Builder {
    /// Sequence `b` with its first `lengths[b]` elements in reverse; sequences lie along `time` (0 or 1), the other of
    /// these two axes is the batch.
    pub fn reverse_sequence(&mut self, x: ValueId, lengths: ValueId, time: usize) -> Result<ValueId, OpError> {
        let attributes = Attributes::new().with("time_axis", time as i64).with("batch_axis", 1 - time.min(1) as i64);
        self.apply(&OP, &[x, lengths], attributes)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use crate::check;

    use super::*;

    #[test]
    fn either_axis_is_time() {
        let x = Tensor::of(&[3, 2], (0u8..6).collect());
        let y = check::eval(|b, v| b.reverse_sequence(v[0], v[1], 0), &[x.clone(), Tensor::vector(&[3i64, 2])]);
        assert_eq!(y, Tensor::of(&[3, 2], vec![4u8, 3, 2, 1, 0, 5]));
        let y = check::eval(|b, v| b.reverse_sequence(v[0], v[1], 1), &[x, Tensor::vector(&[2i64, 1, 0])]);
        assert_eq!(y, Tensor::of(&[3, 2], vec![1u8, 0, 2, 3, 4, 5]));
    }

    #[test]
    fn misfits_are_refused() {
        let mut b = Builder::new("t");
        let (x, n) = (b.input("x", DataType::F32, &[3, 2]), b.input("n", DataType::I64, &[3]));
        assert!(b.reverse_sequence(x, n, 0).is_err());
        assert!(b.reverse_sequence(x, n, 2).is_err());
        let y = b.reverse_sequence(x, n, 1).unwrap();
        b.output(y, "y");
        let run = |n: i64| {
            crate::evaluate_values(
                b.graph(),
                &[("x", Tensor::of(&[3, 2], vec![0f32; 6])), ("n", Tensor::vector(&[n; 3]))],
            )
        };
        assert!(run(2).is_ok() && run(3).is_err() && run(-1).is_err());
    }

    #[test]
    fn gradient() {
        let x = Tensor::of(&[3, 2, 2], check::numbers(12, 1));
        check::gradient_at(|b, v| b.reverse_sequence(v[0], v[1], 0), &[x, Tensor::vector(&[2i64, 3])]);
    }
}
