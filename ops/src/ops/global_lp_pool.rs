//! `GlobalLpPool`: the p-norm of every plane (ONNX GlobalLpPool-2; 22 only adds types).

use ocellus_graph::{Attributes, Tensor, ValueId};

use super::elementwise::require_float;
use super::norm::{norm, norm_gradient, order};
use super::pool::{eval_global, global_shape};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    lower: Some(super::pool_lower::global_lp_pool),
    ..OpDef::new("GlobalLpPool", infer)
};

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_float(ctx, 0)?;
    order(ctx.node, 2)?;
    Ok(vec![ValueType::new(ctx.input(0)?.dtype, global_shape(ctx)?)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let p = order(ctx.node, 2)?;
    eval_global(ctx, |plane| norm(&mut plane.iter().copied(), p))
}

/// `g sign(x) |x|^(p-1) y^(1-p)`.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (g, x, y) = (ctx.grad()?, ctx.input(0)?, ctx.output(0)?);
    let p = order(&ctx.node, 2)?;
    Ok(vec![Some(norm_gradient(ctx.builder, g, x, y, p, |_, share| Ok(share))?)])
}

impl Builder {
    /// The p-norm of every plane of `x` `[N, C, ...]`, `[N, C, 1, ...]`.
    pub fn global_lp_pool(&mut self, x: ValueId, p: i64) -> Result<ValueId, OpError> {
        self.apply(&OP, &[x], Attributes::new().with("p", p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn norms_of_planes() {
        let x = Tensor::of(&[1, 2, 1, 2], vec![3f32, -4., 0., -2.]);
        let y = check::eval(|b, v| b.global_lp_pool(v[0], 2), std::slice::from_ref(&x));
        assert_eq!(y, Tensor::of(&[1, 2, 1, 1], vec![5f32, 2.]));
        let y = check::eval(|b, v| b.global_lp_pool(v[0], 3), &[x]);
        assert_eq!(y, Tensor::of(&[1, 2, 1, 1], vec![91f64.cbrt() as f32, 2.]));
    }

    #[test]
    fn gradient() {
        for p in 1..=3 {
            check::gradient(|b, v| b.global_lp_pool(v[0], p), &[&[2, 2, 3, 2]]);
        }
    }
}
