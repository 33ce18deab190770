//! `Squeeze`: drops axes of size 1 (ONNX Squeeze-21).

use ocellus_graph::{Attributes, Dim, Shape, Tensor, ValueId};

use super::movement::{MOVES, axes, list, list_length, sizes};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    upgrade: Some(upgrade),
    lower: Some(crate::lower::moves::reshape),
    ..OpDef::new("Squeeze", infer)
};

/// The shape without `given`, or without every axis of size 1.
fn squeezed(from: &Shape, given: Option<&[i64]>) -> Result<Shape, String> {
    let dropped = match given {
        Some(given) => axes(given, from.rank())?,
        None => {
            let known = from.known().ok_or_else(|| format!("without axes, every size of {from} has to be known"))?;
            (0..known.len()).filter(|&i| known[i] == 1).collect()
        }
    };
    if let Some(&i) = dropped.iter().find(|&&i| from[i].known().is_some_and(|n| n != 1)) {
        return Err(format!("axis {i} of an input of shape {from} has size {}, not 1", from[i]));
    }
    Ok(from.iter().enumerate().filter(|(i, _)| !dropped.contains(i)).map(|(_, d)| d.clone()).collect())
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let given = list(ctx, 1);
    let shape = if given.is_none() && ctx.optional(1).is_some() {
        let left = x.shape.rank().checked_sub(list_length(ctx, 1)?);
        Shape(vec![Dim::Unknown; left.ok_or_else(|| ctx.error("names more axes than its input has"))?])
    } else {
        squeezed(&x.shape, given.as_deref()).map_err(|e| ctx.error(e))?
    };
    Ok(vec![ValueType::new(x.dtype, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let given = ctx.optional(1).map(Tensor::to_i64);
    let shape = squeezed(&Shape::fixed(x.shape()), given.as_deref()).map_err(|e| ctx.error(e))?;
    Ok(vec![x.reshaped(&sizes(&shape)).map_err(|e| ctx.error(e.to_string()))?])
}

/// `dx = g`, under the input's shape.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    Ok(vec![Some(ctx.builder.reshape_like(g, x)?), None])
}

/// Opset 13 made the axes an input.
pub(super) fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    ctx.attribute_to_input("axes", 1);
    Ok(())
}

impl Builder {
    /// `x` without the axes `axes`, which have size 1 (all such axes where the list is empty).
    pub fn squeeze(&mut self, x: ValueId, axes: &[i64]) -> Result<ValueId, OpError> {
        let mut inputs = vec![x];
        if !axes.is_empty() {
            inputs.push(self.indices(axes));
        }
        self.apply(&OP, &inputs, Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model, Node};

    use crate::check;

    use super::*;

    #[test]
    fn drops_axes_of_size_one() {
        let x = Tensor::of(&[1, 2, 1, 3], vec![0u8; 6]);
        let shape =
            |axes: &'static [i64]| check::eval(|b, v| b.squeeze(v[0], axes), std::slice::from_ref(&x)).shape().to_vec();
        assert_eq!(shape(&[]), [2, 3]);
        assert_eq!(shape(&[-2]), [1, 2, 3]);
        let mut b = Builder::new("t");
        let id = b.input("x", DataType::F32, &[1, 2]);
        assert!(b.squeeze(id, &[1]).unwrap_err().to_string().contains("size 2, not 1"));
    }

    #[test]
    fn symbols_need_axes() {
        let from = Shape(vec![Dim::Symbol("n".into()), Dim::Known(1)]);
        assert!(squeezed(&from, None).is_err());
        assert_eq!(squeezed(&from, Some(&[1])).unwrap().to_string(), "[n]");
    }

    #[test]
    fn the_axes_attribute_becomes_an_input() {
        let mut g = Graph::new("old");
        let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[1, 2, 1])));
        let y = g.add_value("y", None, None);
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        let axes = Attributes::new().with("axes", vec![0i64]);
        g.nodes.push(Node::new("Squeeze", [Some(x)], [Some(y)]).with_attributes(axes));
        let mut model = Model { opset: 11, ..Model::new(g) };
        crate::upgrade(&mut model).unwrap();
        crate::infer(&mut model).unwrap();
        assert_eq!(model.graph.value(y).shape, Some(Shape::fixed(&[2, 1])));
        assert_eq!(model.graph.nodes[0].attributes, Attributes::new());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.squeeze(v[0], &[0, 2]), &[&[1, 3, 1, 2]]);
    }
}
