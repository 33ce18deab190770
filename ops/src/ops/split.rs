//! `Split`: pieces of an axis, one after the other (ONNX Split-18).

use ocellus_graph::{Attributes, Dim, Tensor, ValueId};

use super::movement::{MOVES, list};
use super::slice::select;
use crate::shapes::axis;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    upgrade: Some(upgrade),
    lower: Some(super::movement_lower::split),
    ..OpDef::new("Split", infer)
};

/// The length of every piece: as given, or equal ones of which the last may be smaller.
fn lengths(size: usize, given: Option<&[i64]>, pieces: i64) -> Result<Vec<usize>, String> {
    let Some(given) = given else {
        let pieces = usize::try_from(pieces).ok().filter(|&p| p > 0);
        let pieces = pieces.ok_or("num_outputs has to be positive")?;
        let length = size.div_ceil(pieces);
        return Ok((0..pieces).map(|i| length.min(size.saturating_sub(i * length))).collect());
    };
    let lengths: Option<Vec<usize>> = given.iter().map(|&n| usize::try_from(n).ok()).collect();
    match lengths {
        Some(lengths) if lengths.iter().try_fold(0usize, |a, &b| a.checked_add(b)) == Some(size) => Ok(lengths),
        _ => Err(format!("pieces of {given:?} elements do not make up an axis of {size}")),
    }
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let given = ctx.int("axis", 0);
    let along = axis(given, x.shape.rank())
        .ok_or_else(|| ctx.error(format!("axis {given} is out of range for an input of shape {}", x.shape)))?;
    let count = ctx.node.outputs.len();
    let pieces = ctx.int("num_outputs", count as i64);
    if ctx.optional(1).is_none() && pieces != count as i64 {
        return Err(ctx.error(format!("num_outputs is {pieces}, but it has {count} outputs")));
    }
    let dims: Vec<Dim> = match (&x.shape[along], list(ctx, 1)) {
        (Dim::Known(_), None) if ctx.optional(1).is_some() => vec![Dim::Unknown; ctx.node.outputs.len()],
        (Dim::Known(n), given) => {
            lengths(*n, given.as_deref(), pieces).map_err(|e| ctx.error(e))?.into_iter().map(Dim::Known).collect()
        }
        (_, Some(given)) => {
            let known = |&n: &i64| usize::try_from(n).map(Dim::Known);
            let dims: Result<Vec<_>, _> = given.iter().map(known).collect();
            dims.map_err(|_| ctx.error(format!("pieces of {given:?} elements")))?
        }
        (_, None) => vec![Dim::Unknown; ctx.node.outputs.len()],
    };
    if dims.len() < ctx.node.outputs.len() {
        return Err(ctx.error(format!("makes {} pieces for {} outputs", dims.len(), ctx.node.outputs.len())));
    }
    let piece = |d: Dim| {
        let mut shape = x.shape.clone();
        shape.0[along] = d;
        ValueType::new(x.dtype, shape)
    };
    Ok(dims.into_iter().map(piece).collect())
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let along = axis(ctx.int("axis", 0), x.rank()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let given = ctx.optional(1).map(Tensor::to_i64);
    let pieces = ctx.int("num_outputs", ctx.node.outputs.len() as i64);
    let lengths = lengths(x.shape()[along], given.as_deref(), pieces).map_err(|e| ctx.error(e))?;
    let mut places: Vec<Vec<usize>> = x.shape().iter().map(|&n| (0..n).collect()).collect();
    let mut start = 0;
    let mut piece = |length: usize| {
        places[along] = (start..start + length).collect();
        start += length;
        select(x, &places)
    };
    Ok(lengths.into_iter().map(&mut piece).collect())
}

/// `dx` = the gradients of the pieces one after the other, zeros where none flows.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let x = ctx.input(0)?;
    let shape = ctx.builder.shape(x)?;
    let dtype = ctx.builder.dtype(x)?;
    let along = axis(ctx.int("axis", 0), shape.len()).ok_or_else(|| ctx.error("axis is out of range"))?;
    let given = match ctx.node.input(1) {
        None => None,
        Some(v) => {
            Some(ctx.builder.constant_of(v).ok_or_else(|| ctx.error("the gradient needs constant sizes"))?.to_i64())
        }
    };
    let pieces = ctx.int("num_outputs", ctx.node.outputs.len() as i64);
    let lengths = lengths(shape[along], given.as_deref(), pieces).map_err(|e| ctx.error(e))?;
    let mut parts = Vec::with_capacity(lengths.len());
    for (i, length) in lengths.into_iter().enumerate() {
        parts.push(match ctx.output_grads.get(i).copied().flatten() {
            Some(g) => g,
            None => {
                let mut piece = shape.clone();
                piece[along] = length;
                ctx.builder.constant("zeros", Tensor::full(dtype, &piece, 0.0))
            }
        });
    }
    let joined = if parts.len() == 1 { parts[0] } else { ctx.builder.concat(&parts, along as i64)? };
    Ok(std::iter::once(Some(joined)).chain((1..ctx.node.inputs.len()).map(|_| None)).collect())
}

