//! `TopK`: the greatest (or least) elements along an axis, and where they stood (ONNX TopK-11).

use std::cmp::Ordering;

use ocellus_graph::{Attribute, Attributes, DataType, Dim, Tensor, ValueId};

use super::elementwise::{integers, is_exact};
use super::movement::{list, pick};
use crate::shapes::{axis, offsets, strides};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef =
    OpDef { eval: Some(eval), grad: Some(grad), upgrade: Some(upgrade), ..OpDef::new("TopK", infer) };

/// How many elements are wanted; the input is a list of one.
fn wanted(values: &[i64]) -> Result<usize, String> {
    match values {
        [k] => usize::try_from(*k).map_err(|_| format!("k is {k}, which is negative")),
        _ => Err(format!("k has to be one number, found {values:?}")),
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    ctx.input(1)?;
    let given = ctx.int("axis", -1);
    let along = axis(given, x.shape.rank())
        .ok_or_else(|| ctx.error(format!("axis {given} is out of range for an input of shape {}", x.shape)))?;
    let mut shape = x.shape.clone();
    shape.0[along] = match list(ctx, 1) {
        None => Dim::Unknown,
        Some(k) => {
            let k = wanted(&k).map_err(|e| ctx.error(e))?;
            if x.shape[along].known().is_some_and(|n| k > n) {
                return Err(ctx.error(format!("wants {k} of {} elements", x.shape[along])));
            }
            Dim::Known(k)
        }
    };
    Ok(vec![ValueType::new(x.dtype, shape.clone()), ValueType::new(DataType::I64, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (x, k) = (ctx.input(0)?, wanted(&ctx.input(1)?.to_i64()).map_err(|e| ctx.error(e))?);
    let along = axis(ctx.int("axis", -1), x.rank()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let (mut shape, steps) = (x.shape().to_vec(), strides(x.shape()));
    let (length, step) = (std::mem::replace(&mut shape[along], 1), steps[along]);
    if k > length {
        return Err(ctx.error(format!("wants {k} of {length} elements")));
    }
    let largest = ctx.int("largest", 1) != 0;
    let order = order(x);
    let first = |a: &usize, b: &usize| if largest { order(*b, *a) } else { order(*a, *b) };
    let bases = offsets(&shape, &steps);
    let inner: usize = shape[along + 1..].iter().product();
    shape[along] = k;
    let mut places = vec![0; bases.len() * k];
    for (line, &base) in bases.iter().enumerate() {
        let mut sorted: Vec<usize> = (0..length).map(|i| base + i * step).collect();
        // Stable: of equals the first stands before the others, whichever end is wanted.
        sorted.sort_by(first);
        for (rank, place) in sorted.into_iter().take(k).enumerate() {
            places[(line / inner * k + rank) * inner + line % inner] = place;
        }
    }
    let indices = places.iter().map(|p| (p / step % length) as i64).collect();
    Ok(vec![pick(x, &shape, &places), Tensor::of(&shape, indices)])
}

/// Compares two elements of a tensor; NaN is greater than all numbers.
fn order(x: &Tensor) -> Box<dyn Fn(usize, usize) -> Ordering> {
    if is_exact(x.dtype()) {
        let values = integers(x);
        return Box::new(move |a, b| values[a].cmp(&values[b]));
    }
    let values = x.to_f64();
    Box::new(move |a, b| {
        let (a, b) = (values[a], values[b]);
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    })
}

/// `g` back where the elements stood.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let Some(g) = ctx.output_grads[0] else { return Ok(vec![None, None]) };
    let (y, x) = (ctx.output(0)?, ctx.input(0)?);
    let along = ctx.int("axis", -1);
    let indices = ctx.builder.other_output(y, 1)?;
    let zeros = ctx.builder.zeros_like(x)?;
    Ok(vec![Some(ctx.builder.scatter_elements(zeros, indices, g, along, "none")?), None])
}

/// Opset 10 made k an input.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    if let Some(Attribute::Int(k)) = ctx.node.attributes.remove("k") {
        ctx.set_constant(1, "k", Tensor::vector(&[k]));
    }
    Ok(())
}

impl Builder {
    /// The `k` greatest (`largest`) or least elements along `axis`, in order, and their indices (i64).
    pub fn top_k(&mut self, x: ValueId, k: i64, axis: i64, largest: bool) -> Result<(ValueId, ValueId), OpError> {
        let k = self.indices(&[k]);
        let attributes = Attributes::new().with("axis", axis).with("largest", i64::from(largest));
        let outputs = self.apply_many(&OP, &[Some(x), Some(k)], attributes, 2)?;
        Ok((outputs[0], outputs[1]))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Graph, Model, Node, Shape};

    use crate::check;

    use super::*;

    fn run(x: &Tensor, k: i64, axis: i64, largest: bool) -> (Tensor, Tensor) {
        let x = std::slice::from_ref(x);
        let values = check::eval(|b, v| Ok(b.top_k(v[0], k, axis, largest)?.0), x);
        (values, check::eval(|b, v| Ok(b.top_k(v[0], k, axis, largest)?.1), x))
    }

    #[test]
    fn both_ends_of_any_axis() {
        let x = Tensor::of(&[2, 3], vec![1f32, 5., 3., 6., 2., 4.]);
        assert_eq!(
            run(&x, 2, -1, true),
            (Tensor::of(&[2, 2], vec![5f32, 3., 6., 4.]), Tensor::of(&[2, 2], vec![1i64, 2, 0, 2]))
        );
        assert_eq!(
            run(&x, 1, 0, false),
            (Tensor::of(&[1, 3], vec![1f32, 2., 3.]), Tensor::of(&[1, 3], vec![0i64, 1, 0]))
        );
        assert_eq!(run(&x, 0, 1, true).0.shape(), [2, 0]);
    }

    #[test]
    fn equals_keep_their_order_and_large_integers_are_exact() {
        let x = Tensor::vector(&[2i64, 1, 2, 1]);
        assert_eq!(run(&x, 4, 0, true).1.to_i64(), [0, 2, 1, 3]);
        assert_eq!(run(&x, 4, 0, false).1.to_i64(), [1, 3, 0, 2]);
        let x = Tensor::vector(&[u64::MAX - 1, u64::MAX, 0]);
        assert_eq!(run(&x, 2, 0, true).1.to_i64(), [1, 0]);
    }

    #[test]
    fn too_many_are_refused() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[3]);
        assert!(b.top_k(x, 4, 0, true).unwrap_err().to_string().contains("4 of 3"));
        assert!(b.top_k(x, -1, 0, true).is_err());
    }

    #[test]
    fn the_attribute_becomes_an_input() {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[4])));
        let (y, i) = (g.add_value("y", None, None), g.add_value("i", None, None));
        (g.inputs, g.outputs) = (vec![x], vec![y, i]);
        let k = Attributes::new().with("k", 3i64);
        g.nodes.push(Node::new("TopK", [Some(x)], [Some(y), Some(i)]).with_attributes(k));
        let mut model = Model { opset: 9, ..Model::new(g) };
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        assert_eq!(model.graph.value(y).shape, Some(Shape::fixed(&[3])));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| Ok(b.top_k(v[0], 2, 1, true)?.0), &[&[2, 4, 2]]);
        check::gradient(|b, v| Ok(b.top_k(v[0], 1, 0, false)?.0), &[&[3, 2]]);
    }
}
