//! `Compress`: the slices (or elements) at which a condition holds (ONNX Compress-11).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use super::movement::MOVES;
use super::slice::select;
use crate::shapes::axis;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(grad), quant: Some(MOVES), ..OpDef::new("Compress", infer) };

/// The places where the condition holds; those that it does not reach are dropped.
fn places(condition: &Tensor, size: usize) -> Result<Vec<usize>, String> {
    let condition = condition.view::<bool>().ok_or_else(|| format!("the condition is {}", condition.dtype()))?;
    if condition.len() > size {
        return Err(format!("the condition has {} entries for {size} slices", condition.len()));
    }
    Ok((0..condition.len()).filter(|&i| condition[i]).collect())
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    ctx.input(1)?;
    let mut shape = match ctx.node.attributes.int("axis") {
        None => Shape(vec![Dim::Unknown]),
        Some(_) => x.shape.clone(),
    };
    let given = ctx.int("axis", 0);
    let along = axis(given, shape.rank())
        .ok_or_else(|| ctx.error(format!("axis {given} is out of range for an input of shape {}", x.shape)))?;
    let size = if ctx.node.attributes.int("axis").is_some() { x.shape[along].known() } else { x.shape.elements() };
    shape.0[along] = match ctx.constant(1) {
        Some(condition) => Dim::Known(places(condition, size.unwrap_or(usize::MAX)).map_err(|e| ctx.error(e))?.len()),
        None => Dim::Unknown,
    };
    Ok(vec![ValueType::new(x.dtype, shape)])
}

/// The input, flattened where no axis is given, and the axis.
fn lined_up(ctx: &EvalContext) -> Result<(Tensor, usize), OpError> {
    let x = ctx.input(0)?;
    match ctx.node.attributes.int("axis") {
        None => Ok((x.reshaped(&[x.len()]).map_err(|e| ctx.error(e.to_string()))?, 0)),
        Some(given) => {
            let along = axis(given, x.rank());
            Ok((x.clone(), along.ok_or_else(|| ctx.error(format!("axis {given} is out of range")))?))
        }
    }
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, along) = lined_up(ctx)?;
    let mut all: Vec<Vec<usize>> = x.shape().iter().map(|&n| (0..n).collect()).collect();
    all[along] = places(ctx.input(1)?, x.shape()[along]).map_err(|e| ctx.error(e))?;
    Ok(vec![select(&x, &all)])
}

/// `g` among zeros.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, condition) = (ctx.grad()?, ctx.input(0)?, ctx.input(1)?);
    let shape = ctx.builder.shape(x)?;
    let condition = ctx.builder.constant_of(condition).cloned();
    let condition = condition.ok_or_else(|| ctx.error("the gradient needs a constant condition"))?;
    let given = ctx.node.attributes.int("axis");
    let (along, size) = match given {
        None => (0, shape.iter().product()),
        Some(given) => {
            let along = axis(given, shape.len()).ok_or_else(|| ctx.error(format!("axis {given} is out of range")))?;
            (along, shape[along])
        }
    };
    let places = places(&condition, size).map_err(|e| ctx.error(e))?;
    let dx = ctx.builder.spread_along(g, along, &places, size)?;
    Ok(vec![Some(ctx.builder.reshape_to(dx, &shape)?), None])
}

impl Builder {
    /// The slices of `x` along `axis` at which `condition` (bool) holds; without an axis, the elements.
    pub fn compress(&mut self, x: ValueId, condition: ValueId, axis: Option<i64>) -> Result<ValueId, OpError> {
        let attributes = axis.map_or_else(Attributes::new, |a| Attributes::new().with("axis", a));
        self.apply(&OP, &[x, condition], attributes)
    }
}

#[cfg(test)]
mod tests {
    use crate::check;

    use super::*;

    #[test]
    fn keeps_where_the_condition_holds() {
        let x = Tensor::of(&[3, 2], (1u8..7).collect());
        let run = |condition: &[bool], axis| {
            check::eval(|b, v| b.compress(v[0], v[1], axis), &[x.clone(), Tensor::vector(condition)])
        };
        assert_eq!(run(&[false, true, true], Some(0)), Tensor::of(&[2, 2], vec![3u8, 4, 5, 6]));
        assert_eq!(run(&[false, true], Some(-1)), Tensor::of(&[3, 1], vec![2u8, 4, 6]));
        assert_eq!(run(&[false, true, false, false, true], None), Tensor::vector(&[2u8, 5]));
        assert!(places(&Tensor::vector(&[true; 4]), 3).is_err());
    }

    #[test]
    fn gradient() {
        for axis in [Some(1), None] {
            check::gradient(
                |b, v| {
                    let condition = b.constant("condition", Tensor::vector(&[true, false, true]));
                    b.compress(v[0], condition, axis)
                },
                &[&[2, 4]],
            );
        }
    }
}