/// Opset 13 made the lengths an input; opset 18 wants the number of outputs where they are equal.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    ctx.attribute_to_input("split", 1);
    if ctx.node.input(1).is_none() && ctx.node.attributes.int("num_outputs").is_none() {
        let pieces = ctx.node.outputs.len() as i64;
        ctx.node.attributes.set("num_outputs", pieces);
    }
    Ok(())
}

impl Builder {
    /// The pieces of `sizes` elements of `x` along `axis`.
    pub fn split(&mut self, x: ValueId, sizes: &[i64], axis: i64) -> Result<Vec<ValueId>, OpError> {
        let lengths = self.indices(sizes);
        self.apply_many(&OP, &[Some(x), Some(lengths)], Attributes::new().with("axis", axis), sizes.len())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model, Node, Shape};

    use crate::check;

    use super::*;

    #[test]
    fn pieces_of_given_and_of_equal_length() {
        assert_eq!(lengths(7, None, 3), Ok(vec![3, 3, 1]));
        assert_eq!(lengths(4, None, 3), Ok(vec![2, 2, 0]));
        assert_eq!(lengths(3, Some(&[0, 3]), 0), Ok(vec![0, 3]));
        assert!(lengths(3, Some(&[1, 1]), 0).is_err());
        assert!(lengths(3, Some(&[4, -1]), 0).is_err());
        let x = Tensor::of(&[2, 3], (0u8..6).collect());
        let y = check::eval(|b, v| Ok(b.split(v[0], &[1, 2], -1)?[1]), &[x]);
        assert_eq!(y, Tensor::of(&[2, 2], vec![1u8, 2, 4, 5]));
    }

    #[test]
    fn the_attribute_becomes_an_input() {
        for (split, sizes) in [(Some(vec![1i64, 3]), [1, 3]), (None, [2, 2])] {
            let mut g = Graph::new("old");
            let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[4])));
            let (a, b) = (g.add_value("a", None, None), g.add_value("b", None, None));
            (g.inputs, g.outputs) = (vec![x], vec![a, b]);
            let attributes = split.map_or_else(Attributes::new, |s| Attributes::new().with("split", s));
            g.nodes.push(Node::new("Split", [Some(x)], [Some(a), Some(b)]).with_attributes(attributes));
            let mut model = Model { opset: 11, ..Model::new(g) };
            crate::upgrade(&mut model).unwrap();
            crate::infer(&mut model).unwrap();
            assert_eq!([a, b].map(|v| model.graph.value(v).shape.clone().unwrap().known().unwrap()[0]), sizes);
        }
    }

    #[test]
    fn gradient_of_all_pieces_and_of_one() {
        check::gradient(
            |b, v| {
                let parts = b.split(v[0], &[1, 2, 2], 1)?;
                b.mul(parts[1], parts[2])
            },
            &[&[2, 5]],
        );
    }
}
