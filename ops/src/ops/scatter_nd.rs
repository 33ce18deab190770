//! `ScatterND`: writes updates at places named by index tuples (ONNX ScatterND-18).

use ocellus_graph::{Attributes, Dim, Tensor, ValueId};

use super::gather::require_indices;
use super::gather_nd::tuples;
use super::scattering::{Reduction, Scatter, check_updates, scattered};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef { eval: Some(eval), grad: Some(grad), ..OpDef::new("ScatterND", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let (data, indices) = (ctx.input(0)?, ctx.input(1)?);
    require_indices(ctx, 1)?;
    let Some((tuple, outer)) = indices.shape.split_last() else {
        return Err(ctx.error("indices need at least one axis, the index tuples"));
    };
    let updates = match tuple {
        Dim::Known(n) => match data.shape.get(*n..) {
            Some(rest) => outer.iter().chain(rest).cloned().collect(),
            None => return Err(ctx.error(format!("tuples of {n} indices reach beyond data of shape {}", data.shape))),
        },
        _ => ctx.input(2)?.shape.clone(),
    };
    check_updates(ctx, &updates)?;
    Ok(vec![data.clone()])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (data, indices, updates) = (ctx.input(0)?, ctx.input(1)?, ctx.input(2)?);
    let reduction = Reduction::parse(&ctx.string("reduction", "none")).map_err(|e| ctx.error(e))?;
    let (shape, places) = tuples(data.shape(), indices, 0).map_err(|e| ctx.error(e))?;
    if shape != updates.shape() {
        return Err(ctx.error(format!("updates have shape {:?}, the indices ask for {shape:?}", updates.shape())));
    }
    Ok(vec![scattered(data, updates, &places, reduction).map_err(|e| ctx.error(e))?])
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, y, data, indices, updates) = (ctx.grad()?, ctx.output(0)?, ctx.input(0)?, ctx.input(1)?, ctx.input(2)?);
    let reduction = Reduction::parse(&ctx.string("reduction", "none")).map_err(|e| ctx.error(e))?;
    let scatter = Scatter {
        scatter: &|b, data, updates, reduction| b.scatter_nd(data, indices, updates, reduction),
        gather: &|b, x| b.gather_nd(x, indices, 0),
    };
    Ok(Scatter::in_order(scatter.gradients(ctx.builder, (g, y), (data, updates), reduction)?))
}

impl Builder {
    /// `data` after `updates` have met the places that the tuples in the last axis of `indices` name; `reduction` is
    /// `none`, `add`, `mul`, `max` or `min`.
    pub fn scatter_nd(
        &mut self,
        data: ValueId,
        indices: ValueId,
        updates: ValueId,
        reduction: &str,
    ) -> Result<ValueId, OpError> {
        self.apply(&OP, &[data, indices, updates], Attributes::new().with("reduction", reduction))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use crate::check;

    use super::*;

    #[test]
    fn writes_elements_and_slices() {
        let data = Tensor::vector(&[1f32, 2., 3., 4.]);
        let indices = Tensor::of(&[2, 1], vec![3i64, -4]);
        let y = check::eval(
            |b, v| b.scatter_nd(v[0], v[1], v[2], "none"),
            &[data, indices.clone(), Tensor::vector(&[9f32, 8.])],
        );
        assert_eq!(y, Tensor::vector(&[8f32, 2., 3., 9.]));
        let data = Tensor::of(&[4, 2], vec![1i32; 8]);
        let y = check::eval(
            |b, v| b.scatter_nd(v[0], v[1], v[2], "add"),
            &[data, indices, Tensor::of(&[2, 2], vec![1, 2, 3, 4])],
        );
        assert_eq!(y, Tensor::of(&[4, 2], vec![4, 5, 1, 1, 1, 1, 2, 3]));
    }

    #[test]
    fn misfits_are_refused() {
        let mut b = Builder::new("t");
        let [data, rows, row] = [&[3, 2][..], &[2, 2], &[2]].map(|s| b.input("v", DataType::F32, s));
        let [one, three] = [&[2, 1][..], &[2, 3]].map(|s| b.input("i", DataType::I64, s));
        assert!(b.scatter_nd(data, one, rows, "none").is_ok());
        assert!(b.scatter_nd(data, one, row, "none").unwrap_err().to_string().contains("[2, 2]"));
        assert!(b.scatter_nd(data, three, rows, "none").is_err());
    }

    #[test]
    fn gradient_of_every_reduction() {
        let data = Tensor::of(&[3, 2], check::numbers(6, 1));
        let distinct = Tensor::of(&[2, 1], vec![2i64, 0]);
        let updates = Tensor::of(&[2, 2], check::numbers(4, 2));
        check::gradient_at(|b, v| b.scatter_nd(v[0], v[1], v[2], "none"), &[data.clone(), distinct, updates.clone()]);
        let repeated = Tensor::of(&[2, 1], vec![2i64, 2]);
        for reduction in ["add", "mul", "max", "min"] {
            check::gradient_at(
                |b, v| b.scatter_nd(v[0], v[1], v[2], reduction),
                &[data.clone(), repeated.clone(), updates.clone()],
            );
        }
    }

    #[test]
    fn gradient_of_products_with_zeros() {
        for (data, updates) in [([0.0, 2.0], [3.0, 0.5]), ([2.0, 2.0], [0.0, 3.0]), ([2.0, 0.0], [0.0, 0.0])] {
            check::gradient_at(
                |b, v| b.scatter_nd(v[0], v[1], v[2], "mul"),
                &[Tensor::vector(&data), Tensor::of(&[2, 1], vec![0i64, 0]), Tensor::vector(&updates)],
            );
        }
    }
}
