//! `Range`: numbers from a start up to a limit in equal steps (ONNX Range-11).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use crate::{Builder, EvalContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(|_| Ok(vec![None; 3])), ..OpDef::new("Range", infer) };

/// How many numbers there are: `ceil((limit - start) / delta)`, at least 0.
fn count(start: &Tensor, limit: &Tensor, delta: &Tensor) -> Result<usize, String> {
    if [start, limit, delta].iter().any(|t| t.len() != 1) {
        return Err("start, limit and delta have to be scalars".to_owned());
    }
    let count = if start.dtype().is_integer() {
        let [start, limit, delta] = [start, limit, delta].map(|t| i128::from(t.to_i64()[0]));
        if delta == 0 {
            return Err("a delta of 0 never reaches the limit".to_owned());
        }
        let (span, step) = if delta > 0 { (limit - start, delta) } else { (start - limit, -delta) };
        (span + step - 1).div_euclid(step).max(0) as f64
    } else {
        let [start, limit, delta] = [start, limit, delta].map(|t| t.to_f64()[0]);
        ((limit - start) / delta).ceil()
    };
    // 2^40 elements fill no memory that exists; this also refuses infinity and NaN.
    if count < 1_099_511_627_776.0 { Ok(count.max(0.0) as usize) } else { Err(format!("has {count} elements")) }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let dtype = ctx.input(0)?.dtype;
    for i in 1..3 {
        if ctx.input(i)?.dtype != dtype {
            return Err(ctx.error(format!("start has type {dtype}, input {i} {}", ctx.input(i)?.dtype)));
        }
    }
    if !dtype.is_integer() && !dtype.is_float() {
        return Err(ctx.error(format!("counts in numbers, not in {dtype}")));
    }
    let dim = match (ctx.constant(0), ctx.constant(1), ctx.constant(2)) {
        (Some(start), Some(limit), Some(delta)) => Dim::Known(count(start, limit, delta).map_err(|e| ctx.error(e))?),
        _ => Dim::Unknown,
    };
    Ok(vec![ValueType::new(dtype, Shape(vec![dim]))])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (start, limit, delta) = (ctx.input(0)?, ctx.input(1)?, ctx.input(2)?);
    let count = count(start, limit, delta).map_err(|e| ctx.error(e))?;
    if start.dtype().is_integer() {
        let (start_at, step) = (start.to_i64()[0], delta.to_i64()[0]);
        let values: Vec<i64> = (0..count as i64).map(|i| start_at.wrapping_add(step.wrapping_mul(i))).collect();
        return Ok(vec![Tensor::from_i64(start.dtype(), &[count], &values)]);
    }
    let (start_at, step) = (start.to_f64()[0], delta.to_f64()[0]);
    let values: Vec<f64> = (0..count).map(|i| start_at + i as f64 * step).collect();
    Ok(vec![Tensor::from_f64(start.dtype(), &[count], &values)])
}

impl Builder {
    /// The numbers `start, start + delta, …` before `limit`, as i64.
    pub fn range(&mut self, start: i64, limit: i64, delta: i64) -> Result<ValueId, OpError> {
        let inputs = [start, limit, delta].map(|v| self.constant("bound", Tensor::scalar(v)));
        self.apply(&OP, &inputs, Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn integers_and_floats_in_both_directions() {
        let integers = |a, b, c| check::eval(|g, _| g.range(a, b, c), &[]).to_i64();
        assert_eq!(integers(1, 7, 2), [1, 3, 5]);
        assert_eq!(integers(1, 8, 2), [1, 3, 5, 7]);
        assert_eq!(integers(10, 4, -2), [10, 8, 6]);
        assert_eq!(integers(3, 3, 1), [] as [i64; 0]);
        assert_eq!(integers(0, -5, 1), [] as [i64; 0]);
        let inputs = [1f32, 2.0, 0.25].map(Tensor::scalar);
        let y = check::eval(|b, v| b.apply(&OP, v, Attributes::new()), &inputs);
        assert_eq!(y, Tensor::vector(&[1f32, 1.25, 1.5, 1.75]));
    }

    #[test]
    fn steps_of_zero_are_refused() {
        let mut b = Builder::new("t");
        assert!(b.range(0, 1, 0).is_err());
        let inputs = [0f32, 1.0, 0.0].map(|v| b.constant("c", Tensor::scalar(v)));
        assert!(b.apply(&OP, &inputs, Attributes::new()).is_err());
    }
}
