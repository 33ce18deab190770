//! `Concat`: inputs one after the other along an axis (ONNX Concat-13).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use super::elementwise::VARIADIC;
use super::movement::pick_from_all;
use crate::shapes::axis;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(VARIADIC),
    lower: Some(super::movement_lower::concat),
    ..OpDef::new("Concat", infer)
};

/// The joined shape.
fn joined(shapes: &[&Shape], along: usize) -> Result<Shape, String> {
    let mut result = shapes[0].clone();
    for (k, shape) in shapes.iter().enumerate().skip(1) {
        if shape.rank() != result.rank() {
            return Err(format!("input {k} has shape {shape}, input 0 {}; the ranks differ", shapes[0]));
        }
        for (i, (a, b)) in result.0.iter_mut().zip(shape.iter()).enumerate() {
            *a = match (&*a, b) {
                (Dim::Known(m), Dim::Known(n)) if i == along => {
                    Dim::Known(m.checked_add(*n).ok_or("the result is larger than memory")?)
                }
                _ if i == along => Dim::Unknown,
                (Dim::Known(m), Dim::Known(n)) if m != n => {
                    return Err(format!("input {k} has shape {shape}, input 0 {}; axis {i} differs", shapes[0]));
                }
                (Dim::Known(_), _) => a.clone(),
                (Dim::Unknown, _) | (_, Dim::Known(_)) => b.clone(),
                _ => a.clone(),
            };
        }
    }
    Ok(result)
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let first = ctx.input(0)?;
    let given = ctx.node.attributes.int("axis").ok_or_else(|| ctx.error("has no attribute axis"))?;
    let along = axis(given, first.shape.rank())
        .ok_or_else(|| ctx.error(format!("axis {given} is out of range for an input of shape {}", first.shape)))?;
    let mut shapes = Vec::with_capacity(ctx.types.len());
    for i in 0..ctx.types.len() {
        let t = ctx.input(i)?;
        if t.dtype != first.dtype {
            return Err(ctx.error(format!("input {i} has type {}, input 0 {}", t.dtype, first.dtype)));
        }
        shapes.push(&t.shape);
    }
    Ok(vec![ValueType::new(first.dtype, joined(&shapes, along).map_err(|e| ctx.error(e))?)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let parts: Vec<&Tensor> = (0..ctx.inputs.len()).map(|i| ctx.input(i)).collect::<Result<_, _>>()?;
    let first = ctx.input(0)?;
    let along = axis(ctx.int("axis", 0), first.rank()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let shapes: Vec<Shape> = parts.iter().map(|t| Shape::fixed(t.shape())).collect();
    let shape = joined(&shapes.iter().collect::<Vec<_>>(), along).map_err(|e| ctx.error(e))?;
    let shape = shape.known().unwrap_or_default();
    let (outer, inner): (usize, usize) = (shape[..along].iter().product(), shape[along + 1..].iter().product());
    let mut offsets = Vec::with_capacity(shape.iter().product());
    for row in 0..outer {
        let mut base = 0;
        for part in &parts {
            let length = part.shape()[along] * inner;
            offsets.extend(base + row * length..base + (row + 1) * length);
            base += part.len();
        }
    }
    let result = pick_from_all(&parts, &shape, &offsets);
    Ok(vec![result.ok_or_else(|| ctx.error("its inputs have different types"))?])
}

/// `dx_i` = its part of `g`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    let count = ctx.node.inputs.len();
    let rank = ctx.builder.shape(g)?.len();
    let along = axis(ctx.int("axis", 0), rank).ok_or_else(|| ctx.error("axis is out of range"))?;
    let mut sizes = Vec::with_capacity(count);
    for i in 0..count {
        let input = ctx.input(i)?;
        sizes.push(ctx.builder.shape(input)?[along] as i64);
    }
    if (0..count).filter(|&i| ctx.needs(i)).count() > 1 {
        let parts = ctx.builder.split(g, &sizes, along as i64)?;
        return Ok(parts.into_iter().enumerate().map(|(i, part)| ctx.needs(i).then_some(part)).collect());
    }
    let mut grads = vec![None; count];
    let mut start = 0;
    for (i, &size) in sizes.iter().enumerate() {
        if ctx.needs(i) {
            grads[i] = Some(ctx.builder.slice(g, &[start], &[start + size], &[along as i64], &[1])?);
        }
        start += size;
    }
    Ok(grads)
}

impl Builder {
    /// `inputs` one after the other along `axis`; all other sizes are the same.
    pub fn concat(&mut self, inputs: &[ValueId], axis: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, inputs, Attributes::new().with("axis", axis))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use crate::check;

    use super::*;

    #[test]
    fn joins_along_any_axis() {
        let (a, b) = (Tensor::of(&[2, 1], vec![1u8, 2]), Tensor::of(&[2, 2], vec![3u8, 4, 5, 6]));
        let y = check::eval(|b, v| b.concat(&[v[0], v[1], v[0]], -1), &[a.clone(), b.clone()]);
        assert_eq!(y, Tensor::of(&[2, 4], vec![1u8, 3, 4, 1, 2, 5, 6, 2]));
        let y = check::eval(|b, v| b.concat(&[v[0], v[0]], 0), &[b]);
        assert_eq!(y, Tensor::of(&[4, 2], vec![3u8, 4, 5, 6, 3, 4, 5, 6]));
        assert_eq!(check::eval(|b, v| b.concat(v, 0), std::slice::from_ref(&a)), a);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut b = Builder::new("t");
        let (x, y) = (b.input("x", DataType::F32, &[2, 3]), b.input("y", DataType::F32, &[2, 4]));
        let z = b.input("z", DataType::I8, &[2, 3]);
        assert!(b.concat(&[x, y], 0).unwrap_err().to_string().contains("axis 1 differs"));
        assert!(b.concat(&[x, y], 2).is_err());
        assert!(b.concat(&[x, z], 0).is_err());
        assert!(b.concat(&[], 0).is_err());
    }

    #[test]
    fn symbols_meet_numbers() {
        let n = Shape(vec![Dim::Symbol("n".into()), Dim::Known(2)]);
        let m = Shape(vec![Dim::Unknown, Dim::Known(3)]);
        assert_eq!(joined(&[&n, &m], 1).unwrap().to_string(), "[n, 5]");
        assert_eq!(joined(&[&n, &Shape::fixed(&[4, 3])], 1).unwrap().to_string(), "[4, 5]");
        assert_eq!(joined(&[&n, &Shape::fixed(&[4, 2])], 0).unwrap().to_string(), "[?, 2]");
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.concat(v, 1), &[&[2, 1, 2], &[2, 3, 2], &[2, 2, 2]]);
        // One input that needs a gradient among others that do not.
        let (x, c) = (Tensor::of(&[2, 2], check::numbers(4, 1)), Tensor::of(&[1, 2], vec![1f32, 2.]));
        check::gradient_at(
            |b, v| {
                let c = b.cast(v[0], DataType::F64)?;
                b.concat(&[c, v[1], c], 0)
            },
            &[c, x],
        );
    }
}
