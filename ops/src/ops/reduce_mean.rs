//! `ReduceMean`: mean over axes (ONNX ReduceMean-18).

use ocellus_graph::ValueId;
use ocellus_plan::args::ReduceFunction;

use super::reduce::{CALIBRATED, Parts, Reduction, apply, eval, grads, infer, upgrade};
use crate::{Builder, GradContext, OpDef, OpError};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval(ctx, &REDUCTION)),
    grad: Some(grad),
    quant: Some(CALIBRATED),
    upgrade: Some(upgrade),
    lower: Some(|ctx| super::reduce_lower::lower(ctx, ReduceFunction::Mean)),
    ..OpDef::new("ReduceMean", infer)
};

const REDUCTION: Reduction = Reduction {
    float: |v| v.iter().fold(0.0, |a, b| a + b) / v.len() as f64,
    int: |v, _| v.iter().sum::<i128>().checked_div(v.len() as i128),
};

/// `dx = g / n`, repeated.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let parts = Parts::new(ctx)?;
    let share = ctx.builder.scale_by(parts.g, 1.0 / parts.count as f64)?;
    let dx = parts.spread(ctx.builder, share)?;
    Ok(grads(ctx, dx))
}

impl Builder {
    /// The mean over `axes` (all where empty).
    pub fn reduce_mean(&mut self, x: ValueId, axes: &[i64], keepdims: bool) -> Result<ValueId, OpError> {
        apply(self, &OP, x, axes, keepdims)
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn values() {
        let x = Tensor::of(&[2, 2, 2], vec![1f32, 2., 3., 4., 5., 6., 7., 8.]);
        let y = check::eval(|b, v| b.reduce_mean(v[0], &[0, 2], true), &[x]);
        assert_eq!(y, Tensor::of(&[1, 2, 1], vec![3.5f32, 5.5]));
        let y = check::eval(|b, v| b.reduce_mean(v[0], &[0], false), &[Tensor::vector(&[-3i32, 0])]);
        assert_eq!(y, Tensor::scalar(-1i32));
    }

    #[test]
    fn no_elements_have_no_mean() {
        let y = check::eval(|b, v| b.reduce_mean(v[0], &[0], false), &[Tensor::of(&[0], Vec::<f32>::new())]);
        assert!(y.to_f32()[0].is_nan());
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.reduce_mean(v[0], &[1], true), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_mean(v[0], &[0, -1], false), &[&[2, 3, 2]]);
        check::gradient(|b, v| b.reduce_mean(v[0], &[], false), &[&[2, 3]]);
    }
}
