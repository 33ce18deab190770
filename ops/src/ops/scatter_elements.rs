//! `ScatterElements`: writes every update at the place of its index along an axis (ONNX ScatterElements-18).

use ocellus_graph::{Attributes, Tensor, ValueId};

use super::gather_elements::{check_indices, places};
use super::scattering::{Reduction, Scatter, check_updates, scattered};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef { eval: Some(eval), grad: Some(grad), ..OpDef::new("ScatterElements", infer) };

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    check_indices(ctx)?;
    check_updates(ctx, &ctx.input(1)?.shape)?;
    Ok(vec![ctx.input(0)?.clone()])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let (data, indices, updates) = (ctx.input(0)?, ctx.input(1)?, ctx.input(2)?);
    let reduction = Reduction::parse(&ctx.string("reduction", "none")).map_err(|e| ctx.error(e))?;
    if indices.shape() != updates.shape() {
        let (a, b) = (indices.shape(), updates.shape());
        return Err(ctx.error(format!("indices of shape {a:?} and updates of shape {b:?} have to be the same")));
    }
    let places = places(data.shape(), indices, ctx.int("axis", 0)).map_err(|e| ctx.error(e))?;
    Ok(vec![scattered(data, updates, &places, reduction).map_err(|e| ctx.error(e))?])
}

fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, y, data, indices, updates) = (ctx.grad()?, ctx.output(0)?, ctx.input(0)?, ctx.input(1)?, ctx.input(2)?);
    let reduction = Reduction::parse(&ctx.string("reduction", "none")).map_err(|e| ctx.error(e))?;
    let along = ctx.int("axis", 0);
    let scatter = Scatter {
        scatter: &|b, data, updates, reduction| b.scatter_elements(data, indices, updates, along, reduction),
        gather: &|b, x| b.gather_elements(x, indices, along),
    };
    Ok(Scatter::in_order(scatter.gradients(ctx.builder, (g, y), (data, updates), reduction)?))
}

impl Builder {
    /// `data` after every update has met the element at its own place, but at its index along `axis`; `reduction` is
    /// `none`, `add`, `mul`, `max` or `min`.
    pub fn scatter_elements(
        &mut self,
        data: ValueId,
        indices: ValueId,
        updates: ValueId,
        axis: i64,
        reduction: &str,
    ) -> Result<ValueId, OpError> {
        let attributes = Attributes::new().with("axis", axis).with("reduction", reduction);
        self.apply(&OP, &[data, indices, updates], attributes)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use crate::check;

    use super::*;

    #[test]
    fn writes_along_the_axis() {
        let run = |reduction: &'static str, indices: Vec<i64>| {
            let data = Tensor::of(&[1, 5], vec![1f32, 2., 3., 4., 5.]);
            let updates = Tensor::of(&[1, 2], vec![1.5f32, 2.5]);
            check::eval(
                |b, v| b.scatter_elements(v[0], v[1], v[2], 1, reduction),
                &[data, Tensor::of(&[1, 2], indices), updates],
            )
            .to_f32()
        };
        assert_eq!(run("none", vec![1, -2]), [1., 1.5, 3., 2.5, 5.]);
        assert_eq!(run("add", vec![1, 1]), [1., 6., 3., 4., 5.]);
        assert_eq!(run("mul", vec![1, 1]), [1., 7.5, 3., 4., 5.]);
        assert_eq!(run("max", vec![1, 1]), [1., 2.5, 3., 4., 5.]);
        assert_eq!(run("min", vec![1, 1]), [1., 1.5, 3., 4., 5.]);
    }

    #[test]
    fn misfits_are_refused() {
        let mut b = Builder::new("t");
        let mut input = |dtype, shape: &[usize]| b.input("v", dtype, shape);
        let (data, updates, whole) =
            (input(DataType::F32, &[2, 2]), input(DataType::F32, &[1, 2]), input(DataType::I32, &[1, 2]));
        let (indices, longer) = (input(DataType::I64, &[1, 2]), input(DataType::I64, &[1, 3]));
        assert!(b.scatter_elements(data, indices, updates, 0, "none").is_ok());
        assert!(b.scatter_elements(data, longer, updates, 0, "none").is_err());
        assert!(b.scatter_elements(data, indices, whole, 0, "none").is_err());
        assert!(b.scatter_elements(data, indices, updates, 0, "mean").is_err());
        assert!(b.scatter_elements(data, indices, data, 0, "none").unwrap_err().to_string().contains("[1, 2]"));
    }

    #[test]
    fn gradient_of_every_reduction() {
        let (data, updates) = (Tensor::of(&[3, 2], check::numbers(6, 1)), Tensor::of(&[2, 2], check::numbers(4, 2)));
        let distinct = Tensor::of(&[2, 2], vec![2i64, 0, 0, 1]);
        check::gradient_at(
            |b, v| b.scatter_elements(v[0], v[1], v[2], 0, "none"),
            &[data.clone(), distinct, updates.clone()],
        );
        let repeated = Tensor::of(&[2, 2], vec![2i64, 0, 2, 0]);
        for reduction in ["add", "mul", "max", "min"] {
            check::gradient_at(
                |b, v| b.scatter_elements(v[0], v[1], v[2], 0, reduction),
                &[data.clone(), repeated.clone(), updates.clone()],
            );
        }
    }
}
