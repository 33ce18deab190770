//! `GlobalAveragePool`: the mean of every plane (ONNX GlobalAveragePool-1; 22 only adds types).

use ocellus_graph::{Attributes, ValueId};

use super::elementwise::require_float;
use super::pool::{eval_global, global_shape};
use crate::{Builder, GradContext, InferContext, InputRole, OpDef, OpError, OutputScale, QuantRule, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(|ctx| eval_global(ctx, |plane| plane.iter().sum::<f64>() / plane.len() as f64)),
    grad: Some(grad),
    quant: Some(QuantRule { inputs: |_| vec![InputRole::Activation], output: OutputScale::Calibrated }),
    lower: Some(super::pool_lower::global_average_pool),
    ..OpDef::new("GlobalAveragePool", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    Ok(vec![ValueType::new(ctx.input(0)?.dtype, global_shape(ctx)?)])
}

/// `g / count`, everywhere.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x) = (ctx.grad()?, ctx.input(0)?);
    let b = &mut *ctx.builder;
    let shape = b.shape(x)?;
    let count: usize = shape[2..].iter().product();
    let share = b.scalar_like(g, 1.0 / count as f64)?;
    let shared = b.mul(g, share)?;
    Ok(vec![Some(b.expand(shared, &shape.iter().map(|&n| n as i64).collect::<Vec<_>>())?)])
}

impl Builder {
    /// The mean of every plane of `x` `[N, C, ...]`, `[N, C, 1, ...]`.
    pub fn global_average_pool(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new())
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;

    use crate::check;

    #[test]
    fn means_of_planes() {
        let x = Tensor::of(&[1, 2, 1, 3], vec![1f32, 2., 6., -1., -1., -4.]);
        let y = check::eval(|b, v| b.global_average_pool(v[0]), &[x]);
        assert_eq!(y, Tensor::of(&[1, 2, 1, 1], vec![3f32, -2.]));
    }

    #[test]
    fn gradient() {
        check::gradient(|b, v| b.global_average_pool(v[0]), &[&[2, 3, 2, 4]]);
        check::gradient(|b, v| b.global_average_pool(v[0]), &[&[2, 1, 5]]);
    }
}
